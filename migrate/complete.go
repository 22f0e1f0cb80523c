package migrate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// Completion is what finishing the migration ends, and what is left to do.
type Completion struct {
	State   string `json:"state"`
	KeepOld bool   `json:"keep_old"` // old is still written, after the answer
	// Since is when the first session came to cutover.
	Since *time.Time `json:"cutover_since,omitempty"`
	// Old and New count what Crossfade keeps of its own in a store: mark, gone, …
	Old map[string]int `json:"own_in_old"`
	New map[string]int `json:"own_in_new"`
	// Serving are the agents that still see requests: their clients reach new
	// through them.
	Serving []string `json:"still_serving"`
	Silent  []string `json:"silent,omitempty"` // agents that did not say
	Ends    []string `json:"ends"`
	Refused string   `json:"refused,omitempty"` // why it may not be done now
	Removed int      `json:"removed"`           // own keys
}

// servingFor is how long requests are counted before it is said that an agent
// still serves.
const servingFor = time.Second

// PlanComplete says what Complete would end, and does nothing.
func (m *Migration) PlanComplete(ctx context.Context) (Completion, error) {
	cur, err := m.read()
	if err != nil {
		return Completion{}, err
	}
	r, err := m.recorded(cur)
	if err != nil {
		return Completion{}, err
	}
	c := Completion{State: state(cur.def), KeepOld: cur.def.KeepOld, Since: r.CutoverSince, Serving: []string{}}
	if err := completable(cur.def); err != nil {
		c.Refused = err.Error()
	}
	if c.Old, err = m.ownKeys(ctx, rules.Old, nil); err != nil {
		return c, err
	}
	if c.New, err = m.ownKeys(ctx, rules.New, nil); err != nil {
		return c, err
	}
	m.serving(ctx, &c)
	c.Ends = []string{"going back: sessions that change from now on are in new alone; afterwards a rollback is a migration of its own, from new to old"}
	if cur.def.KeepOld {
		c.Ends = append(c.Ends, "writing old: what it holds grows stale, and may be removed")
	}
	c.Ends = append(c.Ends, fmt.Sprintf("what Crossfade keeps of its own: %d keys in old, %d in new, but for the epoch notes while an agent runs", total(c.Old), total(c.New)))
	for _, side := range []rules.Side{rules.Old, rules.New} {
		if !m.lists(ctx, side) {
			c.Ends = append(c.Ends, fmt.Sprintf("nothing of Crossfade's own in %v, which cannot list it: that runs out by itself", side))
		}
	}
	if len(c.Serving) > 0 {
		c.Ends = append(c.Ends, "nothing for the clients of "+strings.Join(c.Serving, ", ")+": they go on through their agents until they are pointed at new")
	}
	return c, nil
}

func completable(d flags.Definition) error {
	if d.Weights[position.Cutover] < flags.Buckets {
		return refuse(GateOrder, "run crossfade ramp cutover 100, and let it soak", "not all sessions are in cutover: %s", state(d))
	}
	if d.DeclaredDown != flags.NoneDown {
		return refuse(GateDown, "put that right first", "a store is declared down (%v)", d.DeclaredDown)
	}
	for _, p := range d.Pins {
		if p != position.Cutover {
			return refuse(GateOrder, "unpin them", "sessions are pinned elsewhere")
		}
	}
	return nil
}

// Complete ends the migration: old is written no more, and what Crossfade keeps of
// its own in both stores is removed. Every session must be in cutover, and every
// agent must acknowledge. It may be run again: what was left the first time, the
// notes of agents that ran, goes then.
func (m *Migration) Complete(ctx context.Context, progress func(Progress)) (c Completion, err error) {
	t := tell(progress)
	_, err = m.walk(ctx, t, false, func(cur *revision, _ []reply) (flags.Definition, string, bool, error) {
		if err := completable(cur.def); err != nil {
			return cur.def, "", false, err
		}
		if !cur.def.KeepOld {
			return cur.def, "", false, nil
		}
		n := cur.def
		n.KeepOld = false
		return finish(cur.def, n), "complete: old is written no more", true, nil
	})
	if err != nil {
		return c, err
	}
	removed := 0
	for _, side := range []rules.Side{rules.Old, rules.New} {
		t.tell(Progress{Phase: fmt.Sprintf("removing what is Crossfade's own from %v", side)})
		if _, err := m.ownKeys(ctx, side, func(name string) error { removed++; return m.removeOwn(ctx, side, name) }); err != nil {
			return c, err
		}
	}
	if _, err = m.change(ctx, func(_ *revision, r *record) error {
		if r.Completed == nil {
			now := time.Now().UTC()
			r.Completed = &now
		}
		return nil
	}); err != nil {
		return c, err
	}
	c, err = m.PlanComplete(ctx)
	c.Removed = removed
	return c, err
}

