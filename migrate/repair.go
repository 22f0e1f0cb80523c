package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// repairMax is how many sessions a repair writes where nobody says.
const repairMax = 1000

// repairSuspects bounds, for each session that may be written, how many that
// differ once are looked at again; those beyond are only counted.
const repairSuspects = 10

// RepairOptions of one repair.
type RepairOptions struct {
	Max int  `json:"max,omitempty"` // sessions to write at most; 0: 1,000
	Yes bool `json:"yes,omitempty"` // write; else only say what would be written
	// Undo is the file of the undo log, which must not be there yet; empty: one
	// in Options.UndoDir, by the time of day. A server takes none: the file lies on
	// its own host.
	Undo string `json:"-"`
}

// RepairReport is what a repair would do, or has done. No id is in it.
type RepairReport struct {
	Sessions int64 `json:"sessions"` // that were looked at
	// Planned are confirmed differences, by class, of which new would be made like
	// old; Bytes is what that writes. More differed once and were not looked at
	// again: there is no room for them in this run.
	Planned map[string]int64 `json:"planned"`
	Bytes   int64            `json:"bytes"`
	More    int64            `json:"more,omitempty"`
	// Beyond are planned, and above Max.
	Beyond int64 `json:"beyond,omitempty"`
	// Written were made like old; Same needed nothing any more; Kept are newer in
	// new, or evicted from old; Failed could not be written.
	Written int64  `json:"written"`
	Same    int64  `json:"same,omitempty"`
	Kept    int64  `json:"kept,omitempty"`
	Failed  int64  `json:"failed,omitempty"`
	Undo    string `json:"undo,omitempty"` // the undo log
}

// Repair makes new like old where a confirmed difference stands, for at most
// Max sessions, by guarded copies: what is written meanwhile stays. It publishes
// nothing and opens no gate. Without Yes it writes nothing. What it replaces is
// written to the undo log before.
func (m *Migration) Repair(ctx context.Context, o RepairOptions, progress func(Progress)) (rep RepairReport, err error) {
	if o.Max <= 0 {
		o.Max = repairMax
	}
	t := tell(progress)
	cur, err := m.read()
	if err != nil {
		return rep, err
	}
	if unfenced(cur.def) {
		return rep, refuse(GateOrder, "run crossfade backfill: it publishes the fence for all sessions", "not every session is fenced (%s): what is repaired could be behind again at once", state(cur.def))
	}
	if err := m.notBehind(ctx, cur, t); err != nil {
		return rep, err
	}
	c, err := m.job(ctx, "repair", cur, darklaunch.Forward, t)
	if err != nil {
		return rep, err
	}
	r := &repair{copier: c, o: o, rep: RepairReport{Planned: map[string]int64{}}}
	err = r.run(ctx)
	if err = errors.Join(c.end(ctx, err), r.log.close()); err == nil && r.rep.Failed > 0 {
		err = fmt.Errorf("migrate: repair: %d sessions could not be written: run it again", r.rep.Failed)
	}
	return r.rep, err
}

// repair is one on its way.
type repair struct {
	*copier
	o   RepairOptions
	rep RepairReport
	log *undoLog // nil without Yes
}

func (r *repair) run(ctx context.Context) error {
	list, err := r.suspects(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, r.m.o.Recheck); err != nil {
		return err
	}
	plan, err := r.confirm(ctx, list)
	if err != nil || !r.o.Yes || len(plan) == 0 {
		return err
	}
	if r.log, err = r.m.newUndo(r.o.Undo); err != nil {
		return err
	}
	r.rep.Undo = r.log.path
	r.stage("repair", int64(len(plan)))
	for _, s := range plan {
		if err := r.pace.wait(ctx, 1); err != nil {
			return err
		}
		if err := r.one(ctx, s); err != nil {
			return err
		}
		r.done.Add(1)
		r.tell()
	}
	return nil
}

