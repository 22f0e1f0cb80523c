package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// ask asks every agent how it is, all at once.
func (m *Migration) ask(ctx context.Context, r *record) []reply {
	agents := m.agents()
	out := make([]reply, len(agents))
	agents.each(func(i int, c *agentapi.Client) error {
		out[i].addr = c.Addr()
		out[i].status, out[i].err = c.Status(ctx)
		return nil
	})
	if r != nil {
		for i := range out {
			out[i].known, out[i].life = r.Agents[out[i].addr].Name, r.Agents[out[i].addr].Start
		}
	}
	m.heard(ctx, out)
	return out
}

// Roster is the agents of a fleet that come and go.
type Roster interface {
	// Agents are those that a step waits for, in the order of their names. While
	// it is not known who they are, one among them does not answer. They are not
	// closed.
	Agents() []*agentapi.Client
	// Lives are all that may serve: the note of the epoch has them.
	Lives() []epochs.Life
	// Step is called right before a revision is published, under the lock of the
	// publisher: it takes those off who are away, and waits until they cannot
	// serve any more.
	Step(ctx context.Context, by book.Lock) error
}

// fleet is the agents at one moment: with a server they come and go.
type fleet []*agentapi.Client

func (m *Migration) agents() fleet {
	if m.o.Roster != nil {
		return m.o.Roster.Agents()
	}
	return m.named
}

