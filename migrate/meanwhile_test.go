package migrate

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

func refuses(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} }

// TestAllDirtyMeanwhile: what an agent could not remember while a reverse copy
// ran is not made whole by it.
func TestAllDirtyMeanwhile(t *testing.T) {
	ctx := context.Background()
	r := newRigOf(&rig{t: t, dir: t.TempDir(), dirtyMax: 1}, 1)
	door := r.agents[0].layer.Door("library")
	ids := []string{"a", "b", "c", "d"}
	for _, id := range ids {
		r.put(r.old, ref(id).OldKey(), "first")
	}
	r.readNew(100)
	r.ramp("cutover", 100)
	done := false
	_, err := r.m.Rollback(ctx, "read-new", func(p Progress) {
		// The copy is made, and what it left is looked at.
		if done || !strings.HasPrefix(p.Phase, "reverse copy of") && !strings.HasPrefix(p.Detail, "reverse copy of") {
			return
		}
		done = true
		time.Sleep(100 * time.Millisecond)
		r.faults[0].set(refuses)
		for _, id := range ids {
			if err := door.Set(ctx, ref(id), session("second")); err != nil {
				t.Error(err)
			}
		}
		r.faults[0].set(nil)
		time.Sleep(100 * time.Millisecond) // the breaker's period
	})
	if !done {
		t.Fatal("nothing was written meanwhile")
	}
	left := 0
	for _, id := range ids {
		if r.get(r.old, ref(id).OldKey()) != "second" {
			left++
		}
	}
	if err == nil && left > 0 {
		t.Errorf("back in read-new (%s), and old lacks %d writes", state(r.def()), left)
	}
}

// TestHostsByOneName: two agents by one name cannot count as two hosts.
func TestHostsByOneName(t *testing.T) {
	ctx := context.Background()
	r := &rig{t: t, dir: t.TempDir(), own: map[string]*memory.Store{
		"web-1": memory.New(memory.Options{Migration: migration}), "web-2": memory.New(memory.Options{Migration: migration})}}
	newRigOf(r, 2)
	r.agents[1].say(func(s *agentapi.Status) { s.Agent = "web-1" }) // a copy of the other's configuration
	m := r.migration(func(o *Options) {
		o.Host = "web-1"
		o.Layer = func() (darklaunch.Options, error) { return r.options("web-1"), nil }
	})
	r.put(r.own["web-2"], ref("b").OldKey(), "of web-2")
	steps := func() error {
		if _, err := m.Ramp(ctx, "mirror", 10000, nil); err != nil {
			return err
		}
		if _, err := m.Backfill(ctx, nil); err != nil {
			return err
		}
		if _, err := m.Verify(ctx, nil); err != nil {
			return err
		}
		_, err := m.Ramp(ctx, "read-new", 10000, nil)
		return err
	}
	err := steps()
	if err == nil {
		t.Fatalf("%s, and new has %q of web-2's session", state(r.def()), r.get(r.new, ref("b").NewKey()))
	}
	refusedBy(t, err, GateAgents)
}

