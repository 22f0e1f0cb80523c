package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/migrate/audit"
)

// Log is the migration's audit log.
func (m *Migration) Log() *audit.Log { return m.log }

type gatesKey struct{}

// WithGates is a context in which what is asked for is written down with what the
// gates of the plan say of it.
func WithGates(ctx context.Context, gs []audit.Gate) context.Context {
	return context.WithValue(ctx, gatesKey{}, gs)
}

// FaultVerb is what the log calls what befell the migration: nobody asked for it.
// The outcome is FaultSeen, or how long it lasted.
const (
	FaultVerb = "fault"
	FaultSeen = "seen"
)

// Befell writes down a fault: what, in words and in the terms of which it is one.
func (m *Migration) Befell(ctx context.Context, f Fault, outcome string) error {
	e, err := m.entry(ctx, FaultVerb, f)
	if err != nil {
		return err
	}
	e.Outcome = outcome
	return m.after(ctx, e)
}

// Fault is something that befell a migration. Two entries with one ID are its
// beginning and its end; a failover has one.
type Fault struct {
	ID    string `json:"id"`
	Store string `json:"store"` // old, new
	// What is down: agents have given the store up (their breaker is open); or
	// failover: another server answers in its place.
	What   string   `json:"what"`
	Agents []string `json:"agents"` // that saw it; of many the first
	Of     int      `json:"of"`     // agents that there are
}

// Kinds of faults.
const (
	FaultDown     = "down"
	FaultFailover = "failover"
)

// Audited does what somebody asked for, with a line in the log before it and one
// after it. What cannot be written down is not begun.
func (m *Migration) Audited(ctx context.Context, verb string, args any, do func(context.Context) error) error {
	e, err := m.entry(ctx, verb, args)
	if err != nil {
		return err
	}
	e.Outcome = audit.Asked
	e.Gates, _ = ctx.Value(gatesKey{}).([]audit.Gate)
	if err := m.log.Append(ctx, e); err != nil {
		return fmt.Errorf("migrate: what is asked for cannot be written down: %w", err)
	}
	err = do(ctx)
	e.Gates = nil
	e.Outcome = audit.Done
	if err != nil {
		e.Outcome = err.Error()
	}
	return errors.Join(err, m.after(ctx, e))
}

// Noted writes one line: of what is done in an instant, or refused.
func (m *Migration) Noted(ctx context.Context, verb string, args any, outcome string) error {
	e, err := m.entry(ctx, verb, args)
	if err != nil {
		return err
	}
	e.Outcome = outcome
	return m.after(ctx, e)
}

// after writes down what has happened already: also when its context is over.
func (m *Migration) after(ctx context.Context, e audit.Entry) error {
	if cur, err := m.read(); err == nil {
		e.Epoch = cur.def.Epoch
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookMost)
	defer cancel()
	return m.log.Append(ctx, e)
}

func (m *Migration) entry(ctx context.Context, verb string, args any) (audit.Entry, error) {
	who := m.actor(ctx)
	e := audit.Entry{Who: who.Who, From: who.From, Why: who.Why, Goal: who.Goal, Verb: verb}
	if cur, err := m.read(); err == nil {
		e.Epoch = cur.def.Epoch
	}
	if args == nil {
		return e, nil
	}
	data, err := json.Marshal(args)
	e.Args = data
	return e, err
}

// RevisionVerb is what the log calls a revision that is about to be published.
const RevisionVerb = "revision"

// foretell writes down a revision, and what taking it back would cost, before
// it is published.
func (m *Migration) foretell(ctx context.Context, epoch uint64, text string, back []string) error {
	e, err := m.entry(ctx, RevisionVerb, nil)
	if err != nil {
		return err
	}
	e.Epoch, e.Text, e.Back, e.Outcome = epoch, text, back, audit.Published
	return m.log.Append(ctx, e)
}

// Reached is how far a migration is, by its flags and its record.
type Reached struct {
	Epoch                    uint64
	State                    string // in words
	Mirror, ReadNew, Cutover int    // of 10,000 buckets
	// Backfilled and Verified tell whether they count for the agents as they
	// are; NotVerified why not.
	Backfilled, Verified bool
	NotVerified          string
	// Down: a store is declared down. KeepOld: cutover writes old, too.
	Down, KeepOld bool
	CutoverSince  *time.Time
	Completed     *time.Time
}

// Reached reads how far the migration is, and asks nobody. starts are the lives
// of the agents, by address, as far as they are known.
func (m *Migration) Reached(starts map[string]string) (Reached, error) {
	cur, err := m.read()
	if err != nil {
		return Reached{}, err
	}
	r, err := m.recorded(cur)
	if err != nil {
		return Reached{}, err
	}
	var replies []reply
	for addr, start := range starts {
		a := reply{addr: addr}
		a.status.Start, a.status.Agent = start, r.Agents[addr].Name
		replies = append(replies, a)
	}
	ramp := cur.def.Weights.Ramp()
	out := Reached{Epoch: cur.def.Epoch, State: state(cur.def), Mirror: ramp.Mirror, ReadNew: ramp.ReadNew, Cutover: ramp.Cutover,
		Backfilled: r.Backfilled != nil, Verified: true, Down: oldDead(cur.def), KeepOld: cur.def.KeepOld, CutoverSince: r.CutoverSince, Completed: r.Completed}
	if no := r.verified(replies); no != nil {
		out.Verified, out.NotVerified = false, reason(no)
	}
	return out, nil
}
