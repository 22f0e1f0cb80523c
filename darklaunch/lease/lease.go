// Package lease spares readers of new the look at marks in old, while nobody has
// any.
//
// One record in old says which agents may have marks. Only one that stands and
// names nobody gives a reader a clean lease, for Length from before it asked.
// Under it the reader does not look at marks. A writer that has marked puts
// itself into the record, and acknowledges only after every lease from before has
// ended. A record that is missing, or cannot be read, gives no lease: then readers
// look at marks, as they do without this package.
//
// Whoever moves the ramp makes the record (Make), with every agent in it; each
// leaves it by itself. So nobody has to know what others did while it was missing.
package lease

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	// Length of a lease.
	Length = 200 * time.Millisecond
	// Period is how often the record is read, so that a lease is had all the time.
	Period = 100 * time.Millisecond
	// wait is Length and what two clocks may go apart in it.
	wait = Length + Length/20
)

// Lease is one agent's. It is safe for concurrent use.
type Lease struct {
	notes *backends.Notes
	start string
	base  time.Time
	until atomic.Int64 // since base; 0: no lease

	turn chan struct{} // whoever holds it may read and change what follows

	mu     sync.Mutex // guards what follows against readers without the turn
	listed bool       // this agent is in the record, as far as it knows
	since  time.Time  // ... at least since then
	// leaving is set while a change that takes it out may still arrive: that it is
	// in the record says nothing then.
	leaving bool
}

// New makes a lease of the agent with that start id over old's notes. It calls no
// store.
func New(notes *backends.Notes, start string) *Lease {
	l := &Lease{notes: notes, start: start, base: time.Now(), turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Held tells whether a read that begins now may leave marks alone.
func (l *Lease) Held() bool {
	until := l.until.Load()
	return until > 0 && int64(time.Since(l.base)) < until
}

// Look reads the record: it takes, renews or ends the lease.
func (l *Lease) Look(ctx context.Context) {
	began := time.Since(l.base)
	clean, in, out := true, false, false
	for _, said := range l.notes.Read(ctx, Name) {
		r, err := parse(said.Data)
		stands := said.Err == nil && said.Found && err == nil
		clean = clean && stands && r.clean()
		if stands {
			named := slices.Contains(r.Agents, l.start)
			in, out = in || named, out || !named
		}
	}
	if clean {
		l.until.Store(int64(began + Length))
	} else {
		l.until.Store(0)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case in && !l.listed && !l.leaving:
		l.listed, l.since = true, time.Now() // by whoever made the record
	case out && !in && l.listed && time.Since(l.since) > time.Second:
		// A server that took old's place lacks it: be in it again before the next
		// acknowledgement.
		l.listed = false
	}
}

// Listed tells whether the agent is in the record, as far as it knows.
func (l *Lease) Listed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listed
}

// List puts the agent into the record. ends is when the last lease from before
// ends: only then may be acknowledged what was marked. An error says that readers
// may hold leases for ever.
func (l *Lease) List(ctx context.Context) (ends time.Time, err error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return time.Time{}, ctx.Err()
	}
	l.mu.Lock()
	if l.listed {
		defer l.mu.Unlock()
		return l.since.Add(wait), nil
	}
	l.mu.Unlock()
	var in atomic.Bool // on one server: a lease needs all of them to be empty
	done, err := l.notes.Change(ctx, Name, func(was []byte, found bool) ([]byte, bool) {
		data, already := with(was, found, l.start)
		if already {
			in.Store(true)
		}
		return data, !already
	})
	if !done && !in.Load() {
		return time.Time{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed, l.since, l.leaving = true, time.Now(), false
	return l.since.Add(wait), nil
}

// Leave takes the agent out of the record, if clean says that it has no marks and
// none is on its way. What is marked meanwhile waits, and lists the agent again.
func (l *Lease) Leave(ctx context.Context, clean func() bool) error {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	default:
		return nil // somebody is being listed
	}
	l.mu.Lock()
	if !l.listed || !clean() {
		l.mu.Unlock()
		return nil
	}
	l.listed, l.leaving = false, true // first: whoever marks from here on asks
	l.mu.Unlock()
	_, err := l.notes.Change(ctx, Name, func(was []byte, found bool) ([]byte, bool) { return without(was, found, l.start) })
	if err == nil {
		l.mu.Lock()
		l.leaving = false
		l.mu.Unlock()
	}
	return err
}