// TestHostAddedInBack: a host that comes while sessions are in back makes each
// host copy again, and the way goes on.
func TestHostAddedInBack(t *testing.T) {
	ctx := context.Background()
	r := &rig{t: t, dir: t.TempDir(), own: map[string]*memory.Store{}}
	for i := range 3 {
		r.own[fmt.Sprintf("web-%d", i+1)] = memory.New(memory.Options{Migration: migration})
	}
	newRigOf(r, 3)
	fleet := func(n int) (ms []*Migration) {
		for i := range n {
			host := r.agents[i].name
			ms = append(ms, r.migration(func(o *Options) {
				o.Agents, o.Host = o.Agents[:n], host
				o.Layer = func() (darklaunch.Options, error) { return r.options(host), nil }
			}))
		}
		return ms
	}
	two := fleet(2)
	r.m = two[0]
	r.ramp("mirror", 100)
	for _, m := range two {
		if _, err := m.Backfill(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range two {
		if _, err := m.Verify(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	r.ramp("read-new", 100)
	_, err := two[0].Rollback(ctx, "mirror", nil)
	refusedBy(t, err, GateReversed)
	three := fleet(3)
	for round := range 2 {
		for i, m := range three {
			if _, err = m.Rollback(ctx, "mirror", nil); err == nil {
				r.at("mirror 100 %")
				return
			}
			t.Logf("round %d, host %d: %v", round, i+1, err)
		}
	}
	t.Errorf("no way out of back: %v", err)
}

// TestRoamedByHand: a flag file that something else wrote, and that lets clients
// roam, is known to have let them.
func TestRoamedByHand(t *testing.T) {
	for _, how := range []string{"changed", "no record"} {
		t.Run(how, func(t *testing.T) {
			ctx := context.Background()
			r, ms := hostsRig(t)
			r.ramp("mirror", 100)
			for _, job := range []func(context.Context, func(Progress)) (Report, error){ms[0].Backfill, ms[1].Backfill, ms[0].Verify, ms[1].Verify} {
				if _, err := job(ctx, nil); err != nil {
					t.Fatal(err)
				}
			}
			r.ramp("read-new", 100)
			if how == "changed" {
				d := r.def()
				d.Epoch++
				data, err := d.MarshalFlagd()
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(r.flagFile(), data, 0o600); err != nil {
					t.Fatal(err)
				}
				rec, err := os.ReadFile(r.flagFile() + ".record")
				if err != nil {
					t.Fatal(err)
				}
				rec = []byte(strings.Replace(string(rec), `"roamed": true`, `"roamed": false`, 1))
				os.WriteFile(r.flagFile()+".record", rec, 0o600)
			} else if err := os.Remove(r.flagFile() + ".record"); err != nil {
				t.Fatal(err)
			}
			// Through web-2, where the client was never before.
			if err := r.agents[1].layer.Door("library").Set(ctx, ref("a"), session("roamed")); err != nil {
				t.Fatal(err)
			}
			plan, err := ms[0].PlanRollback(ctx, "mirror")
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(plan.Revisions, func(r Revision) bool { return strings.Contains(r.Text, "to back") }) {
				t.Errorf("the way back does not go through back: %+v", plan.Revisions)
			}
			if _, err := ms[0].Rollback(ctx, "mirror", nil); err == nil && r.get(r.own["web-1"], ref("a").OldKey()) != "roamed" {
				t.Error("back in mirror, and a host's old lacks a session")
			}
		})
	}
}

// TestGoalViaBack walks every goal from every standing that can be reached,
// also by way of back, and also from where a way was left.
func TestGoalViaBack(t *testing.T) {
	stops := []int{0, 5000, flags.Buckets}
	var goals []goal
	for _, mi := range stops {
		for _, fe := range stops {
			for _, rd := range stops {
				for _, cu := range stops {
					if cu <= rd && rd <= fe && fe <= mi && (rd == 0 || mi == flags.Buckets && fe == flags.Buckets) {
						for _, via := range []bool{false, true} {
							goals = append(goals, goal{mirror: mi, fence: fe, readNew: rd, cutover: cu, keepOld: true, viaBack: via})
						}
					}
				}
			}
		}
	}
	type standing struct {
		w       flags.Weights
		settled int
		floor   int
		keep    bool
	}
	start := flags.Definition{Migration: migration}
	start.Weights[position.Off] = flags.Buckets
	start.Epoch = 1
	start = finish(start, start)
	seen := map[standing]bool{}
	todo := []flags.Definition{start}
	for len(todo) > 0 {
		d := todo[0]
		todo = todo[1:]
		for _, g := range goals {
			at, roamed := d, g.viaBack
			for n := 0; ; n++ {
				if n == 40 {
					t.Fatalf("%+v is not reached from %s settled %d: at %s settled %d", g, state(d), d.Settled, state(at), at.Settled)
				}
				g.viaBack = roamed
				if at.Weights[position.Back] > 0 {
					roamed = false // the reverse copy is a need of what follows
				}
				next, text, more := g.next(at)
				if !more {
					break
				}
				snap, err := next.Compile()
				if err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				was, _ := at.Compile()
				if err := was.Next(snap); err != nil {
					t.Fatalf("%+v: from %s, %s: %v", g, state(at), text, err)
				}
				at = next
				k := standing{at.Weights, at.Settled, at.CutoverFloor, at.KeepOld}
				if !seen[k] {
					seen[k] = true
					todo = append(todo, at)
				}
			}
			r := at.Weights.Ends()
			if r[position.Mirror] != g.mirror || r[position.ReadNew] != g.readNew || at.Weights[position.Cutover] != g.cutover || at.Weights[position.Sealed]+at.Weights[position.Back] > 0 {
				t.Fatalf("%+v: stands at %s", g, state(at))
			}
		}
	}
	t.Logf("%d standings, %d goals", len(seen), len(goals))
}

// doubtful is a store whose first delete nobody learns the outcome of.
type doubtful struct {
	*memory.Store
	calls int
}

func (d *doubtful) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if d.calls++; d.calls == 1 {
		return false, backends.NewUnknown(context.DeadlineExceeded, "1", "run", func(context.Context) error { return context.DeadlineExceeded })
	}
	return d.Store.Delete(ctx, k)
}

// TestPurgeInDoubt: a removal that may still arrive is not over because another
// one was answered: it would take what the backfill brings.
func TestPurgeInDoubt(t *testing.T) {
	d := &doubtful{Store: memory.New(memory.Options{Migration: migration})}
	c := &copier{o: darklaunch.Options{New: darklaunch.Store{Store: d}}}
	if err := c.remove(context.Background(), item{ref: ref("a")}); err == nil {
		t.Errorf("removed, after %d calls, and the first may still arrive", d.calls)
	}
}

// TestHostsCostOfCutover: before cutover, too, it is said that clients have to
// go back to their hosts before a way down.
func TestHostsCostOfCutover(t *testing.T) {
	_, ms := hostsRig(t)
	for _, p := range []position.Position{position.Cutover, position.Back} {
		var d flags.Definition
		d.Weights[p] = flags.Buckets
		if back := strings.Join(ms[0].cost(t.Context(), &revision{}, d, nil), "; "); !strings.Contains(back, "give clients back to their hosts first") {
			t.Errorf("%v: %s", p, back)
		}
	}
}
