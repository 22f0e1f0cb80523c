package prove

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/walk"
)

// Options are how a proof is run. The zero value works.
type Options struct {
	// Time is how long it may take; 0: two minutes. Walks that did not fit are
	// left out, and counted.
	Time time.Duration
	// Quick: one operation on each way only, and none of the walks about the
	// fleet, which do not depend on the stores: about a second.
	Quick bool
	// Progress is told from time to time, from the goroutines that walk: how many
	// walks are done, of how many, and the states seen so far.
	Progress func(done, of, states int)
}

// Report is what a proof came to.
type Report struct {
	Verdicts []Verdict     `json:"promises"`
	Walks    int           `json:"walks"`    // that visited every state
	LeftOut  int           `json:"left_out"` // that the time did not allow
	States   int           `json:"states"`
	Took     time.Duration `json:"-"`
}

// Verdict is that on one promise.
type Verdict struct {
	Promise walk.Promise `json:"promise"`
	Held    bool         `json:"held"`
	Walks   int          `json:"walks"`  // that visited every state for it, and found nothing
	States  int          `json:"states"` // in them
	// Of a promise that is not held:
	Where   string   `json:"where,omitempty"`   // the walk
	History []string `json:"history,omitempty"` // the shortest found, a step a line
	Faults  int      `json:"faults,omitempty"`  // calls that fail in it
	Setting string   `json:"setting,omitempty"` // what would hold it
}

// Held tells whether every promise was, and something was walked for each.
func (r *Report) Held() bool {
	for i := range r.Verdicts {
		if !r.Verdicts[i].Held {
			return false
		}
	}
	return r.Walks > 0
}

// Run proves a setup. Its error is that of a walk that could not be made, or of
// the context; a promise that is not held is no error.
func Run(ctx context.Context, s Setup, o Options) (Report, error) {
	if o.Time == 0 {
		o.Time = 2 * time.Minute
	}
	began := time.Now()
	p := prover{s: s, o: o}
	for _, promise := range Promises {
		if promise != walk.OneHolder || s.Locks {
			p.r.Verdicts = append(p.r.Verdicts, Verdict{Promise: promise, Held: true})
		}
	}
	limited, cancel := context.WithTimeout(ctx, o.Time)
	defer cancel()
	var err error
	if s.Flags == TwoFlags {
		err = p.naive(limited)
	} else {
		err = p.walks(limited)
	}
	p.r.Took = time.Since(began)
	for i := range p.r.Verdicts {
		if v := &p.r.Verdicts[i]; !v.Held {
			v.Setting = s.setting(v)
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return p.r, err
}

type prover struct {
	s Setup
	o Options
	r Report
}

func (p *prover) walks(ctx context.Context) error {
	cs := plan(p.s, p.o.Quick)
	for i, c := range cs {
		tell := func(states, _ int) {
			if p.o.Progress != nil {
				p.o.Progress(i, len(cs), p.r.States+states)
			}
		}
		r, err := walk.Run(ctx, c, walk.Options{Progress: tell, MaxStates: mostStates})
		if errors.Is(err, walk.ErrCut) {
			p.r.LeftOut++
			continue
		}
		if err != nil {
			return err
		}
		p.r.Walks, p.r.States = p.r.Walks+1, p.r.States+r.States
		if r.Violation == nil {
			p.count(c, r.States, about(c))
			continue
		}
		if err := p.each(ctx, c, len(r.History), tell); err != nil {
			return err
		}
	}
	return nil
}

// each walks again for each promise that may have a history of its own in a walk
// that broke one: it passes over what breaks the others. least is the length
// of the shortest there is.
func (p *prover) each(ctx context.Context, c walk.Config, least int, tell func(int, int)) error {
	for k := range p.r.Verdicts {
		v := &p.r.Verdicts[k]
		if !slices.Contains(about(c), v.Promise) || !v.Held && len(v.History) <= least {
			continue
		}
		o := walk.Options{Only: v.Promise, Progress: tell, MaxStates: mostStates}
		if !v.Held { // only a shorter one would be news
			o.MaxDepth = len(v.History) - 1
		}
		r, err := walk.Run(ctx, c, o)
		switch {
		case errors.Is(err, walk.ErrCut):
			continue
		case err != nil:
			return err
		case r.Violation == nil:
			p.count(c, r.States, []walk.Promise{v.Promise})
		}
		v.broken(c.Name, r)
	}
	return nil
}

// mostStates bounds the memory of one walk: 8 bytes a state, and as much again
// while its table grows.
const mostStates = 60_000_000

func (p *prover) naive(ctx context.Context) error {
	faults := 0
	if p.s.Faults.New {
		faults = 1
	}
	for k := range p.r.Verdicts {
		v := &p.r.Verdicts[k]
		r, err := walk.Naive(ctx, v.Promise, faults)
		if err != nil {
			return err
		}
		v.Walks, v.States = 1, r.States
		p.r.Walks, p.r.States = p.r.Walks+1, p.r.States+r.States
		v.broken("two flags", r)
	}
	return nil
}

// count notes a whole walk for the promises that it was about.
func (p *prover) count(c walk.Config, states int, held []walk.Promise) {
	for k := range p.r.Verdicts {
		v := &p.r.Verdicts[k]
		if slices.Contains(held, v.Promise) {
			v.Walks, v.States = v.Walks+1, v.States+states
		}
	}
}

// broken notes a history, if it is the shortest so far.
func (v *Verdict) broken(where string, r walk.Result) {
	if r.Violation == nil || !v.Held && len(v.History) <= len(r.History) {
		return
	}
	v.Held, v.Where, v.History, v.Faults = false, where, r.History, r.Faults
}
