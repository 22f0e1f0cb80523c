// Package frontendtest has what tests of frontends need: sessions in a map,
// with a clock and faults of the test's own and a log of the calls; and a
// client's connection that is played from bytes.
//
//	f := frontendtest.New(t, kinds.Kind{Name: "web", Keys: []string{"s.{id: [a-z]+}"}})
//	got := frontendtest.Play(t, memcached.New(f, memcached.Options{}), "get s.a\r\n")
//	f.Calls() // "get s.a"
//
// It promises what frontends.Sessions does, on one machine and without stages.
package frontendtest

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// Sessions is frontends.Sessions over a map. It is safe for concurrent use.
type Sessions struct {
	// Now is the clock; New sets it to time.Now.
	Now func() time.Time
	// Fault may be nil. It is asked before each call ("get", "set" …), and an
	// error is returned in its place. Both are set before the first call.
	Fault func(op string, r kinds.Ref) error
	// Quiet keeps no log, for benchmarks.
	Quiet bool
	// Blind makes Read say that deadlines are unknown.
	Blind bool

	set *kinds.Set

	mu       sync.Mutex // guards what follows
	sessions map[string]backends.Session
	locks    map[string]lock
	calls    []string
}

type lock struct {
	owner kinds.Owner
	until time.Time // zero: for ever
}

var _ frontends.Sessions = (*Sessions)(nil)

// New makes empty sessions of the kinds.
func New(tb testing.TB, ks ...kinds.Kind) *Sessions {
	tb.Helper()
	set, err := kinds.Compile(ks)
	if err != nil {
		tb.Fatal(err)
	}
	return &Sessions{Now: time.Now, set: set, sessions: map[string]backends.Session{}, locks: map[string]lock{}}
}

// Calls are those since the last Calls, such as `set s.a 5 "data" 1440s`: flags,
// data, life in seconds (0s: for ever, past: that).
func (f *Sessions) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

func (f *Sessions) note(format string, args ...any) {
	if !f.Quiet {
		f.calls = append(f.calls, fmt.Sprintf(format, args...))
	}
}

func (f *Sessions) begin(op string, r kinds.Ref, format string, args ...any) error {
	if !f.Quiet {
		f.calls = append(f.calls, op+" "+r.Name()+fmt.Sprintf(format, args...))
	}
	if f.Fault == nil {
		return nil
	}
	return f.Fault(op, r)
}

// life is how long until a deadline, for the log.
func (f *Sessions) life(deadline time.Time) string {
	switch d := deadline.Sub(f.Now()); {
	case deadline.IsZero():
		return "0s"
	case d <= 0:
		return "past"
	default:
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
}

// find gives what is live.
func (f *Sessions) find(r kinds.Ref) (backends.Session, bool) {
	s, ok := f.sessions[r.ID]
	if ok && s.Expired(f.Now()) {
		delete(f.sessions, r.ID)
		return backends.Session{}, false
	}
	return s, ok
}

func (f *Sessions) put(r kinds.Ref, s backends.Session) {
	s.Data = slices.Clone(s.Data)
	f.sessions[r.ID] = s
}

// Resolve implements frontends.Sessions.
func (f *Sessions) Resolve(name []byte) (kinds.Ref, bool) { return f.set.Resolve(name) }

// Get implements frontends.Sessions.
func (f *Sessions) Get(_ context.Context, r kinds.Ref) (backends.Session, bool, error) {
	return f.read("get", r)
}

// Read implements frontends.Sessions.
func (f *Sessions) Read(_ context.Context, r kinds.Ref) (backends.Session, bool, error) {
	return f.read("read", r)
}

func (f *Sessions) read(op string, r kinds.Ref) (backends.Session, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(op, r, ""); err != nil {
		return backends.Session{}, false, err
	}
	s, ok := f.find(r)
	s.Data = slices.Clone(s.Data)
	if f.Blind || op == "get" {
		s.Deadline, s.DeadlineUnknown = time.Time{}, true
	}
	return s, ok, nil
}

// Set implements frontends.Sessions.
func (f *Sessions) Set(_ context.Context, r kinds.Ref, s backends.Session) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.Quiet || f.Fault != nil {
		if err := f.begin("set", r, " %d %q %s", s.Flags, s.Data, f.life(s.Deadline)); err != nil {
			return err
		}
	}
	f.put(r, s)
	return nil
}

