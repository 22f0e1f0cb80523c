package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// plant makes one difference of each class behind the agents' backs, n times:
// target is the store that is to be made like the source.
func (r *rig) plant(n int, source, target *memory.Store, key func(string, *memory.Store) backends.Key) {
	r.t.Helper()
	ctx := context.Background()
	change := func(id string, fn func(*backends.Session)) {
		s, found, err := target.Get(ctx, key(id, target))
		if !found || err != nil {
			r.t.Fatal("nothing to change", found, err)
		}
		fn(&s)
		if err := target.Set(ctx, s); err != nil {
			r.t.Fatal(err)
		}
	}
	for i := range n {
		id := func(what string) string { return fmt.Sprintf("%s%d", what, i) }
		target.Delete(ctx, key(id("absent"), target))
		r.put(target, key(id("extra"), target), "left over")
		change(id("value"), func(s *backends.Session) { s.Data = []byte("stale") })
		change(id("flags"), func(s *backends.Session) { s.Flags = 99 })
		change(id("expiry"), func(s *backends.Session) { s.Deadline = s.Deadline.Add(10 * time.Minute) })
	}
}

func (r *rig) keyIn(id string, s *memory.Store) backends.Key {
	if s == r.old {
		return ref(id).OldKey()
	}
	return ref(id).NewKey()
}

// TestVerifyFindsPlanted: differences of each class, planted in new while
// clients write, are found and corrected, each exactly once, and nothing else.
func TestVerifyFindsPlanted(t *testing.T) {
	r := newRig(t, 2)
	const n = 40
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry", "same"} {
			r.put(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey(), what)
		}
	}
	r.ramp("mirror", 100)
	// New is slow, so that a write is often in old and not yet in new.
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if strings.HasPrefix(c.Key, "PHPREDIS_SESSION:c") && c.Op.Changes() {
			return memory.Fault{Latency: 5 * time.Millisecond}
		}
		return memory.Fault{}
	})
	tr := r.traffic(12)
	r.backfill()
	r.plant(n, r.old, r.new, r.keyIn)
	rep := r.verify()
	if rep.Races == 0 {
		t.Error("no session was written during the verification: this proves nothing")
	}
	want := map[string]int64{"missing_new": n, "missing_old": n, "value": n, "flags": n, "expiry": n}
	if !maps.Equal(rep.Differences, want) {
		t.Errorf("found %v, want %v", rep.Differences, want)
	}
	if rep.Copied != 5*n {
		t.Errorf("corrected %d, want %d", rep.Copied, 5*n)
	}
	if again := r.verify(); len(again.Differences) != 0 || again.Copied != 0 {
		t.Errorf("a second verification found %v and corrected %d", again.Differences, again.Copied)
	}
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry", "same"} {
			if got := r.get(r.new, ref(fmt.Sprintf("%s%d", what, i)).NewKey()); got != what {
				t.Errorf("new holds %q for %s%d, want %q", got, what, i, what)
			}
		}
		if got := r.get(r.new, ref(fmt.Sprintf("extra%d", i)).NewKey()); got != "(none)" {
			t.Errorf("new holds %q, which old does not have", got)
		}
	}
	tr.end()
}

// TestReverseFindsPlanted: the same towards old, in a rollback of cutover.
func TestReverseFindsPlanted(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	const n = 30
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry"} {
			r.put(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey(), what)
		}
	}
	r.readNew(100)
	tr := r.traffic(4)
	r.ramp("cutover", 100)
	r.plant(n, r.new, r.old, r.keyIn)
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		for _, what := range []string{"absent", "value", "flags", "expiry"} {
			if got := r.get(r.old, ref(fmt.Sprintf("%s%d", what, i)).OldKey()); got != what {
				t.Errorf("old holds %q for %s%d, want %q", got, what, i, what)
			}
		}
		if got := r.get(r.old, ref(fmt.Sprintf("extra%d", i)).OldKey()); got != "(none)" {
			t.Errorf("old holds %q, which new does not have: a deleted session would come back", got)
		}
	}
	rec, err := r.m.recorded(mustRead(t, r))
	if err != nil || rec.Owed != 0 {
		t.Errorf("old is still owed a copy since %d (%v)", rec.Owed, err)
	}
	tr.end()
}