// each calls fn for every agent at the same time, and gives an error of those
// that failed.
func (agents fleet) each(fn func(i int, c *agentapi.Client) error) error {
	errs := make([]error, len(agents))
	var wg sync.WaitGroup
	for i, c := range agents {
		wg.Go(func() { errs[i] = fn(i, c) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// config refuses a fleet that is not one: another configuration, or one agent
// under two addresses.
func (m *Migration) config(cur *revision, replies []reply) error {
	want, from := "", "this configuration"
	if m.o.Digest != nil {
		want = m.o.Digest(cur.def.Bucketing)
	}
	seen, names := map[string]string{}, map[string]string{}
	for i := range replies {
		a := &replies[i]
		if a.err != nil {
			continue
		}
		if other, twice := seen[a.status.Start]; twice {
			return refuse(GateAgents, "give each agent's own admin address in flags.agents", "%s and %s lead to one agent, %s", other, a.addr, a.name())
		}
		seen[a.status.Start] = a.addr
		if other, twice := names[a.name()]; twice && m.hosts() { // what was done on one would count for both
			return refuse(GateAgents, "give each host's agent a name of its own (agent.name), and start it again", "%s and %s are both named %s, and each has an old of its own", other, a.addr, a.name())
		}
		names[a.name()] = a.addr
		if a.status.Epoch == 0 { // it knows no bucketing yet
			continue
		}
		if a.status.Migration != m.o.Migration {
			return refuse(GateDigest, "check flags.agents", "agent %s serves migration %q, not %q", a.name(), a.status.Migration, m.o.Migration)
		}
		if want == "" && m.o.Digest == nil {
			want, from = a.status.Digest, "agent "+a.name()
		}
		if a.status.Digest != want {
			return refuse(GateDigest, "give it the same stores, sessions, bucketing, hash key and version, and start it again",
				"agent %s (%s) has another configuration than %s (digest %.8s, not %.8s)", a.name(), a.addr, from, a.status.Digest, want)
		}
	}
	return nil
}

// lag says why an agent has not acknowledged the revision; "": it has. With
// oldDead, calls to old of unknown outcome are not waited for: old is declared
// dead, and what may still happen there is overwritten when it is made whole.
func lag(cur *revision, a *reply, l life, oldDead bool) string {
	s := &a.status
	switch {
	case a.err != nil:
		return a.err.Error()
	case cur.def.Epoch == 0: // there is no flag file yet: it is enough that the agent answers
		return ""
	case s.Epoch > cur.def.Epoch:
		return fmt.Sprintf("it serves revision %d, and the flag file has %d: an older file came back", s.Epoch, cur.def.Epoch)
	case s.Epoch < cur.def.Epoch:
		why := fmt.Sprintf("it serves revision %d", s.Epoch)
		if s.FlagsError != "" {
			why += ": " + s.FlagsError
		}
		return why
	case oldDead && s.Older == 0 && s.LocksOut == 0 && s.UnknownNew == 0:
	case !s.Acknowledged:
		return "it waits for " + strings.Join(s.Waiting, ", ")
	}
	if left := l.Quarantine - s.Up(); left > 0 && l.Start == s.Start {
		return fmt.Sprintf("it was started anew: what its last life left (locks, copies) may be out for %v more", left.Round(time.Second))
	}
	return ""
}

// acked waits until every agent has acknowledged the revision.
func (m *Migration) acked(ctx context.Context, cur *revision, t *teller, oldDead bool) ([]reply, error) {
	deadline := time.Now().Add(m.o.Wait)
	wait := 20 * time.Millisecond
	for {
		r, err := m.recorded(cur)
		if err != nil {
			return nil, err
		}
		replies := m.ask(ctx, r)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if err := m.config(cur, replies); err != nil {
			return nil, err
		}
		if r, err = m.meet(ctx, cur, replies); err != nil {
			return nil, err
		}
		ms, lagging := r.fleet(cur, replies, oldDead, max(m.lockTTL(), m.copyMost()))
		if rules.MayFollow(cur.def.Epoch, false, ms) {
			return replies, nil
		}
		w := &Waiting{Epoch: cur.def.Epoch, Agents: lagging}
		if !time.Now().Before(deadline) {
			return nil, w
		}
		detail := make([]string, len(lagging))
		for i := range lagging {
			detail[i] = lagging[i].String()
		}
		t.tell(Progress{Phase: fmt.Sprintf("waiting for revision %d", cur.def.Epoch), Detail: strings.Join(detail, "; "), Waiting: lagging,
			Done: int64(len(replies) - len(lagging)), Total: int64(len(replies))})
		if err := pause(ctx, min(wait, time.Until(deadline)+time.Millisecond)); err != nil {
			return nil, err
		}
		wait = min(2*wait, 500*time.Millisecond)
	}
}

// meet notes the agents' lives in the record.
func (m *Migration) meet(ctx context.Context, cur *revision, replies []reply) (*record, error) {
	r, err := m.recorded(cur)
	if err != nil {
		return nil, err
	}
	if !r.meet(cur.def, replies, m.lockTTL(), m.copyMost()) {
		return r, nil
	}
	return m.change(ctx, func(now *revision, r *record) error {
		r.meet(now.def, replies, m.lockTTL(), m.copyMost())
		return nil
	})
}

// change reads, changes and saves the record under the publisher's lock.
func (m *Migration) change(ctx context.Context, fn func(*revision, *record) error) (*record, error) {
	h, err := m.publisher(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Release()
	cur, err := m.read()
	if err != nil {
		return nil, err
	}
	r, err := m.recorded(cur)
	if err != nil {
		return nil, err
	}
	if err := fn(cur, r); err != nil {
		return nil, err
	}
	if cur.data != nil && !slices.Contains(r.Published, cur.digest()) {
		r.published(cur.digest())
	}
	return r, m.saveRecord(h, r)
}

func (r *record) published(digest string) {
	r.Published = append(r.Published, digest)
	r.Published = r.Published[max(0, len(r.Published)-2):]
}

// Lost notes that an agent is gone for good, and took with it what it had not
// written yet: nothing that was verified counts any more.
func (m *Migration) Lost(ctx context.Context, name string) error {
	_, err := m.change(ctx, func(cur *revision, r *record) error {
		r.drop(fmt.Sprintf("agent %s was forgotten, and took with it what it had not written yet", name))
		r.forget(cur.def)
		if cur.def.Weights[position.Back] > 0 || cur.def.DeclaredDown == flags.OldRecovering {
			r.owe(r.Owed)
		}
		return nil
	})
	return err
}
