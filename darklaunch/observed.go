package darklaunch

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Bounds of what an observation remembers.
const (
	observedMost   = 200_000 // sessions: some 20 MB
	observedValues = 32      // distinct flags, and distinct lives
)

// Observed is what an agent saw its clients do for a while: whether a way in
// is sound for an application is judged from it.
type Observed struct {
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// Sessions is how many were seen; one that comes to two agents counts at both.
	// Full that there were more than could be
	// remembered.
	Sessions int  `json:"sessions"`
	Full     bool `json:"full,omitempty"`

	Reads  uint64 `json:"reads"`
	Misses uint64 `json:"misses"`
	Writes uint64 `json:"writes"`
	// Deletes of sessions, and how many of those were written again under the
	// same id afterwards: deletes that were no logouts.
	Deletes uint64 `json:"deletes"`
	Revived uint64 `json:"revived"`
	Locks   uint64 `json:"locks"`
	// LockSeconds is the longest life of a lock that was asked for, by kind.
	LockSeconds map[string]int64 `json:"lock_seconds,omitempty"`
	// Lives are the lives that clients gave to sessions, in whole seconds, by
	// kind, and how often; -1 is "for ever".
	Lives map[string]map[int64]uint64 `json:"lives,omitempty"`
	// Flags are the client flags of writes, by kind, and how often.
	Flags map[string]map[uint32]uint64 `json:"flags,omitempty"`
	Error uint64                       `json:"errors,omitempty"`
}

// observation is one that is running, or over.
type observation struct {
	end time.Time

	mu   sync.Mutex // guards what follows
	o    Observed
	seen map[flags.Hash]*seenSession
}

type seenSession struct {
	wrote   int64 // unix milliseconds of the last write or touch; 0: none
	deleted int64 // of the last delete, where nothing was written here since
}

// observing holds the observation of a layer; nil: none was ever begun, and a
// request pays one load.
type observing = atomic.Pointer[observation]

// Observe begins to note what clients do, for a while. What was noted before is
// forgotten.
func (l *Layer) Observe(long time.Duration) {
	now := time.Now()
	l.observing.Store(&observation{end: now.Add(long), seen: map[flags.Hash]*seenSession{}, o: Observed{Began: now.UTC(),
		LockSeconds: map[string]int64{}, Lives: map[string]map[int64]uint64{}, Flags: map[string]map[uint32]uint64{}}})
}

// Observed is what was noted since Observe; ok false: nothing was.
func (l *Layer) Observed() (o Observed, ok bool) {
	ob := l.observing.Load()
	if ob == nil {
		return o, false
	}
	ob.mu.Lock()
	defer ob.mu.Unlock()
	o = ob.o
	o.Seconds = min(time.Since(o.Began), ob.end.Sub(o.Began)).Seconds()
	o.Sessions = len(ob.seen)
	o.LockSeconds = clone(o.LockSeconds)
	o.Lives, o.Flags = map[string]map[int64]uint64{}, map[string]map[uint32]uint64{}
	for k, m := range ob.o.Lives {
		o.Lives[k] = clone(m)
	}
	for k, m := range ob.o.Flags {
		o.Flags[k] = clone(m)
	}
	return o, true
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// SeenChange is when a client of this agent last changed a session, in unix
// milliseconds; 0: it did not. A delete that was followed by a write is none.
type SeenChange struct {
	Wrote   int64 `json:"wrote"`
	Deleted int64 `json:"deleted"`
}

// SeenDeletes are sessions that clients deleted, and did not write again here:
// whether another agent saw a write since, it has to be asked.
func (l *Layer) SeenDeletes(most int) (hs []flags.Hash) {
	ob := l.observing.Load()
	if ob == nil {
		return nil
	}
	ob.mu.Lock()
	defer ob.mu.Unlock()
	for h, s := range ob.seen {
		if s.deleted > 0 && len(hs) < most {
			hs = append(hs, h)
		}
	}
	return hs
}

// SeenChanges tells when clients changed these sessions.
func (l *Layer) SeenChanges(hs []flags.Hash) []SeenChange {
	out := make([]SeenChange, len(hs))
	ob := l.observing.Load()
	if ob == nil {
		return out
	}
	ob.mu.Lock()
	defer ob.mu.Unlock()
	for i, h := range hs {
		if s := ob.seen[h]; s != nil {
			out[i] = SeenChange{s.wrote, s.deleted}
		}
	}
	return out
}

// note remembers what a client did, where that is asked for.
func (d *Door) note(op *operation, kind rules.Op, r rules.Reply) {
	ob := d.l.observing.Load()
	if ob == nil || op.ref.Synthetic() || op.ref.Kind().Stays != "" {
		return
	}
	now := time.Now()
	if now.After(ob.end) {
		return
	}
	ob.mu.Lock()
	defer ob.mu.Unlock()
	o, name := &ob.o, op.ref.Kind().Name
	if r == rules.Error {
		o.Error++
		return
	}
	if kind == rules.Lock {
		o.Locks++
		o.LockSeconds[name] = max(o.LockSeconds[name], int64(op.lockTTL/time.Second))
		return
	}
	s := ob.session(op.hash)
	switch op.became(kind, r) {
	case rules.Get:
		o.Reads++
		if r == rules.Missing {
			o.Misses++
		}
	case rules.Set, rules.Add:
		o.Writes++
		if kind == rules.Add && r != rules.Done {
			return
		}
		if s.deleted > 0 {
			o.Revived++
		}
		s.wrote, s.deleted = now.UnixMilli(), 0
		count(o.Flags, name, op.write.Flags)
		count(o.Lives, name, life(&op.write, now))
	case rules.Touch:
		s.wrote = now.UnixMilli()
		count(o.Lives, name, life(&backends.Session{Deadline: op.deadline}, now))
	case rules.Delete:
		o.Deletes++
		s.deleted = now.UnixMilli()
	}
}

// session is what is remembered of one. Past the bound it is forgotten at once.
func (ob *observation) session(h flags.Hash) *seenSession {
	s := ob.seen[h]
	if s == nil {
		s = &seenSession{}
		if len(ob.seen) >= observedMost {
			ob.o.Full = true
			return s
		}
		ob.seen[h] = s
	}
	return s
}

// life in whole seconds, as clients count; -1: for ever.
func life(s *backends.Session, now time.Time) int64 {
	if s.Deadline.IsZero() {
		return -1
	}
	return int64(s.Deadline.Sub(now).Round(time.Second) / time.Second)
}

func count[K comparable](by map[string]map[K]uint64, kind string, v K) {
	m := by[kind]
	if m == nil {
		m = map[K]uint64{}
		by[kind] = m
	}
	if _, known := m[v]; known || len(m) < observedValues {
		m[v]++
	}
}
