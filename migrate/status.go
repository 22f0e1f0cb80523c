package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/logouts"
)

// Overview is a migration on one screen.
type Overview struct {
	Migration string `json:"migration"`
	Epoch     uint64 `json:"epoch"`
	// State is the share of the sessions in each position; Mirror, ReadNew and
	// Cutover how many of 10,000 are at least in each stage.
	State string `json:"state"`
	// Weights is the same in numbers: how many of 10,000 are in each position;
	// one that has none is left out.
	Weights map[string]int `json:"weights"`
	Mirror  int            `json:"mirror"`
	ReadNew int            `json:"read_new"`
	Cutover int            `json:"cutover"`
	Settled int            `json:"settled"`
	Floor   int            `json:"cutover_floor"`
	Down    string         `json:"declared_down,omitempty"`
	// Pins are sessions that are held at a position, at most 1,000.
	Pins     []PinnedAt  `json:"pins,omitempty"`
	Agents   []AgentView `json:"agents"`
	Copying  *Copying    `json:"copying,omitempty"`
	Verified *time.Time  `json:"verified,omitempty"` // when the verification that counts ended
	// Logouts is how many sessions would be lost if the next stage were entered.
	Logouts logouts.Estimate `json:"would_be_logouts"`
	// Copies are the counts of the backfill that counts, and of the last
	// verification.
	Copies map[string]map[string]int64 `json:"copies,omitempty"`
	// Why is one line that says what it waits for now.
	Why string `json:"why"`
	// Waits says what is waited for, or what the next stage needs.
	Waits []string `json:"waits"`
	Last  string   `json:"last,omitempty"` // the last step
	// EpochOld and EpochNew are the epoch that stands in each store; nil: no store
	// can be looked into from here.
	EpochOld *EpochView `json:"epoch_old,omitempty"`
	EpochNew *EpochView `json:"epoch_new,omitempty"`
}

// AgentView is one agent in an Overview.
type AgentView struct {
	Addr         string           `json:"addr"`
	Name         string           `json:"name"`
	Acknowledged bool             `json:"acknowledged"`
	Why          string           `json:"why,omitempty"` // it has not
	Status       *agentapi.Status `json:"status,omitempty"`
}

// Status asks every agent, and changes nothing.
func (m *Migration) Status(ctx context.Context) (Overview, error) {
	cur, err := m.read()
	if err != nil {
		return Overview{}, err
	}
	r, err := m.recorded(cur)
	if err != nil {
		return Overview{}, err
	}
	d := cur.def
	ramp := d.Weights.Ramp()
	o := Overview{Migration: m.o.Migration, Epoch: d.Epoch, State: state(d), Weights: map[string]int{}, Mirror: ramp.Mirror, ReadNew: ramp.ReadNew,
		Cutover: ramp.Cutover, Settled: d.Settled, Floor: d.CutoverFloor, Down: d.DeclaredDown.String(), Pins: pinsOf(d), Agents: []AgentView{}, Waits: []string{}}
	replies := m.ask(ctx, r)
	r.meet(d, replies, m.lockTTL(), m.copyMost())
	for p, n := range d.Weights {
		if n > 0 {
			o.Weights[position.Position(p).String()] = n
		}
	}
	for i := range replies {
		a := &replies[i]
		v := AgentView{Addr: a.addr, Name: a.name(), Why: lag(cur, a, r.Agents[a.addr], oldDead(d))}
		if v.Acknowledged = v.Why == ""; !v.Acknowledged {
			o.Waits = append(o.Waits, Lagging{v.Name, v.Addr, v.Why}.String())
		}
		if a.err == nil {
			v.Status = &a.status
		}
		o.Agents = append(o.Agents, v)
	}
	if err := m.config(cur, replies); err != nil {
		o.Waits = append(o.Waits, reason(err))
	}
	m.wants(&o, r, replies, d)
	m.views(ctx, &o, d)
	if o.Why = "nothing: the next step may be taken"; len(o.Waits) > 0 {
		o.Why = o.Waits[0]
	}
	o.Copies = map[string]map[string]int64{}
	if r.Backfilled != nil {
		o.Copies["backfill"] = r.Backfilled.Counts
	}
	if r.Looked != nil {
		o.Copies["verification"] = r.Looked.Counts
	}
	o.Logouts = m.logouts(ctx, r)
	if n := len(r.Steps); n > 0 {
		s := r.Steps[n-1]
		o.Last = fmt.Sprintf("%s: revision %d: %s", s.At.Format(time.DateTime), s.Epoch, s.Text)
	}
	return o, nil
}

