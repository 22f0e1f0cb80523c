package migrate

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// rowsMost is how many rows of a slower tier are looked at.
const rowsMost = 2000

// Rows are what the table behind memcached showed while it was observed: of a
// sample of live rows, looked at before and after.
type Rows struct {
	Looked int `json:"looked"`
	// Only has rows that memcached does not have.
	Only int `json:"only"`
	// Alike and Unlike are rows whose session nobody wrote meanwhile, and whose
	// data are, or are not, what memcached holds.
	Alike  int `json:"alike"`
	Unlike int `json:"unlike"`
	// Changed were written in the table meanwhile; of those, Bypassed by somebody
	// whom no agent saw.
	Changed  int `json:"changed"`
	Bypassed int `json:"bypassed"`
	// Deleted are gone from the table before their end, without a delete that an
	// agent saw: logouts by SQL, or a cron job.
	Deleted int `json:"deleted"`
}

// Observation is what a fleet and a table showed.
type Observation struct {
	Agents      int                 `json:"agents"`
	Seen        darklaunch.Observed `json:"seen"` // of all agents together
	Unsupported map[string]uint64   `json:"unsupported,omitempty"`
	Rows        *Rows               `json:"rows,omitempty"` // old is of two tiers
	Findings    []Finding           `json:"findings"`
}

// Observe lets every agent note for a while what its clients do, looks at the
// table behind memcached before and after, and judges whether a migration with
// this configuration is sound. No session may be in read-new. It changes
// nothing.
func (m *Migration) Observe(ctx context.Context, long time.Duration, progress func(Progress)) (Observation, error) {
	t := tell(progress)
	cur, err := m.read()
	if err != nil {
		return Observation{}, err
	}
	for _, p := range []position.Position{position.ReadNew, position.Sealed, position.Cutover, position.Back} {
		if cur.def.Weights[p] > 0 {
			return Observation{}, refuse(GateOrder, "observe before the first read-new", "sessions are in %v: the application's own store no longer answers them", p)
		}
	}
	if len(m.agents()) == 0 {
		return Observation{}, refuse(GateAgents, "name the admin address of every agent in flags.agents", "flags.agents is empty: there is nobody to observe")
	}
	sample, err := m.sampleRows(ctx)
	if err != nil {
		return Observation{}, err
	}
	if err := m.agents().each(func(_ int, a *agentapi.Client) error { return a.Observe(ctx, long) }); err != nil {
		return Observation{}, err
	}
	for end := time.Now().Add(long); time.Now().Before(end); {
		t.tell(Progress{Phase: "observing", Detail: fmt.Sprintf("%v left", time.Until(end).Round(time.Second))})
		if err := pause(ctx, min(time.Second, time.Until(end)+10*time.Millisecond)); err != nil {
			return Observation{}, err
		}
	}
	o := Observation{Unsupported: map[string]uint64{}}
	o.Seen.Began = time.Now().UTC().Add(-long)
	agents := m.agents()
	all := make([]agentapi.Observed, len(agents))
	err = agents.each(func(i int, a *agentapi.Client) (err error) { all[i], err = a.Observed(ctx); return err })
	if err != nil {
		return o, err
	}
	for _, a := range all {
		o.add(a)
	}
	elsewhere, err := m.revivedElsewhere(ctx)
	if err != nil {
		return o, err
	}
	o.Seen.Revived += elsewhere
	if sample != nil {
		if o.Rows, err = sample.again(ctx, m); err != nil {
			return o, err
		}
	}
	o.Findings = judge(&o, m.o.Kinds.Kinds())
	return o, nil
}

// clocks is how far the clocks of two hosts may lie apart.
const clocks = 250 // milliseconds

// revivedElsewhere counts the sessions that were deleted through one agent and
// written through another one afterwards: behind a balancer the page that writes
// again usually comes to another host.
func (m *Migration) revivedElsewhere(ctx context.Context) (n uint64, err error) {
	agents := m.agents()
	lists := make([][]flags.Hash, len(agents))
	err = agents.each(func(i int, a *agentapi.Client) (err error) { lists[i], err = a.SeenDeletes(ctx); return err })
	if err != nil {
		return 0, err
	}
	known := map[flags.Hash]bool{}
	var hashes []flags.Hash
	for _, l := range lists {
		for _, h := range l {
			if !known[h] {
				known[h] = true
				hashes = append(hashes, h)
			}
		}
	}
	last := make([]darklaunch.SeenChange, len(hashes))
	err = m.agents().each(func(_ int, a *agentapi.Client) error {
		seen, err := a.SeenChanges(ctx, hashes)
		if err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, c := range seen {
			last[i].Wrote, last[i].Deleted = max(last[i].Wrote, c.Wrote), max(last[i].Deleted, c.Deleted)
		}
		return nil
	})
	for _, c := range last {
		if c.Wrote > c.Deleted+clocks {
			n++
		}
	}
	return n, err
}

