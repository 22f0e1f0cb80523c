package flags

import (
	"sync"
	"sync/atomic"
	"time"
)

// Source is where revisions come from. It is a Decider too: before the first
// revision its Decisions are not Ready. Safe for concurrent use.
type Source interface {
	Decider
	// Current is the revision that counts now; nil before the first.
	Current() *Snapshot
	// Watch gives a channel on which the newest revision arrives when it
	// changes; the one that is current at the call comes first. A slow reader
	// misses revisions in between, never the last. stop ends it; the channel
	// is not closed.
	Watch() (revisions <-chan *Snapshot, stop func())
	// Status says how the source is.
	Status() Status
}

// Status is what an operator sees of a source.
type Status struct {
	// Ready is set when there is a revision to serve by.
	Ready bool
	// Epoch of that revision; 0 when not Ready, and while a definition that was
	// made elsewhere is all that is known.
	Epoch uint64
	// Elsewhere is set while such a definition is served, too.
	Elsewhere bool
	// LastContact is when the source was last found to say what is served.
	LastContact time.Time
	// LastError is why the newest definition is not the one that is served, or
	// nil: it cannot be read, is malformed, or may not follow.
	LastError error
	// Saved is the epoch that a restart would find; below Epoch while it
	// cannot be written down, with SaveError.
	Saved     uint64
	SaveError error
	// Contact is the same for each channel.
	Contact Contact
	// Stopped is why the source serves nobody any more, until the process is
	// started anew: see Kept. Empty: it does.
	Stopped string

	failed [3]error // by channel: why it has nothing that could be taken
}

// board holds the current revision and tells who watches it.
type board struct {
	cur atomic.Pointer[Snapshot]

	mu       sync.Mutex // guards watchers and the order of put; no I/O under it
	watchers map[chan *Snapshot]struct{}
}

// Current is the revision that counts now; nil before the first.
func (b *board) Current() *Snapshot { return b.cur.Load() }

// Decide gives the position of a session in the current revision.
func (b *board) Decide(h Hash) Decision { return b.cur.Load().Decide(h) }

// Watch gives a channel on which the newest revision arrives: see Source.
func (b *board) Watch() (<-chan *Snapshot, func()) {
	ch := make(chan *Snapshot, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchers == nil {
		b.watchers = map[chan *Snapshot]struct{}{}
	}
	b.watchers[ch] = struct{}{}
	if s := b.cur.Load(); s != nil {
		ch <- s
	}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.watchers, ch)
	}
}

func (b *board) put(s *Snapshot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cur.Store(s)
	for ch := range b.watchers {
		select {
		case <-ch: // an older one that nobody took
		default:
		}
		ch <- s // there is room: only put sends, under mu
	}
}

// Static is a Source that holds what it is given: for tests, and for programs
// that get their revisions elsewhere.
type Static struct {
	board
	set sync.Mutex // one Set at a time
}

var _ Source = (*Static)(nil)

// NewStatic holds s; nil is "not ready".
func NewStatic(s *Snapshot) *Static {
	st := &Static{}
	if s != nil {
		st.put(s)
	}
	return st
}

// Set moves on to the next revision, or says why it may not follow.
func (s *Static) Set(n *Snapshot) error {
	s.set.Lock()
	defer s.set.Unlock()
	if cur := s.Current(); cur != nil {
		if err := cur.Next(n); err != nil {
			return err
		}
	}
	s.put(n)
	return nil
}

// Status of a Static is ready when it holds a revision.
func (s *Static) Status() Status {
	cur := s.Current()
	return Status{Ready: cur != nil, Epoch: cur.Epoch(), Saved: cur.Epoch(), LastContact: time.Now()}
}
