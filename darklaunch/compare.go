package darklaunch

import (
	"bytes"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	compareWorkers = 4
	compareQueue   = 1000 // comparisons waiting; one more is left out, not waited for
	divergences    = 1000 // differences kept for the operator
)

// deadlineSlack is how far two deadlines may lie apart and be equal: memcached
// keeps whole seconds, rounded up, and its clock ticks once a second.
const deadlineSlack = 2 * time.Second

// Divergence is a confirmed difference between the stores, without data.
type Divergence struct {
	Seen     time.Time
	Hash     string // of the session
	Class    string // missing_new, missing_old, value, flags, expiry, old_regressed
	Cause    string // before_mirror, lost_write, bypass, evicted, concurrent, unknown
	Position string
	Old, New Side
}

// Side is what one store held: never the data.
type Side struct {
	Found    bool
	Bytes    int
	Sum      uint64 // of the data, by a seed of this process: equal or not, nothing else
	Flags    uint32
	Deadline time.Time
}

// comparer compares sampled sessions, off the request's path.
type comparer struct {
	jobs chan comparison
	seed maphash.Seed

	mu    sync.Mutex // guards found
	found []Divergence
}

type comparison struct {
	hash  flags.Hash
	ref   kinds.Ref
	at    flags.Decision
	side  rules.Side // which store answered the client
	found bool
	sum   uint64
	asked time.Time // when the client did
}

func newComparer() *comparer {
	return &comparer{jobs: make(chan comparison, compareQueue), seed: maphash.MakeSeed()}
}

// sample queues the comparison of a read, if its session is one of those that
// are compared.
func (l *Layer) sample(op *operation, reply rules.Reply) {
	switch op.at.Position {
	case position.Mirror, position.Fenced, position.ReadNew:
	default:
		return
	}
	if op.at.Down != flags.NoneDown || op.ref.Synthetic() {
		return // one of the two is dead, or being made whole; or nobody's session
	}
	// Bytes that the bucket does not depend on, so that every cohort has its share.
	if part := uint16(op.hash[14])<<8 | uint16(op.hash[15]); float64(part) >= l.o.CompareRatio*65536 {
		return
	}
	c := comparison{hash: op.hash, ref: op.ref, at: op.at, side: rules.Old, asked: time.Now()}
	switch reply {
	case rules.HitNew:
		c.side = rules.New
	case rules.Missing:
		if op.at.Position == position.ReadNew {
			return // it was asked of both
		}
	}
	if reply != rules.Missing {
		c.found = true
		c.sum = maphash.Bytes(l.compare.seed, op.got[c.side].Data)
	}
	select {
	case l.compare.jobs <- c:
	default:
	}
}

func (l *Layer) comparing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-l.compare.jobs:
			// What the client saw a while ago differs from what is there now of
			// any session that is written; to look again at each takes longer than
			// it took to ask, and the queue would never be short again.
			if time.Since(c.asked) <= l.o.CompareRecheck {
				l.compareOne(ctx, c)
			}
		}
	}
}

// compareOne looks at the store that did not answer the client, and if that
// differs, a moment later at both, and at new once more: what is seen once may
// be a race.
func (l *Layer) compareOne(ctx context.Context, c comparison) {
	rec, err := l.look(c, c.side.Other())
	if err != nil {
		return
	}
	if rec.Found == c.found && (!c.found || maphash.Bytes(l.compare.seed, rec.Data) == c.sum) {
		l.obs.Comparison("match")
		return
	}
	if !rest(ctx, l.o.CompareRecheck) {
		return
	}
	newer, err := l.look(c, rules.New)
	if err != nil {
		return
	}
	older, err := l.look(c, rules.Old)
	if err != nil {
		return
	}
	class := l.classify(c.ref, &older, &newer)
	if class == "" && older.Found && newer.Found && !bytes.Equal(older.Data, newer.Data) {
		l.obs.Comparison("match") // other bytes, one meaning
		return
	}
	if class == "" || l.busy(c.hash, c.ref) {
		l.obs.Comparison("race")
		return
	}
	// A session that is written through another agent changes between the two
	// reads. Then new follows: it is not what it was a moment ago.
	if !rest(ctx, l.o.CompareRecheck/2) {
		return
	}
	after, err := l.look(c, rules.New)
	if err != nil {
		return
	}
	if after.Found != newer.Found || l.sum(&after) != l.sum(&newer) {
		l.obs.Comparison("race")
		return
	}
	l.obs.Comparison("differ")
	cause := "unknown"
	switch {
	case class == "missing_old" && l.o.Old.Evicts, class == "old_regressed":
		cause = "evicted"
	case class == "missing_new" && c.at.Position == position.Mirror:
		cause = "before_mirror"
	case l.bypass(c, &rec, &older, &newer):
		cause = "bypass"
		l.bypassed.Add(1)
	}
	l.obs.Divergence(class, cause)
	l.compare.keep(Divergence{Seen: time.Now(), Hash: c.hash.String(), Class: class, Cause: cause,
		Position: c.at.Position.String(), Old: l.describe(&older), New: l.describe(&newer)})
	l.mend(c, class)
}