// wants says what stands in the way of the next stage.
func (m *Migration) wants(o *Overview, r *record, replies []reply, d flags.Definition) {
	if lock, err := m.o.Book.TryLock(context.Background(), book.Copy); lock != nil {
		lock.Release()
	} else if c, ok := m.copying(); err == nil && ok {
		o.Copying = &c
		o.Waits = append(o.Waits, c.text())
	}
	if r.Verified != nil && r.Verified.counts(replies, r.joined) == "" {
		o.Verified = &r.Verified.Ended
	}
	if no := r.soaking(); no != nil {
		o.Waits = append(o.Waits, reason(no))
	}
	w := d.Weights
	switch {
	case len(m.agents()) == 0:
		o.Waits = append(o.Waits, "flags.agents is empty: the migration stops at mirror")
	case d.DeclaredDown != flags.NoneDown:
		o.Waits = append(o.Waits, "old is declared down: crossfade recover old, once it is back")
	case w[position.Sealed]+w[position.Back] > 0:
		o.Waits = append(o.Waits, "a step was begun and not finished: run the same crossfade ramp or rollback again")
	case w[position.Off] == 0 && w[position.Mirror]+w[position.Fenced] > 0:
		if no := r.verified(replies); no != nil {
			o.Waits = append(o.Waits, reason(no))
		}
	}
	var s sums
	for i := range replies {
		s.add(&replies[i], oldDead(d))
	}
	for _, x := range []struct {
		n    int64
		what string
		at   []string
	}{{s.unknown, "calls of unknown outcome", s.unknownAt}, {s.dirtyNew, "sessions dirty in new", s.dirtyNewAt}, {s.dirtyOld, "sessions dirty in old", s.dirtyOldAt}} {
		if x.n > 0 {
			o.Waits = append(o.Waits, x.what+": "+s.who(x.at))
		}
	}
	if s.behind != nil {
		o.Waits = append(o.Waits, "old lacks writes of "+s.who(s.behind)+": crossfade recover old")
	}
}

// reason is a refusal without its frame.
// logouts asks every agent for its sample, and estimates.
func (m *Migration) logouts(ctx context.Context, r *record) logouts.Estimate {
	agents := m.agents()
	samples := make([]census.Sample, len(agents))
	var silent atomic.Int64
	agents.each(func(i int, a *agentapi.Client) (err error) {
		if samples[i], err = a.Logouts(ctx); err != nil {
			silent.Add(1)
		}
		return nil
	})
	var v logouts.Verification
	if l := r.Looked; l != nil && l.Sample == 0 {
		v = logouts.Verification{Began: l.Began, Ended: l.Ended, Unresolved: l.Counts["unresolved"]}
	}
	e := logouts.Of(logouts.Merge(samples...), v, time.Now())
	e.Silent = int(silent.Load())
	return e
}

func reason(err error) string {
	var no *Refusal
	if errors.As(err, &no) {
		return no.Found + ": " + no.Do
	}
	return err.Error()
}

// Explain asks one agent about one session; the first that answers.
func (m *Migration) Explain(ctx context.Context, q agentapi.Question) (xs []agentapi.Explained, agent string, err error) {
	err = errors.New("migrate: flags.agents is empty: there is nobody to ask")
	for _, a := range m.agents() {
		if xs, err = a.Explain(ctx, q); err == nil {
			return xs, a.Addr(), nil
		}
	}
	return nil, "", err
}

// Divergences are those that the agents have confirmed, by agent's address.
func (m *Migration) Divergences(ctx context.Context) (map[string][]agentapi.Divergence, error) {
	agents := m.agents()
	out := make([][]agentapi.Divergence, len(agents))
	err := agents.each(func(i int, a *agentapi.Client) (err error) {
		out[i], err = a.Divergences(ctx)
		return err
	})
	by := map[string][]agentapi.Divergence{}
	for i, a := range agents {
		by[a.Addr()] = out[i]
	}
	return by, err
}