func mustRead(t *testing.T, r *rig) *revision {
	cur, err := r.m.read()
	if err != nil {
		t.Fatal(err)
	}
	return cur
}

// TestDeleteDuringBackfill: a session that is deleted while it is copied never
// comes back.
func TestDeleteDuringBackfill(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	const n = 1500
	for i := range n {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	var during atomic.Int64
	// Copies are slow between the look and the swap: deletes fall between.
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if c.Op == memory.OpSwap || c.Op == memory.OpGuardMany {
			return memory.Fault{Latency: 2 * time.Millisecond}
		}
		return memory.Fault{}
	})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; i < n; i += 2 {
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
			if _, err := r.agents[i/2%2].door().Delete(ctx, ref(fmt.Sprintf("s%d", i))); err != nil {
				t.Error(err)
			}
			select {
			case <-stop:
			default:
				during.Add(1)
			}
		}
	})
	r.backfill()
	close(stop)
	wg.Wait()
	r.faults[1].set(nil)
	check := func(when string) {
		t.Helper()
		for i := range n {
			want := "x"
			if i%2 == 0 {
				want = "(none)"
			}
			if got := r.get(r.new, ref(fmt.Sprintf("s%d", i)).NewKey()); got != want {
				t.Fatalf("%s: new holds %q for session %d, want %q", when, got, i, want)
			}
		}
	}
	if during.Load() < n/10 {
		t.Errorf("only %d deletes fell into the backfill", during.Load())
	}
	check("after the backfill")
	r.verify()
	r.ramp("read-new", 100)
	check("in read-new")
}