// add puts what one agent saw to the rest.
func (o *Observation) add(a agentapi.Observed) {
	s := &o.Seen
	o.Agents++
	s.Seconds = max(s.Seconds, a.Seconds)
	s.Sessions += a.Sessions
	s.Full = s.Full || a.Full
	s.Reads, s.Misses, s.Writes, s.Deletes = s.Reads+a.Reads, s.Misses+a.Misses, s.Writes+a.Writes, s.Deletes+a.Deletes
	s.Revived, s.Locks, s.Error = s.Revived+a.Revived, s.Locks+a.Locks, s.Error+a.Error
	if s.LockSeconds == nil {
		s.LockSeconds, s.Lives, s.Flags = map[string]int64{}, map[string]map[int64]uint64{}, map[string]map[uint32]uint64{}
	}
	for k, v := range a.LockSeconds {
		s.LockSeconds[k] = max(s.LockSeconds[k], v)
	}
	merge(s.Lives, a.Lives)
	merge(s.Flags, a.Flags)
	for k, v := range a.Unsupported {
		o.Unsupported[k] += v
	}
}

func merge[K comparable](into, from map[string]map[K]uint64) {
	for kind, m := range from {
		if into[kind] == nil {
			into[kind] = map[K]uint64{}
		}
		for v, n := range m {
			into[kind][v] += n
		}
	}
}

// rowSample are rows as they were.
type rowSample struct {
	fast, slow backends.BatchReader
	seed       maphash.Seed
	keys       []backends.Key
	hashes     []flags.Hash
	sums       []uint64
	deadlines  []time.Time
}

// jitter is how far one deadline may seem to move: it is told as the time that
// is left, in whole seconds.
const jitter = 1500 * time.Millisecond

var errEnough = errors.New("enough")

// sampleRows looks at live rows of old's slower tier; nil: it has none.
func (m *Migration) sampleRows(ctx context.Context) (*rowSample, error) {
	l, err := m.stores()
	if err != nil {
		return nil, err
	}
	tiered, ok := l.Old.Store.(backends.Tiered)
	if !ok {
		return nil, nil
	}
	fast, slow := tiered.Tiers()
	s := &rowSample{seed: maphash.MakeSeed()}
	var ok1, ok2, ok3 bool
	s.fast, ok1 = fast.(backends.BatchReader)
	s.slow, ok2 = slow.(backends.BatchReader)
	sc, ok3 := slow.(backends.Scanner)
	if !ok1 || !ok2 || !ok3 {
		return nil, nil
	}
	var refs []kinds.Ref
	err = sc.Scan(ctx, "", func(names []string) error {
		for _, n := range names {
			if ref, ok := m.o.Kinds.FromOld(n); ok && !ref.Lock && !ref.Synthetic() {
				refs = append(refs, ref)
			}
		}
		if len(refs) >= rowsMost {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("migrate: look at the table: %w: see that it answers", err)
	}
	refs = refs[:min(len(refs), rowsMost)]
	keys := make([]backends.Key, len(refs))
	for i, r := range refs {
		keys[i] = r.OldKey()
	}
	recs, err := readAll(ctx, s.slow, keys)
	if err != nil {
		return nil, err
	}
	for i, r := range recs {
		if !r.Found {
			continue
		}
		s.keys = append(s.keys, keys[i])
		s.hashes = append(s.hashes, l.Hasher.SumString(refs[i].ID))
		s.sums = append(s.sums, maphash.Bytes(s.seed, r.Data))
		s.deadlines = append(s.deadlines, r.Deadline)
	}
	return s, nil
}

// again looks at the same rows, and at what memcached holds.
func (s *rowSample) again(ctx context.Context, m *Migration) (*Rows, error) {
	slow, err := readAll(ctx, s.slow, s.keys)
	if err != nil {
		return nil, err
	}
	fast, err := readAll(ctx, s.fast, s.keys)
	if err != nil {
		return nil, err
	}
	wrote := make([]bool, len(s.keys))
	err = m.agents().each(func(_ int, a *agentapi.Client) error {
		seen, err := a.SeenChanges(ctx, s.hashes)
		if err != nil {
			return err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for i, c := range seen {
			wrote[i] = wrote[i] || c.Wrote > 0 || c.Deleted > 0
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := &Rows{}
	now := time.Now()
	for i := range s.keys {
		row, hot := &slow[i], &fast[i]
		if !s.deadlines[i].IsZero() && s.deadlines[i].Before(now.Add(2*time.Second)) {
			continue // it has ended meanwhile
		}
		r.Looked++
		switch {
		case !row.Found:
			if !wrote[i] {
				r.Deleted++
			}
			continue
		case maphash.Bytes(s.seed, row.Data) != s.sums[i] || row.Deadline.Sub(s.deadlines[i]).Abs() > jitter:
			r.Changed++
			if !wrote[i] {
				r.Bypassed++
			}
		}
		switch {
		case !hot.Found:
			r.Only++
		case wrote[i]:
		case maphash.Bytes(s.seed, hot.Data) == maphash.Bytes(s.seed, row.Data):
			r.Alike++
		default:
			r.Unlike++
		}
	}
	return r, nil
}

func readAll(ctx context.Context, from backends.BatchReader, keys []backends.Key) ([]backends.Record, error) {
	var out []backends.Record
	for len(keys) > 0 {
		n := min(len(keys), 500)
		one, cancel := context.WithTimeout(ctx, 10*time.Second)
		recs, err := from.ReadMany(one, keys[:n])
		cancel()
		if err != nil {
			return nil, fmt.Errorf("migrate: look at old: %w: see that it answers", err)
		}
		out, keys = append(out, recs...), keys[n:]
	}
	return out, nil
}
