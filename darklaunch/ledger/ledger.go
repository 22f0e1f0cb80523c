// Package ledger judges what clients of a session store were told. It knows
// what each client wrote and when it was acknowledged, and nothing else: it
// imports nothing of Crossfade, so that it cannot share a mistake with it.
//
//	var l ledger.Ledger
//	s := l.Session("user 17")
//	w := s.Write("cart: 3")
//	if err := store.Set(…); err != nil { w.Failed() } else { w.Acknowledged() }
//	r := s.Read()
//	r.Found("cart: 3") // nil, or what was broken
//
// Each session is a regular register: a read that begins after a write was
// acknowledged returns that write, or one that overlaps or follows it. A write
// that was answered with an error may take effect at any time. Of writes that
// overlap either may win.
package ledger

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Ledger holds the sessions and counts. The zero value is ready, and safe for
// concurrent use.
type Ledger struct {
	clock    atomic.Int64
	sessions sync.Map // string -> *Session

	Logouts     atomic.Int64 // told missing, but it lives
	LostWrites  atomic.Int64 // told a value that was overwritten, or one nobody wrote
	Resurrected atomic.Int64 // told a value that was deleted
	Refused     atomic.Int64 // told an error
	Requests    atomic.Int64

	mu    sync.Mutex // guards first
	first []string
}

// Session is one session's history.
type Session struct {
	l      *Ledger
	mu     sync.Mutex // guards writes
	writes []*Write
}

// Write is one write, or a delete, of a session.
type Write struct {
	s          *Session
	value      string
	deletes    bool
	began      int64
	acked      int64 // 0: not yet, or never
	superseded int64 // when a later write was acknowledged; 0: not
}

// Read is one read under way.
type Read struct {
	s     *Session
	began int64
}

// What is remembered of a session: a read under way may return what was
// superseded a moment ago, and a write that failed may take effect much later.
const (
	keptSuperseded = 64
	keptFailed     = 4096
)

// Session gives the history of a session. It begins missing.
func (l *Ledger) Session(id string) *Session {
	if s, ok := l.sessions.Load(id); ok {
		return s.(*Session)
	}
	s := &Session{l: l}
	s.writes = []*Write{{s: s, deletes: true, began: 1, acked: 1}}
	l.clock.CompareAndSwap(0, 1)
	got, _ := l.sessions.LoadOrStore(id, s)
	return got.(*Session)
}

// Write begins a write of a value that no other write has.
func (s *Session) Write(value string) *Write { return s.begin(value, false) }

// Value is what is written.
func (w *Write) Value() string { return w.value }

// Delete begins a delete.
func (s *Session) Delete() *Write { return s.begin("", true) }

func (s *Session) begin(value string, deletes bool) *Write {
	s.l.Requests.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Write{s: s, value: value, deletes: deletes, began: s.l.clock.Add(1)}
	s.writes = append(s.writes, w)
	if len(s.writes)%128 == 0 {
		s.prune()
	}
	return w
}

// prune forgets the oldest: a value of theirs that is then read is one that
// nobody remembers, and counts as a lost write.
func (s *Session) prune() {
	superseded, failed := -keptSuperseded, -keptFailed
	for _, w := range s.writes {
		if w.superseded != 0 {
			superseded++
		} else {
			failed++
		}
	}
	keep := s.writes[:0]
	for _, w := range s.writes {
		switch {
		case w.superseded != 0 && superseded > 0:
			superseded--
			continue
		case w.superseded == 0 && failed > 0 && w.acked == 0:
			failed--
			continue
		}
		keep = append(keep, w)
	}
	s.writes = keep
}

// Acknowledged notes that the client was told that the write is kept.
func (w *Write) Acknowledged() {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	w.acked = s.l.clock.Add(1)
	for _, k := range s.writes {
		if k != w && k.acked != 0 && k.acked < w.began && k.superseded == 0 {
			k.superseded = w.acked
		}
	}
}

// Failed notes that the client was told an error.
func (w *Write) Failed() { w.s.l.Refused.Add(1) }

// Read begins a read.
func (s *Session) Read() *Read {
	s.l.Requests.Add(1)
	return &Read{s, s.l.clock.Add(1)}
}

// Failed notes that the client was told an error.
func (r *Read) Failed() { r.s.l.Refused.Add(1) }

// Found judges the value that was returned; nil: as it must be.
func (r *Read) Found(value string) error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	deleted := false
	for _, w := range s.writes {
		if !w.deletes && w.value == value && !r.forbids(w) {
			return nil
		}
		deleted = deleted || w.deletes && w.acked != 0 && w.acked < r.began && !r.forbids(w) && w.began > 1
	}
	if deleted {
		s.l.Resurrected.Add(1)
		return s.l.note("a deleted session came back: %q", value)
	}
	s.l.LostWrites.Add(1)
	return s.l.note("a write was lost: a read gave %q after later writes had been acknowledged", value)
}

// Missing judges that nothing was returned.
func (r *Read) Missing() error {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writes {
		if w.deletes && !r.forbids(w) {
			return nil
		}
	}
	s.l.Logouts.Add(1)
	return s.l.note("a user was logged out: a live session was answered missing")
}

// forbids tells whether the write was superseded before the read began.
func (r *Read) forbids(w *Write) bool { return w.superseded != 0 && w.superseded < r.began }

// note keeps the first few findings, for the reader of a failure.
func (l *Ledger) note(format string, args ...any) error {
	err := fmt.Errorf("ledger: "+format, args...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.first) < 10 {
		l.first = append(l.first, err.Error())
	}
	return err
}

// Findings are the first ten things that were wrong.
func (l *Ledger) Findings() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.first...)
}

// String is the line that ends a demonstration.
func (l *Ledger) String() string { return l.Line(0) }

// Line is the verdict; allowed is how many refusals the faults explain.
func (l *Ledger) Line(allowed int64) string {
	return fmt.Sprintf("logouts: %d, lost writes: %d, resurrected: %d, refused: %d (allowed %d), requests: %d",
		l.Logouts.Load(), l.LostWrites.Load(), l.Resurrected.Load(), l.Refused.Load(), allowed, l.Requests.Load())
}

// Broken tells whether any of the three promises was.
func (l *Ledger) Broken() bool {
	return l.Logouts.Load()+l.LostWrites.Load()+l.Resurrected.Load() > 0
}