// removable are the kinds of own keys that go when the migration is complete. The
// flags of sessions stay beside them, and end with them; the epoch stays while an
// agent is there, which would write it again.
var removable = []string{"mark", "marks", "gone", "sync", "row", "old-behind", "agent"}

func (m *Migration) removeOwn(ctx context.Context, side rules.Side, name string) error {
	kind := ownKind(m.o.Migration, name)
	if !slices.Contains(removable, kind) && !(kind == "epoch" && len(m.agents()) == 0) {
		return nil
	}
	st, err := m.store(side)
	if err != nil {
		return err
	}
	in := []backends.Store{st}
	if tiers, ok := st.(backends.Tiered); ok { // what is ours is kept in the fast one, and notes in both
		fast, slow := tiers.Tiers()
		in = []backends.Store{fast, slow}
	}
	one, cancel := context.WithTimeout(ctx, m.copyMost())
	defer cancel()
	for _, st := range in {
		if own, ok := st.(backends.OwnRemover); ok {
			err = own.RemoveOwn(one, name)
		} else {
			_, err = st.Delete(one, backends.Key{Name: name})
		}
		if err != nil {
			return fmt.Errorf("migrate: remove a key of ours from %v: %w: run it again", side, err)
		}
	}
	return nil
}

// ownKeys counts Crossfade's own keys in a store by kind, and gives each to fn.
// A store that cannot list them holds what runs out by itself.
func (m *Migration) ownKeys(ctx context.Context, side rules.Side, fn func(name string) error) (map[string]int, error) {
	n := map[string]int{}
	var names []string // first: what is removed while it is listed may end the listing
	err := m.own(ctx, side, "crossfade:"+m.o.Migration+":", func(ns []string) error {
		for _, name := range ns {
			n[ownKind(m.o.Migration, name)]++
		}
		if fn != nil {
			names = append(names, ns...)
		}
		return nil
	})
	if unlisted(err) {
		return n, nil
	}
	for i := 0; i < len(names) && err == nil; i++ {
		err = fn(names[i])
	}
	return n, err
}

// ownKind is what stands between the migration's name and the session's.
func ownKind(migration, name string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(name, "crossfade:"+migration+":"), ":")
	return kind
}

// serving finds out which agents see requests.
func (m *Migration) serving(ctx context.Context, c *Completion) {
	agents := m.agents()
	first, then := make([]agentapi.Evidence, len(agents)), make([]agentapi.Evidence, len(agents))
	errs := make([]error, len(agents))
	agents.each(func(i int, a *agentapi.Client) error { first[i], errs[i] = a.Evidence(ctx); return nil })
	if pause(ctx, servingFor) != nil {
		return
	}
	agents.each(func(i int, a *agentapi.Client) error {
		if errs[i] == nil {
			then[i], errs[i] = a.Evidence(ctx)
		}
		return nil
	})
	for i, a := range agents {
		if errs[i] != nil || first[i].Seen == nil || then[i].Seen == nil {
			c.Silent = append(c.Silent, a.Addr())
			continue
		}
		was, _ := first[i].Seen.Asked()
		if is, _ := then[i].Seen.Asked(); is > was {
			c.Serving = append(c.Serving, then[i].Agent)
		}
	}
}

func total(n map[string]int) (sum int) {
	for _, x := range n {
		sum += x
	}
	return sum
}