// Add implements frontends.Sessions.
func (f *Sessions) Add(_ context.Context, r kinds.Ref, s backends.Session) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("add", r, " %d %q %s", s.Flags, s.Data, f.life(s.Deadline)); err != nil {
		return false, err
	}
	if _, ok := f.find(r); ok {
		return false, nil
	}
	f.put(r, s)
	return true, nil
}

// Touch implements frontends.Sessions.
func (f *Sessions) Touch(_ context.Context, r kinds.Ref, deadline time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("touch", r, " %s", f.life(deadline)); err != nil {
		return false, err
	}
	s, ok := f.find(r)
	if ok {
		s.Deadline = deadline
		f.sessions[r.ID] = s
	}
	return ok, nil
}

// Delete implements frontends.Sessions.
func (f *Sessions) Delete(_ context.Context, r kinds.Ref) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("delete", r, ""); err != nil {
		return false, err
	}
	_, ok := f.find(r)
	delete(f.sessions, r.ID)
	return ok, nil
}

// Edit implements frontends.Sessions. The log tells what came of it: "set",
// "touch", "delete" with "edit" before it, or "edit" alone where nothing was
// changed.
func (f *Sessions) Edit(_ context.Context, r kinds.Ref, fn edit.Func) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Fault != nil {
		if err := f.Fault("edit", r); err != nil {
			f.note("edit %s", r.Name())
			return err
		}
	}
	s, found := f.find(r)
	given := s
	given.Data = slices.Clone(s.Data)
	if f.Blind && found {
		given.Deadline, given.DeadlineUnknown = time.Time{}, true
	}
	c, err := fn(given, found)
	if err != nil {
		c = edit.Leave()
	}
	switch c = c.Effective(found, f.Now()); c.Action {
	case edit.Leaves:
		f.note("edit %s", r.Name())
	case edit.Writes:
		if c.Session.DeadlineUnknown {
			c.Session.Deadline, c.Session.DeadlineUnknown = s.Deadline, false
		}
		f.note("edit set %s %d %q %s", r.Name(), c.Session.Flags, c.Session.Data, f.life(c.Session.Deadline))
		f.put(r, c.Session)
	case edit.Touches:
		f.note("edit touch %s %s", r.Name(), f.life(c.Session.Deadline))
		s.Deadline = c.Session.Deadline
		f.sessions[r.ID] = s
	case edit.Deletes:
		f.note("edit delete %s", r.Name())
		delete(f.sessions, r.ID)
	}
	return err
}

// Token implements frontends.Sessions.
func (f *Sessions) Token(flags uint32, data []byte) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", flags, data)
	return max(1, h.Sum64())
}

// Lock implements frontends.Sessions.
func (f *Sessions) Lock(_ context.Context, r kinds.Ref, o kinds.Owner, ttl time.Duration) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("lock", r, " %v", ttl); err != nil {
		return false, err
	}
	if l, ok := f.locks[r.ID]; ok && (l.until.IsZero() || l.until.After(f.Now())) {
		return false, nil
	}
	l := lock{owner: o}
	if ttl > 0 {
		l.until = f.Now().Add(ttl)
	}
	f.locks[r.ID] = l
	return true, nil
}

// Unlock implements frontends.Sessions: by the client's token, or where it has
// none, by the connection.
func (f *Sessions) Unlock(_ context.Context, r kinds.Ref, o kinds.Owner) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin("unlock", r, ""); err != nil {
		return false, err
	}
	l, ok := f.locks[r.ID]
	if !ok || !l.until.IsZero() && !l.until.After(f.Now()) ||
		o.Client != "" && o.Client != l.owner.Client || o.Client == "" && o.Conn != l.owner.Conn {
		return false, nil
	}
	delete(f.locks, r.ID)
	return true, nil
}