// rest waits, and tells whether to go on.
func rest(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// bypass tells that somebody has changed a store past the layer, where that can
// be told: what was there before the fence has been verified, every write since
// was made in both stores or left a mark, there is none, and both have stood
// still between the two looks. Without locks two clients who write at once leave
// the same.
func (l *Layer) bypass(c comparison, first, older, newer *backends.Record) bool {
	now := [2]*backends.Record{rules.Old: older, rules.New: newer}
	seen, asked := now[c.side], now[c.side.Other()]
	sum := func(r *backends.Record) uint64 { return maphash.Bytes(l.compare.seed, r.Data) }
	still := seen.Found == c.found && asked.Found == first.Found &&
		(!c.found || sum(seen) == c.sum) && (!first.Found || sum(asked) == sum(first))
	if !l.checked.Load() || !still || len(c.ref.Kind().Locks) == 0 || !older.Found || !newer.Found {
		return false // what is missing may have been evicted, or lost in a restart
	}
	op := operation{l: l, at: c.at, ref: c.ref, hash: c.hash, purpose: Compare}
	marks := 0
	err := l.timed(&op, rules.Call{Kind: rules.MarkCall, Side: rules.Old}, func(ctx context.Context) error {
		ms, err := l.store(rules.Old).Marks(ctx, op.key(rules.Old))
		marks = len(ms)
		return err
	})
	return err == nil && marks == 0
}

// mend lets a confirmed difference be repaired from old, while the session is
// fenced: there old is what users see. In read-new it is counted and shown, and
// left to whoever verifies: old may be the one that lacks a write, which an
// agent that could not reach it has made in new alone.
func (l *Layer) mend(c comparison, class string) {
	if class == "missing_old" || class == "old_regressed" {
		return
	}
	// The position is that of now: steps do not wait for comparisons.
	e := l.eras.hold()
	defer e.release()
	if at := e.snap.Decide(c.hash); at.Position == position.Fenced && at.Down == flags.NoneDown {
		l.soil(c.hash, c.ref, rules.New)
	}
}

func (l *Layer) look(c comparison, s rules.Side) (backends.Record, error) {
	op := operation{l: l, at: c.at, ref: c.ref, hash: c.hash, purpose: Compare}
	var rec backends.Record
	err := l.timed(&op, rules.Call{Kind: rules.ReadCall, Side: s}, func(ctx context.Context) (err error) {
		rec, err = l.store(s).Read(ctx, op.key(s))
		return err
	})
	return rec, err
}

// busy tells whether a write, a queued write or a repair of the session is under
// way in this agent: then a difference proves nothing.
func (l *Layer) busy(h flags.Hash, ref kinds.Ref) bool {
	busy := false
	l.table.with(h, ref, func(s *session) { busy = !s.idle() })
	return busy
}

// classify names the difference between two records; empty: none.
func (l *Layer) classify(ref kinds.Ref, older, newer *backends.Record) string {
	same, oldFlags, newFlags := false, older.Flags, newer.Flags
	if older.Found && newer.Found {
		same, oldFlags, newFlags = means(ref, &older.Session, &newer.Session)
	}
	switch {
	case !older.Found && !newer.Found:
		return ""
	case l.hosts && (newer.Gone || newer.Found && !(older.Found && l.later(&older.Session, &newer.Session))):
		return "" // another host has had it since
	case !newer.Found:
		return "missing_new"
	case !older.Found:
		return "missing_old"
	case older.Lagging && !l.later(&older.Session, &newer.Session):
		if same {
			return ""
		}
		return "old_regressed"
	case !same:
		return "value"
	case l.flagsDiffer(oldFlags, newFlags):
		return "flags"
	case deadlinesDiffer(&older.Session, &newer.Session):
		return "expiry"
	}
	return ""
}

// equal tells whether a copy has nothing to do: it goes by the bytes.
func (l *Layer) equal(a, b *backends.Session) bool {
	return bytes.Equal(a.Data, b.Data) && !l.flagsDiffer(a.Flags, b.Flags) && !deadlinesDiffer(a, b)
}

func (l *Layer) flagsDiffer(a, b uint32) bool {
	return a != b && l.keepsFlags(rules.Old) && l.keepsFlags(rules.New)
}

func deadlinesDiffer(a, b *backends.Session) bool {
	if a.DeadlineUnknown || b.DeadlineUnknown {
		return false
	}
	if a.Deadline.IsZero() || b.Deadline.IsZero() {
		return a.Deadline.IsZero() != b.Deadline.IsZero()
	}
	d := a.Deadline.Sub(b.Deadline)
	return d > deadlineSlack || d < -deadlineSlack
}

// later tells whether a was written, or touched, after b: its deadline is later
// by more than what the stores round: seconds in a slower tier, nothing to speak
// of in session files.
func (l *Layer) later(a, b *backends.Session) bool {
	if a.DeadlineUnknown || b.DeadlineUnknown || b.Deadline.IsZero() {
		return false
	}
	rounded := time.Second
	if l.hosts {
		rounded = 10 * time.Millisecond
	}
	return a.Deadline.IsZero() || a.Deadline.Sub(b.Deadline) > rounded
}

// keepsFlags tells whether a store has room for the client's flags.
func (l *Layer) keepsFlags(s rules.Side) bool {
	k, ok := l.side(s).Store.(interface{ KeepsFlags() bool })
	return !ok || k.KeepsFlags()
}

func (l *Layer) describe(r *backends.Record) Side {
	if !r.Found {
		return Side{}
	}
	return Side{Found: true, Bytes: len(r.Data), Sum: maphash.Bytes(l.compare.seed, r.Data), Flags: r.Flags, Deadline: r.Deadline}
}

func (c *comparer) keep(d Divergence) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.found) == divergences {
		c.found = c.found[1:]
	}
	c.found = append(c.found, d)
}

// Divergences are the last confirmed differences, the newest last.
func (l *Layer) Divergences() []Divergence {
	l.compare.mu.Lock()
	defer l.compare.mu.Unlock()
	return append([]Divergence(nil), l.compare.found...)
}