// TestCopyThatFails: what cannot be copied is reported by hash, never by id,
// and nothing counts as backfilled or verified.
func TestCopyThatFails(t *testing.T) {
	r := newRig(t, 1)
	ctx := context.Background()
	for i := range 20 {
		r.put(r.old, ref(fmt.Sprintf("secretid%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	bad := ref("secretid7").NewKey().Name
	r.faults[1].set(func(c memory.Call) memory.Fault {
		if c.Key == bad || c.Op == memory.OpGuardMany {
			return memory.Fault{Kind: memory.NotApplied}
		}
		return memory.Fault{}
	})
	rep, err := r.m.Backfill(ctx, nil)
	var left *Unfinished
	if !errors.As(err, &left) || rep.Unresolved != 1 || len(rep.Left) != 1 {
		t.Fatalf("got %v %+v, want one session left", err, rep)
	}
	if want := r.hasher.SumString("secretid7").String(); rep.Left[0].Hash != want {
		t.Errorf("left %q, want hash %q", rep.Left[0].Hash, want)
	}
	if text := fmt.Sprintf("%v %+v", err, rep); strings.Contains(text, "secretid") {
		t.Errorf("an id is shown: %s", text)
	}
	if _, err = r.m.Verify(ctx, nil); err == nil {
		t.Fatal("verified a session that cannot be written")
	}
	if _, err = r.m.Ramp(ctx, "read-new", 1, nil); err == nil {
		t.Fatal("read-new although the verification failed")
	}
	r.faults[1].set(nil)
	r.backfill()
	r.verify()
	r.ramp("read-new", 1)
}

// TestCopierThatDies: an agent that dies during a verification makes it worth
// nothing; one that is cancelled leaves nothing behind that hinders.
func TestCopierThatDies(t *testing.T) {
	r := newRig(t, 2)
	for i := range 2000 {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := r.m.Backfill(ctx, func(p Progress) {
		if p.Phase == "backfill" {
			cancel()
		}
	}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want cancelled", err)
	}
	c, err := r.m.job(context.Background(), "verification", mustRead(t, r), 0, tell(nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.migration().Ramp(context.Background(), "mirror", 5000, nil)
	refusedBy(t, err, GateCopier)
	r.agents[0].restart(false)
	if err := c.end(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "web-1") {
		t.Errorf("got %v, want that web-1 was started anew", err)
	}
	r.backfill()
	r.verify()
}

// TestPartBack: a part of cutover is taken back, while the rest stays.
func TestPartBack(t *testing.T) {
	r := newRig(t, 2)
	r.readNew(100)
	tr := r.traffic(3)
	r.ramp("cutover", 60)
	r.ramp("cutover", 20)
	r.at("cutover 20 %, read-new 80 %")
	r.ramp("read-new", 50)
	r.at("cutover 20 %, read-new 30 %, fenced 50 %")
	r.ramp("cutover", 50)
	r.ramp("cutover", 0)
	r.ramp("read-new", 0)
	r.at("fenced 100 %")
	if d := r.def(); d.CutoverFloor != 6000 || d.Settled != 0 {
		t.Errorf("floor %d, settled %d, want 6000 and 0", d.CutoverFloor, d.Settled)
	}
	tr.end()
}

// TestGoal walks every goal from every standing: each revision may follow the
// one before, and the goal is reached in a few.
func TestGoal(t *testing.T) {
	stops := []int{0, 1, 5000, 9999, flags.Buckets}
	for _, c := range stops {
		for _, rd := range stops {
			for _, mi := range stops {
				if c > rd || rd > mi || rd > 0 && mi < flags.Buckets {
					continue
				}
				g := goal{mirror: mi, fence: mi, readNew: rd, cutover: c, keepOld: true}
				for _, h := range []goal{{}, {mirror: 10000}, {mirror: 10000, fence: 10000, readNew: 10000, cutover: 10000}, {mirror: 10000, fence: 10000, readNew: 5000, cutover: 4000}} {
					d := flags.Definition{Migration: migration}
					d.Weights[position.Off] = flags.Buckets
					reach(t, reach(t, d, g), h)
				}
			}
		}
	}
}

func reach(t *testing.T, d flags.Definition, g goal) flags.Definition {
	t.Helper()
	for range 20 {
		n, text, more := g.next(d)
		if !more {
			r := d.Weights.Ramp()
			if r.Mirror != g.mirror || r.ReadNew != g.readNew || r.Cutover != g.cutover || d.Weights[position.Sealed]+d.Weights[position.Back] > 0 {
				t.Fatalf("%+v: stands at %s", g, state(d))
			}
			return d
		}
		snap, err := n.Compile()
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if d.Epoch > 0 {
			was, _ := d.Compile()
			if err := was.Next(snap); err != nil {
				t.Fatalf("%+v: %s: %v", g, text, err)
			}
		}
		d = n
	}
	t.Fatalf("%+v is not reached: %s", g, state(d))
	return d
}

// TestBarrierComesFirst: nothing is copied or compared before every agent has
// let end what it was copying by itself.
func TestBarrierComesFirst(t *testing.T) {
	r := newRig(t, 3)
	ctx := context.Background()
	for i := range 10 {
		r.put(r.old, ref(fmt.Sprintf("s%d", i)).OldKey(), "x")
	}
	r.ramp("mirror", 100)
	barriers := func() (least int64) {
		least = r.agents[0].barriers.Load()
		for _, a := range r.agents {
			least = min(least, a.barriers.Load())
		}
		return least
	}
	var want atomic.Int64
	var early atomic.Bool
	look := func(c memory.Call) memory.Fault {
		// Gates look for records of Crossfade's own before.
		if barriers() < want.Load() && !strings.HasPrefix(c.Key, "crossfade:") {
			early.Store(true)
		}
		return memory.Fault{}
	}
	r.faults[0].set(look)
	r.faults[1].set(look)
	for i, job := range []func() error{
		func() error { _, err := r.m.Backfill(ctx, nil); return err },
		func() error { _, err := r.m.Verify(ctx, nil); return err },
		func() error {
			r.faults[0].set(nil) // gates look for marks
			r.faults[1].set(nil)
			r.ramp("read-new", 100)
			r.ramp("cutover", 100)
			_, err := r.m.Rollback(ctx, "read-new", nil)
			return err
		},
	} {
		want.Store(int64(i + 1))
		if err := job(); err != nil {
			t.Fatal(err)
		}
		if early.Load() || barriers() != int64(i+1) {
			t.Errorf("job %d: %d barriers, or a store was asked before them", i, barriers())
		}
	}
}
