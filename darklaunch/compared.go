package darklaunch

import (
	"context"
	"errors"
	"hash/maphash"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Compared is one look at a session in both stores.
type Compared struct {
	// Class is the difference, as in Divergence; empty: none.
	Class string
	Err   error   // no id is in it
	Found [2]bool // by rules.Side
	Bytes [2]int  // of the data

	sums      [2]uint64
	deadlines [2]time.Time
}

// Same tells whether two looks saw the same two records: then nobody was
// writing in between, and a difference is one.
func (c Compared) Same(d Compared) bool {
	const jitter = 1500 * time.Millisecond // of deadlines in whole seconds
	for i := range c.deadlines {
		if c.sums[i] != d.sums[i] || c.deadlines[i].Sub(d.deadlines[i]).Abs() > jitter {
			return false
		}
	}
	return c.Class == d.Class
}

// LaterIn tells whether a session that is in both stores ends later in this one:
// there it was written, or touched, since.
func (c Compared) LaterIn(s rules.Side) bool {
	const rounded = time.Second
	here, there := c.deadlines[s], c.deadlines[s.Other()]
	return !here.IsZero() && !there.IsZero() && here.Sub(there) > rounded
}

// CompareMany looks at sessions and changes nothing: the copy's target first,
// then its source, in one round trip each where the stores can. A difference
// that is seen once may be a write under way.
func (l *Layer) CompareMany(ctx context.Context, refs []kinds.Ref, dir Direction) []Compared {
	out := make([]Compared, len(refs))
	var recs [2][]backends.Record
	for _, s := range []rules.Side{dir.target(), dir.target().Other()} {
		var errs []error
		recs[s], errs = l.readMany(ctx, refs, s)
		for i, err := range errs {
			out[i].Err = errors.Join(out[i].Err, err)
		}
	}
	for i := range out {
		if out[i].Err != nil {
			continue
		}
		out[i].Class = l.classify(refs[i], &recs[rules.Old][i], &recs[rules.New][i])
		if ending(&recs[rules.Old][i]) || ending(&recs[rules.New][i]) {
			out[i].Class = "" // the clocks of two stores do not end it at one moment
		}
		for s := range recs {
			out[i].Found[s], out[i].Bytes[s] = recs[s][i].Found, len(recs[s][i].Data)
			out[i].sums[s], out[i].deadlines[s] = l.sum(&recs[s][i]), recs[s][i].Deadline
		}
	}
	return out
}

func (l *Layer) readMany(ctx context.Context, refs []kinds.Ref, s rules.Side) ([]backends.Record, []error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.CopyTimeout)
	defer cancel()
	keys := make([]backends.Key, len(refs))
	for i := range refs {
		op := operation{l: l, ref: refs[i]}
		keys[i] = op.key(s)
	}
	errs := make([]error, len(refs))
	if b, ok := l.side(s).Store.(backends.BatchReader); ok && len(refs) > 1 {
		if recs, err := b.ReadMany(ctx, keys); err == nil {
			return recs, errs
		}
	}
	recs := make([]backends.Record, len(refs))
	for i := range keys {
		one, cancel := context.WithTimeout(ctx, l.side(s).Timeout)
		recs[i], errs[i] = l.store(s).Read(one, keys[i])
		cancel()
	}
	return recs, errs
}

// ending tells whether a session is at its end, where whole seconds count.
func ending(r *backends.Record) bool {
	return r.Found && !r.Deadline.IsZero() && time.Until(r.Deadline) < deadlineSlack
}

// sum is of what a write changes, the deadline left aside.
func (l *Layer) sum(r *backends.Record) uint64 {
	if !r.Found {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(l.compare.seed)
	h.Write(r.Data)
	maphash.WriteComparable(&h, r.Flags)
	return h.Sum64()
}
