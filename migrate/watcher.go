package migrate

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/logouts"
)

// Watched is what a fleet looks like from one place.
type Watched struct {
	At      time.Time
	Logouts logouts.Estimate
	// Agents that have acknowledged, that have not, and that do not answer.
	Acknowledged, Waiting, Silent int
	// Gates, by their words: open, shut, or unknown where it cannot be told from
	// here.
	Gates map[string]GateState
	// Window is how long taking cutover back stays cheap: +Inf before cutover,
	// 0 without cutover.keep_old. Negative: not known.
	Window time.Duration
	// Copying is the job that runs, or ran last; nil: none is known.
	Copying *Copying
}

// GateState of one gate.
type GateState string

const (
	GateOpen    GateState = "open"
	GateShut    GateState = "shut"
	GateNotSeen GateState = "unknown"
)

// WatchedGates are the gates whose state is told between steps.
var WatchedGates = []string{GateAgents, GateDigest, GateCopier, GateUnknown, GateCleanNew, GateCleanOld, GateBehind, GateVerified, GateDown}

// NoWindowEnd is the window of a migration that can go back at any time.
const NoWindowEnd = time.Duration(math.MaxInt64)

// Watcher asks a fleet again and again, from one of its agents. Each agent may
// have one: only that of the first in Options.Agents looks further than itself,
// so that what it tells is told once.
type Watcher struct {
	m       *Migration
	own     string // WatcherOptions.Own
	every   time.Duration
	keepOld time.Duration

	mu   sync.Mutex // guards last
	last *Watched
}

// WatcherOptions of a Watcher.
type WatcherOptions struct {
	// Own is the start id of the agent that it runs in; empty: it runs in the
	// server.
	Own string
	// Every is how long after the end of one round the next begins: default 15 s.
	Every time.Duration
	// KeepOld is cutover.keep_old.
	KeepOld time.Duration
}

// NewWatcher makes a watcher. The migration stays the caller's to close; of its
// stores it reads the notes of agents that do not answer, and nothing else.
func NewWatcher(m *Migration, o WatcherOptions) *Watcher {
	setDefault(&o.Every, 15*time.Second)
	return &Watcher{m: m, own: o.Own, every: o.Every, keepOld: o.KeepOld}
}

// Last is what was seen last; ok is false where another agent watches, and when
// the last three rounds came to nothing.
func (w *Watcher) Last() (v Watched, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || time.Since(w.last.At) > 3*w.every+4*roundMost {
		return v, false
	}
	return *w.last, true
}

// roundMost bounds one round.
const roundMost = 10 * time.Second

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	if len(w.m.agents()) == 0 && w.m.o.Roster == nil {
		<-ctx.Done()
		return nil
	}
	for {
		round, cancel := context.WithTimeout(ctx, roundMost)
		v, err := w.look(round)
		cancel()
		if err == nil {
			w.mu.Lock()
			w.last = v
			w.mu.Unlock()
		}
		if pause(ctx, w.every) != nil {
			return nil
		}
	}
}

// look is one round; nil: another agent watches.
func (w *Watcher) look(ctx context.Context) (*Watched, error) {
	if w.own != "" {
		first, err := w.m.agents()[0].Status(ctx)
		if err != nil {
			return nil, err
		}
		if first.Start != w.own {
			return nil, nil
		}
	}
	cur, err := w.m.read()
	if err != nil {
		return nil, err
	}
	r, err := w.m.recorded(cur)
	if err != nil {
		return nil, err
	}
	kept := r.kept
	replies := w.m.ask(ctx, r)
	r.meet(cur.def, replies, w.m.lockTTL(), w.m.copyMost())
	v := &Watched{At: time.Now(), Gates: map[string]GateState{}}
	for i := range replies {
		a := &replies[i]
		switch {
		case a.err != nil:
			v.Silent++
		case lag(cur, a, r.Agents[a.addr], oldDead(cur.def)) != "":
			v.Waiting++
		default:
			v.Acknowledged++
		}
	}
	if c, ok := w.m.copying(); ok {
		v.Copying = &c
	}
	w.gates(v, cur, r, kept, replies)
	v.Window = w.window(cur.def, r, kept)
	v.Logouts = w.m.logouts(ctx, r)
	return v, nil
}

// gates says which are open, as far as agents and the record tell: marks that
// dead agents left are found only when a step looks for them.
func (w *Watcher) gates(v *Watched, cur *revision, r *record, kept bool, replies []reply) {
	var s sums
	for i := range replies {
		s.add(&replies[i], oldDead(cur.def))
	}
	set := func(gate string, open, known bool) {
		switch {
		case !open:
			v.Gates[gate] = GateShut
		case known:
			v.Gates[gate] = GateOpen
		default:
			v.Gates[gate] = GateNotSeen
		}
	}
	heard := v.Silent == 0
	set(GateAgents, v.Silent+v.Waiting == 0, true)
	set(GateDigest, w.m.config(cur, replies) == nil, heard)
	busy := v.Copying != nil && !v.Copying.Ended && time.Since(v.Copying.Beat) < 3*beat
	set(GateCopier, !busy, kept || v.Copying != nil)
	set(GateUnknown, s.unknown == 0, heard)
	set(GateCleanNew, s.dirtyNew == 0, heard)
	set(GateCleanOld, s.dirtyOld == 0, heard)
	set(GateBehind, len(s.behind) == 0, heard)
	set(GateVerified, !kept || r.verified(replies) == nil, kept)
	set(GateDown, cur.def.DeclaredDown == flags.NoneDown, true)
}

// window is how long old is still written after cutover began.
func (w *Watcher) window(d flags.Definition, r *record, kept bool) time.Duration {
	switch {
	case d.Weights[position.Cutover]+d.Weights[position.Back] == 0:
		return NoWindowEnd
	case !d.KeepOld:
		return 0
	case !kept || r.CutoverSince == nil:
		return -1
	}
	return max(0, time.Until(r.CutoverSince.Add(w.keepOld)))
}
