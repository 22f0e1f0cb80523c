// Package census keeps, for a fixed share of the sessions, what became of each
// when it was last read: would it be lost if the next stage were entered now?
//
//	c := census.New(census.DefaultMost)
//	if c.Takes(hash) && c.Seen(hash, now, deadline) {
//		go look(hash) // ends with c.Judge(hash, census.Kept, time.Now())
//	}
//	sample := c.Sample(time.Now())
//
// The share is of sessions, by their keyed hash, not of requests: a session that
// is read a thousand times counts once, and every agent of a fleet takes the
// same sessions, so that the samples of several merge by session. It begins at
// one in 64. When more sessions are remembered than fit, the share is halved by
// the same hash, and what is left is still a fair sample.
package census

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

const (
	// Rate is one session in how many is taken to begin with.
	Rate = 64
	// DefaultMost is how many sessions are remembered: some 2 MB, and a million
	// sessions at the first rate.
	DefaultMost = 16_384
	// sparsest is the last rate: two bytes of the hash decide.
	sparsest = 1 << 15
)

// Verdict of one session.
type Verdict uint8

const (
	Unknown Verdict = iota // not looked at yet, or a store could not say
	Kept                   // lives where the next stage reads
	Lost                   // lives, and the next stage would not find it
	Gone                   // logged out, or missing in both
)

var verdictNames = [...]string{"unknown", "kept", "lost", "gone"}

func (v Verdict) String() string { return verdictNames[v] }

// ParseVerdict reads what String writes.
func ParseVerdict(s string) (Verdict, bool) {
	i := slices.Index(verdictNames[:], s)
	return Verdict(max(i, 0)), i >= 0
}

// Session is one of the sample. Seen is when a client last read it, or what was
// found is of, whichever is later.
type Session struct {
	Hash    flags.Hash
	Verdict Verdict
	Seen    time.Time
}

// Sample is the sessions that one agent, or a fleet, remembers: one in Rate of
// all that were read and still live. Sessions are in the order of their hashes.
type Sample struct {
	Rate     int
	Sessions []Session
}

// Takes tells whether a session is in a sample of one in rate. The two bytes are
// none of those that the comparator's sample or the agent's tables depend on;
// the bucket depends on all of them, through a hash of its own.
func Takes(h flags.Hash, rate int) bool {
	return (int(h[12])<<8|int(h[13]))*rate < 1<<16
}

// Census is safe for concurrent use.
type Census struct {
	most int
	rate atomic.Int32

	mu sync.Mutex // guards m and what is in it
	m  map[flags.Hash]*entry
}

type entry struct {
	verdict Verdict
	looking bool
	seen    time.Time
	until   time.Time // it does not live longer
}

// New makes a census of at most so many sessions.
func New(most int) *Census {
	c := &Census{most: most, m: map[flags.Hash]*entry{}}
	c.rate.Store(Rate)
	return c
}

// Takes tells whether the session is in the sample. It costs nothing for those
// that are not.
func (c *Census) Takes(h flags.Hash) bool { return Takes(h, int(c.rate.Load())) }

// Seen notes that a read found the session alive, until a deadline. look tells
// that the other store has to be asked, and nobody is asking yet: Judge ends it.
func (c *Census) Seen(h flags.Hash, now, until time.Time) (look bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry(h, now)
	if e == nil {
		return false
	}
	if e.verdict == Gone {
		e.verdict = Unknown
	}
	e.seen, e.until = now, until
	look = !e.looking
	e.looking = true
	return look
}

// Judge ends a look. A session that has gone meanwhile stays gone.
func (c *Census) Judge(h flags.Hash, v Verdict, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.m[h]
	if e == nil {
		return
	}
	e.looking = false
	if e.verdict != Gone {
		e.verdict, e.seen = v, now
	}
}

// GiveUp ends a look that came to nothing: the last verdict stays.
func (c *Census) GiveUp(h flags.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.m[h]; e != nil {
		e.looking = false
	}
}

// Gone notes that the session was logged out. That is remembered too, until
// nobody can remember the session alive: other agents do.
func (c *Census) Gone(h flags.Hash, now, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entry(h, now); e != nil {
		e.verdict, e.seen = Gone, now
		if until.After(e.until) {
			e.until = until
		}
	}
}

// Missing notes that the session was not found, if it is remembered: ids that
// somebody guesses are not.
func (c *Census) Missing(h flags.Hash, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.m[h]; e != nil {
		e.verdict, e.seen = Gone, now
	}
}

// Extend moves the deadline of a session that is remembered.
func (c *Census) Extend(h flags.Hash, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.m[h]; e != nil && e.verdict != Gone {
		e.until = until
	}
}

// entry finds or makes one; nil when the session fell out of the sample.
func (c *Census) entry(h flags.Hash, now time.Time) *entry {
	if e := c.m[h]; e != nil {
		return e
	}
	for len(c.m) >= c.most {
		c.expire(now)
		if len(c.m) < c.most {
			break
		}
		if !c.thin() {
			return nil
		}
	}
	if !c.Takes(h) {
		return nil
	}
	e := &entry{}
	c.m[h] = e
	return e
}

func (c *Census) expire(now time.Time) {
	for h, e := range c.m {
		if !e.until.After(now) {
			delete(c.m, h)
		}
	}
}

// thin halves the share. It never grows again in this life: sessions that were
// read while it was small would be missing.
func (c *Census) thin() bool {
	rate := int(c.rate.Load()) * 2
	if rate > sparsest {
		return false
	}
	c.rate.Store(int32(rate))
	for h := range c.m {
		if !Takes(h, rate) {
			delete(c.m, h)
		}
	}
	return true
}

// Sample is what is remembered of sessions that have not run out.
func (c *Census) Sample(now time.Time) Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire(now)
	s := Sample{Rate: int(c.rate.Load()), Sessions: make([]Session, 0, len(c.m))}
	for h, e := range c.m {
		s.Sessions = append(s.Sessions, Session{h, e.verdict, e.seen})
	}
	slices.SortFunc(s.Sessions, func(a, b Session) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
	return s
}