// suspects goes through both stores and keeps what differs.
func (r *repair) suspects(ctx context.Context) (list []suspect, err error) {
	for i, side := range []rules.Side{rules.Old, rules.New} {
		r.stage(fmt.Sprintf("looking at %v", side), r.size(ctx, side))
		err := r.scan(ctx, scan{side: side, fn: func(ctx context.Context, items []item) bool {
			res := r.layer.CompareMany(ctx, refs(items), r.dir)
			r.mu.Lock()
			defer r.mu.Unlock()
			for j, seen := range res {
				h := items[j].hash
				if i == 0 || !seen.Found[rules.Old] {
					r.rep.Sessions++
				}
				switch {
				case seen.Err != nil || seen.Class == "" || seen.Class == "old_regressed" || r.suspected[h]:
				case len(list) >= repairSuspects*r.o.Max:
					r.rep.More++
				default:
					r.suspected[h] = true
					list = append(list, suspect{ref: items[j].ref, hash: h, seen: seen})
				}
			}
			return true
		}})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// confirm looks at them once more: what changed in between is being written.
func (r *repair) confirm(ctx context.Context, list []suspect) (plan []suspect, err error) {
	for len(list) > 0 {
		n := min(len(list), r.m.o.Batch)
		items := make([]item, n)
		for i, s := range list[:n] {
			items[i] = item{s.ref, s.hash}
		}
		for i, seen := range r.layer.CompareMany(ctx, refs(items), r.dir) {
			switch {
			case seen.Err != nil || seen.Class == "" || !seen.Same(list[i].seen):
			case len(plan) == r.o.Max:
				r.rep.Beyond++
			default:
				r.rep.Planned[seen.Class]++
				r.rep.Bytes += int64(seen.Bytes[rules.Old])
				plan = append(plan, list[i])
			}
		}
		list = list[n:]
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return plan, nil
}

// one repairs one session. The log has what stands there before anything else
// can: where the guard then sees something else, that is logged behind it, and
// the later entry counts.
func (r *repair) one(ctx context.Context, s suspect) error {
	var recs [2]backends.Record
	for side, st := range []backends.Store{r.store(rules.Old), r.store(rules.New)} {
		key := s.ref.OldKey()
		if rules.Side(side) == rules.New {
			key = s.ref.NewKey()
		}
		rd, ok := st.(backends.Reader)
		if !ok {
			return fmt.Errorf("migrate: repair: %v cannot give whole records: use a store that can", rules.Side(side))
		}
		one, cancel := context.WithTimeout(ctx, r.m.copyMost())
		rec, err := rd.Read(one, key)
		cancel()
		if err != nil {
			r.rep.Failed++
			return ctx.Err()
		}
		recs[side] = rec
	}
	logged := entryOf(s.ref, &recs[rules.New], &recs[rules.Old])
	if err := r.log.add(logged); err != nil {
		return err
	}
	res := r.layer.CopyOne(ctx, s.ref, r.dir)
	switch {
	case res.Err != nil:
		r.rep.Failed++
	case res.Evicted || res.Lags:
		r.rep.Kept++
	case !res.Wrote:
		r.rep.Same++
	default:
		r.rep.Written++
		if now := entryOf(s.ref, &res.Was, &res.Now); !now.same(logged) {
			return r.log.add(now)
		}
	}
	return ctx.Err()
}

// store is a store of the job's.
func (c *copier) store(s rules.Side) backends.Store {
	if s == rules.New {
		return c.o.New.Store
	}
	return c.o.Old.Store
}

// Took is how long writing so many takes at a pace, in words; for the plan.
func (r *RepairReport) Took(p Pace) time.Duration {
	n := int64(0)
	for _, k := range r.Planned {
		n += k
	}
	rate := 500.0 // sessions a second, one after the other, each with its entry in the log
	if p.Rate > 0 {
		rate = min(rate, p.Rate)
	}
	return time.Duration(float64(n) / rate * float64(time.Second)).Round(time.Second / 10)
}
