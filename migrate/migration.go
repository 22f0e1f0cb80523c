package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// Options of a Migration. Migration, Book and Kinds are needed; Layer for
// whatever looks into a store.
type Options struct {
	Migration string
	// Book keeps the flags and the record. It stays the caller's to close.
	Book  book.Book
	Kinds *kinds.Set
	// Agents are the admin addresses of every agent. Without them a migration
	// stops at mirror: nobody could say that a fence stands everywhere.
	Agents []string
	Client agentapi.ClientOptions
	// Roster, where set, gives the agents instead.
	Roster Roster
	// Digest of the configuration for a bucketing, which every agent must have
	// too. nil: agents are compared with each other.
	Digest func(bucketing string) string
	// Layer gives what copies are made with: stores, kinds, hasher, timeouts.
	// Flags is filled in here. It is called once, at the first need; the stores
	// stay the caller's to close.
	Layer func() (darklaunch.Options, error)
	// Host is this host's agent, where each host has an old of its own
	// (backends.HostScoped); empty: old is one for all.
	Host string
	// KeepOld: sessions in cutover are also written to old.
	KeepOld bool
	// Wait bounds the wait for each acknowledgement. Default 10 minutes.
	Wait time.Duration
	// Grace is how long a gate may be shut before the step is refused: what is
	// dirty under live traffic is repaired within moments. Default 10 s.
	Grace time.Duration
	// Recheck is how long after a difference the second look is. Default 200 ms.
	Recheck time.Duration
	// Workers copy at the same time, Batch sessions each. Defaults 4 and 200.
	Workers, Batch int
	// Pace of jobs, where the call's context has none (WithPace). Its Workers,
	// where set, stand in place of Options.Workers.
	Pace Pace
	// Told hears each entry of the audit log that this process writes. It must
	// not block. nil: nobody does.
	Told func(audit.Entry)
	// UndoDir is where repairs keep what they replace: files with session data,
	// 0600. Empty: each repair must name its file.
	UndoDir string
	// Reason is kept with each step in the record, unless the call's Actor has
	// one.
	Reason string
}

// Actor is who asked for a step: for the record and the audit log.
type Actor struct {
	Who  string `json:"who,omitempty"`  // a person's login, or "plan"
	From string `json:"from,omitempty"` // the address of who asked
	Why  string `json:"why,omitempty"`
	Goal string `json:"-"` // the same in all that follows from one question
}

type actorKey struct{}

// WithActor tells the calls made with ctx who asked for them.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

func (m *Migration) actor(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	if a.Why == "" {
		a.Why = m.o.Reason
	}
	return a
}

// Migration is one migration, seen from outside its agents. Its methods may be
// called from several processes at once: who comes second is refused.
type Migration struct {
	o     Options
	named fleet // Options.Agents
	log   *audit.Log

	mu     sync.Mutex // guards what several agents answer at once
	once   sync.Once  // guards layer and its error
	layer  darklaunch.Options
	failed error

	noting           sync.Once // guards the two
	noteOld, noteNew *backends.Notes
	ears             ears

	onePass int64 // sessions that are gone through at once: passes.go

	crash func(epoch uint64) error // tests: between the record and the flag file
}

// New makes a Migration. It reads nothing and asks nobody.
func New(o Options) (*Migration, error) {
	if o.Migration == "" || o.Book == nil || o.Kinds == nil {
		return nil, errors.New("migrate: Options.Migration, Book and Kinds are needed")
	}
	setDefault(&o.Wait, 10*time.Minute)
	setDefault(&o.Grace, 10*time.Second)
	setDefault(&o.Recheck, 200*time.Millisecond)
	setDefault(&o.Workers, 4)
	setDefault(&o.Batch, 200)
	m := &Migration{o: o, log: audit.New(o.Book, o.Told), onePass: onePass}
	for _, a := range o.Agents {
		c, err := agentapi.NewClient(a, o.Client)
		if err != nil {
			return nil, fmt.Errorf("migrate: flags.agents: %w", err)
		}
		m.named = append(m.named, c)
	}
	return m, nil
}

// Close ends idle connections to agents.
func (m *Migration) Close() {
	for _, a := range m.named {
		a.Close()
	}
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// stores opens what copies are made with.
func (m *Migration) stores() (darklaunch.Options, error) {
	m.once.Do(func() {
		if m.o.Layer == nil {
			m.failed = errors.New("migrate: Options.Layer is needed to look into the stores")
			return
		}
		m.layer, m.failed = m.o.Layer()
	})
	return m.layer, m.failed
}

// store is one of them.
func (m *Migration) store(s rules.Side) (backends.Store, error) {
	l, err := m.stores()
	if s == rules.New {
		return l.New.Store, err
	}
	return l.Old.Store, err
}

// lockTTL is the longest that a lock may be out.
func (m *Migration) lockTTL() (most time.Duration) {
	for _, k := range m.o.Kinds.Kinds() {
		if len(k.Locks) > 0 {
			most = max(most, k.LockTTL)
		}
	}
	return most
}

// copyMost is the longest that a copy of an agent may run.
func (m *Migration) copyMost() time.Duration {
	if l, err := m.stores(); err == nil && l.CopyTimeout > 0 {
		return l.CopyTimeout
	}
	return 10 * time.Second
}

// Progress is what a long step tells while it runs.
type Progress struct {
	Phase  string        `json:"phase"`            // what it is doing
	Detail string        `json:"detail,omitempty"` // whom it waits for, what it found
	Done   int64         `json:"done,omitempty"`
	Total  int64         `json:"total,omitempty"` // 0: not known
	Rate   float64       `json:"rate,omitempty"`  // a second
	ETA    time.Duration `json:"eta,omitempty"`   // 0: not known
	At     time.Time     `json:"at,omitzero"`     // of what was published
	// Waiting are the agents whose acknowledgement is missing.
	Waiting []Lagging `json:"waiting,omitempty"`
}

// teller passes progress on, at most once a second for each phase.
type teller struct {
	to   func(Progress)
	mu   sync.Mutex // guards what follows
	last map[string]time.Time
}

func tell(to func(Progress)) *teller { return &teller{to: to, last: map[string]time.Time{}} }

func (t *teller) tell(p Progress) {
	if t.to == nil {
		return
	}
	t.mu.Lock()
	now := time.Now()
	due := now.Sub(t.last[p.Phase]) >= time.Second
	if due {
		t.last[p.Phase] = now
	}
	t.mu.Unlock()
	if due {
		t.to(p)
	}
}

// news is passed on whenever it comes: a revision was published.
func (t *teller) news(phase, format string, args ...any) {
	if t.to != nil {
		t.to(Progress{Phase: phase, Detail: fmt.Sprintf(format, args...), At: time.Now()})
	}
}
