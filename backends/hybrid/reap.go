package hybrid

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Ender is a table that can list rows whose deadline has passed.
type Ender interface {
	Ended(ctx context.Context, after string, n int) (names []string, last string, err error)
	DropEnded(ctx context.Context, k backends.Key) (dropped bool, err error)
}

// Reap is how expired rows are walked. The zero value works.
type Reap struct {
	Batch int           // rows looked at at once; zero: 500
	Pause time.Duration // between batches, so that the table serves clients; zero: 100 ms
	Limit time.Duration // of one walk; zero: 10 minutes. The next begins anew
	// Progress is told from time to time. nil: nobody.
	Progress func(Reaped)
}

// Reaped is what a walk came to.
type Reaped struct {
	Ended   int  `json:"ended"`   // rows whose deadline had passed
	Revived int  `json:"revived"` // that memcached holds alive: written back
	Dropped int  `json:"dropped"` // that nobody holds: deleted
	Left    int  `json:"left"`    // that could not be asked or written; the next walk finds them
	Whole   bool `json:"whole"`   // the walk came to the end of the table
}

// ErrReaping is returned where another agent walks the table.
var ErrReaping = errors.New("backends/hybrid: another agent is reaping")

// ErrNoReap is returned where there is no table of ours to walk.
var ErrNoReap = errors.New("backends/hybrid: the application writes the table (writes: app): its own job deletes what has ended")

// Reap walks the table once. A row whose deadline has passed may belong to a
// session that lives in memcached, where it was touched since: then memcached's
// copy is written back. What memcached does not have either is deleted, on the
// condition that the row has not come alive meanwhile. Of several agents one
// walks at a time: the lock is in memcached, and runs out with Reap.Limit.
func (s *Store) Reap(ctx context.Context, o Reap) (r Reaped, err error) {
	rows, prefix := s.rows, ""
	if t, ok := rows.(ids); ok {
		rows, prefix = t.Tier, t.prefix
	}
	table, ok := rows.(Ender)
	if s.o.ReadOnly || !ok {
		return r, ErrNoReap
	}
	if o.Batch <= 0 {
		o.Batch = 500
	}
	if o.Pause <= 0 {
		o.Pause = 100 * time.Millisecond
	}
	if o.Limit <= 0 {
		o.Limit = 10 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	release, err := s.elect(ctx, o.Limit)
	if err != nil {
		return r, err
	}
	defer release()
	for after := ""; ; {
		names, last, err := table.Ended(ctx, after, o.Batch)
		if err != nil {
			return r, fmt.Errorf("backends/hybrid: list what has ended: %w", err)
		}
		for _, name := range names {
			if backends.OwnKey(name) {
				continue
			}
			r.Ended++
			s.reapOne(ctx, table, backends.Key{Name: prefix + name}, &r)
		}
		if o.Progress != nil {
			o.Progress(r)
		}
		if after = last; after == "" {
			r.Whole = true
			return r, nil
		}
		select {
		case <-time.After(o.Pause):
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
	}
}

// elect takes the lock of those who reap.
func (s *Store) elect(ctx context.Context, limit time.Duration) (release func(), err error) {
	k := backends.Key{Name: "crossfade:" + s.o.Migration + ":reaper"}
	var token [16]byte
	rand.Read(token[:])
	value := hex.EncodeToString(token[:])
	one, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	granted, err := s.cache.Lock(one, k, value, limit+5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("backends/hybrid: elect who reaps: %w", err)
	}
	if !granted {
		return nil, ErrReaping
	}
	return func() {
		one, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		s.cache.Unlock(one, k, value) // or it runs out
	}, nil
}

func (s *Store) reapOne(ctx context.Context, table Ender, k backends.Key, r *Reaped) {
	one, cancel := context.WithTimeout(ctx, guardFor)
	defer cancel()
	// The token before the source, as in every copy.
	g, err := s.rows.Guard(one, k, time.Now().Add(guardFor))
	if err != nil {
		r.Left++
		return
	}
	defer g.Release()
	rec, err := s.cache.Read(one, k)
	switch {
	case err != nil || rec.Found && rec.DeadlineUnknown:
		r.Left++
	case rec.Found && !g.Record().Found:
		write := g.Swap
		if g.Record().Gone {
			write = g.Revive
		}
		if write(one, rec.Session) != nil {
			r.Left++
			return
		}
		r.Revived++
	case rec.Found: // it came alive meanwhile
	default:
		g.Release()
		id := k
		if t, ok := s.rows.(ids); ok {
			id.Name = strings.TrimPrefix(k.Name, t.prefix)
		}
		dropped, err := table.DropEnded(one, id)
		if err != nil {
			r.Left++
		} else if dropped {
			r.Dropped++
		}
	}
}
