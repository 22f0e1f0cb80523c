package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// mute is a store that cannot list.
type mute struct{ *memory.Store }

func (mute) Scan(context.Context, string, func([]string) error) error { return backends.ErrUnlisted }

func (mute) ScanFrom(context.Context, string, func([]string, string) error) (bool, error) {
	return false, backends.ErrUnlisted
}

// still is a store that begins a list and does not go on.
type still struct{ *memory.Store }

func (still) Scan(ctx context.Context, _ string, _ func([]string) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestStillOld: an old that stands still holds up nobody who only wants to know
// whether it lists.
func TestStillOld(t *testing.T) {
	t.Parallel()
	l := darklaunch.Options{Old: darklaunch.Store{Store: still{memory.New(memory.Options{Migration: migration})}}}
	m := &Migration{o: Options{Layer: func() (darklaunch.Options, error) { return l, nil }}}
	if !m.lists(t.Context(), rules.Old) {
		t.Error("an old that may well list is taken for one that cannot")
	}
}

// muted is the migration over an old that cannot list.
func (r *rig) muted() *Migration {
	return r.over(func(l *darklaunch.Options) { l.Old.Store = mute{r.old} })
}

// over is the migration over other stores than its agents have.
func (r *rig) over(change func(*darklaunch.Options)) *Migration {
	return r.migration(func(o *Options) {
		o.Layer = func() (darklaunch.Options, error) {
			l := r.options("")
			change(&l)
			return l, nil
		}
	})
}

// soaked has a soak have begun that long ago.
func (r *rig) soaked(d time.Duration) {
	r.t.Helper()
	if _, err := r.m.change(r.t.Context(), func(_ *revision, rec *record) error { rec.Soak.Since = time.Now().Add(-d); return nil }); err != nil {
		r.t.Fatal(err)
	}
}

// TestSoakInstead: where old cannot list its sessions, all of them fenced for the
// longest max_age stands in the place of a backfill and a verification; whatever
// makes a verification worthless begins it anew.
func TestSoakInstead(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.m = r.muted()
	// From an earlier attempt; touches alone would keep it.
	r.put(r.old, ref("stale").OldKey(), "now")
	r.put(r.new, ref("stale").NewKey(), "then")
	r.put(r.new, ref("out").NewKey(), "logged out since")
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateVerified)
	if a, b := r.get(r.new, ref("stale").NewKey()), r.get(r.new, ref("out").NewKey()); a != "now" || b != "(none)" {
		t.Errorf("new holds %q and %q: what it lists was not compared", a, b)
	}
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	rec, err := r.m.recorded(mustRead(t, r))
	if err != nil || rec.Soak == nil || rec.Soak.For <= time.Hour {
		t.Fatalf("the record has %+v, %v, want more than the kind's max_age of 1 h", rec.Soak, err)
	}
	for range 2 { // nor does looking again shorten it
		_, err = r.m.Verify(ctx, nil)
		refusedBy(t, err, GateVerified)
	}
	r.soaked(59 * time.Minute)
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	r.agents[0].restart(false) // it died
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	if rec, err := r.m.recorded(mustRead(t, r)); err != nil || rec.Soak != nil {
		t.Errorf("what the agent took with it is waited for, and never compared: %+v, %v", rec.Soak, err)
	}
	_, err = r.m.Verify(ctx, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	r.ramp("read-new", 100)
	r.at("read-new 100 %")
	if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
		t.Fatal(err)
	}
	if rec, _ := r.m.recorded(mustRead(t, r)); rec.Soak != nil {
		t.Error("the soak counts after a session was below fenced")
	}
}

// soakedBack is soaked, of the way back.
func (r *rig) soakedBack(d time.Duration) {
	r.t.Helper()
	if _, err := r.m.change(r.t.Context(), func(_ *revision, rec *record) error {
		if rec.SoakBack == nil {
			return errors.New("the way back has begun no soak")
		}
		rec.SoakBack.Since = time.Now().Add(-d)
		return nil
	}); err != nil {
		r.t.Fatal(err)
	}
}

// unlistedReadNew takes all sessions to read-new, over an old that cannot list.
func (r *rig) unlistedReadNew() {
	r.t.Helper()
	r.m = r.muted()
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(r.t.Context(), nil)
	refusedBy(r.t, err, GateVerified)
	r.soaked(61 * time.Minute)
	r.ramp("read-new", 100)
}

// newAlone has a write made while old fails.
func (r *rig) newAlone(data string) {
	r.t.Helper()
	r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	defer r.faults[0].set(nil)
	if err := r.agents[0].door().Set(r.t.Context(), ref("alone"), session(data)); err != nil {
		r.t.Fatal(err)
	}
}

// TestWayBackUnlisted: what was deleted since the cutover cannot be found in an old
// that lists nothing, so that the way back waits until it has ended there.
func TestWayBackUnlisted(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 1)
	r.unlistedReadNew()
	door := r.agents[0].door()
	if err := door.Set(ctx, ref("out"), session("logs out later")); err != nil {
		t.Fatal(err)
	}
	plan, err := r.m.PlanRamp(ctx, "cutover", 10_000)
	if err != nil || !strings.Contains(strings.Join(plan.Back, "; "), "in back they wait 1h0m0s") {
		t.Errorf("the plan of the cutover: %+v, %v, want it to say how long the way back waits", plan, err)
	}
	r.ramp("cutover", 100)
	if err := door.Set(ctx, ref("late"), session("late")); err != nil {
		t.Fatal(err)
	}
	if _, err := door.Delete(ctx, ref("out")); err != nil {
		t.Fatal(err)
	}
	back := func() *Refusal {
		t.Helper()
		_, err := r.m.Rollback(ctx, "read-new", nil)
		return refusedBy(t, err, GateReversed)
	}
	if plan, err = r.m.PlanRollback(ctx, "read-new"); err != nil || !strings.Contains(fmt.Sprint(plan.Revisions), "1h0m1s in back") {
		t.Errorf("the plan of the way back: %+v, %v, want it to say how long it waits", plan, err)
	}
	if no := back(); !strings.Contains(no.Found, "cannot list") {
		t.Errorf("refused with %v", no)
	}
	r.at("back 100 %")
	if got := r.get(r.old, ref("late").OldKey()); got != "late" {
		t.Errorf("old holds %q: what new holds was not copied back", got)
	}
	if got := r.get(r.old, ref("out").OldKey()); got == "(none)" {
		t.Error("old does not hold the session any more: this test shows nothing")
	}
	r.soakedBack(59 * time.Minute)
	back()
	// What moves nothing, and asks, is told the same.
	if plan, err := r.m.PlanRollback(ctx, "read-new"); err != nil || !strings.Contains(plan.Refused, "cannot list") {
		t.Errorf("the plan of the way back: %+v, %v", plan, err)
	}
	if o, err := r.m.Status(ctx); err != nil || !strings.Contains(o.Why, "cannot list") {
		t.Errorf("it waits for %q (%v)", o.Why, err)
	}
	if rec, err := r.m.recorded(mustRead(t, r)); err != nil || rec.reversed(r.m.ask(ctx, rec)) == nil {
		t.Errorf("old counts as whole before the soak is over (%v)", err)
	}
	r.soakedBack(61 * time.Minute)
	r.agents[0].restart(false) // with what it had not yet deleted in old
	back()
	r.soakedBack(61 * time.Minute)
	r.agents[0].say(func(s *agentapi.Status) { s.AllDirtyOld = true })
	back()
	r.agents[0].say(nil)
	back()
	r.soakedBack(61 * time.Minute)
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	r.at("read-new 100 %")
	if rec, err := r.m.recorded(mustRead(t, r)); err != nil || rec.SoakBack != nil {
		t.Errorf("the record keeps a soak that is over: %+v, %v", rec.SoakBack, err)
	}
}

// TestRecoverUnlisted: an old that cannot list its sessions is made whole too,
// once what it holds too much has ended.
func TestRecoverUnlisted(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 1)
	r.unlistedReadNew()
	r.newAlone("alone")
	plan, err := r.m.PlanRecover(ctx, "old")
	if err != nil || plan.Refused != "" || !strings.Contains(plan.Text, "waits 1h0m0s") {
		t.Errorf("the plan: %+v, %v", plan, err)
	}
	for range 2 {
		_, err = r.m.Recover(ctx, "old", nil)
		refusedBy(t, err, GateReversed)
	}
	if got := r.get(r.old, ref("alone").OldKey()); got != "alone" {
		t.Errorf("old holds %q", got)
	}
	if n, err := r.m.count(ctx, 1, backends.BehindKey(migration, "").Name); n == 0 || err != nil {
		t.Errorf("%d records that old is behind stand (%v) before it is whole", n, err)
	}
	r.soakedBack(61 * time.Minute)
	if _, err := r.m.Recover(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	if d := r.def(); d.DeclaredDown != flags.NoneDown || d.Settled != flags.Buckets {
		t.Errorf("after recovery: declared down %v, settled %d", d.DeclaredDown, d.Settled)
	}
	if n, err := r.m.count(ctx, 1, backends.BehindKey(migration, "").Name); n != 0 || err != nil {
		t.Errorf("%d records that old is behind stand (%v)", n, err)
	}
	r.ramp("cutover", 100)
	// And it is finished: nobody has to find what runs out by itself.
	if c, err := r.m.PlanComplete(ctx); err != nil || !strings.Contains(fmt.Sprint(c.Ends), "in old, which cannot list") {
		t.Errorf("the plan of the end: %+v, %v", c, err)
	}
	if _, err := r.m.Complete(ctx, nil); err != nil {
		t.Error(err)
	}
}

// TestNewUnlisted: a new that cannot list its sessions is reached, left, made whole
// from, and reached for good, each time after what could not be found has been
// written again or has ended.
func TestNewUnlisted(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 1)
	r.m = r.over(func(l *darklaunch.Options) { l.New.Store = mute{r.new} })
	r.put(r.old, ref("idle").OldKey(), "idle")
	r.ramp("mirror", 100)
	r.backfill()
	if got := r.get(r.new, ref("idle").NewKey()); got != "idle" {
		t.Errorf("new holds %q after the backfill", got)
	}
	_, err := r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	r.agents[0].say(func(s *agentapi.Status) { s.AllDirtyNew = true })
	for range 2 { // with what an agent forgot, it begins anew
		_, err = r.m.Verify(ctx, nil)
		refusedBy(t, err, GateVerified)
		r.soaked(61 * time.Minute)
	}
	r.agents[0].say(nil)
	r.soaked(59 * time.Minute)
	_, err = r.m.Verify(ctx, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	if _, err = r.m.Verify(ctx, nil); err != nil {
		t.Fatal(err)
	}
	r.ramp("read-new", 100)
	// Old fails for a moment.
	r.newAlone("alone")
	_, err = r.m.Rollback(ctx, "mirror", nil)
	refusedBy(t, err, GateCleanOld)
	_, err = r.m.Recover(ctx, "old", nil)
	refusedBy(t, err, GateReversed)
	if got := r.get(r.old, ref("alone").OldKey()); got != "alone" {
		t.Errorf("old holds %q: its agent knows what old lacks", got)
	}
	r.soakedBack(61 * time.Minute)
	if _, err := r.m.Recover(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	// An agent died that had written in new alone: nobody lists its record.
	r.newAlone("again")
	r.agents[0].restart(false)
	_, err = r.m.Rollback(ctx, "mirror", nil)
	refusedBy(t, err, GateBehind)
	_, err = r.m.Recover(ctx, "old", nil)
	refusedBy(t, err, GateReversed)
	if got := r.get(r.old, ref("alone").OldKey()); got != "again" {
		t.Errorf("old holds %q: what it lists was not compared", got)
	}
	r.soakedBack(61 * time.Minute)
	if _, err := r.m.Recover(ctx, "old", nil); err != nil {
		t.Fatal(err)
	}
	r.ramp("cutover", 100)
	if err := r.agents[0].door().Set(ctx, ref("alone"), session("changed in new")); err != nil {
		t.Fatal(err)
	}
	_, err = r.m.Rollback(ctx, "read-new", nil)
	refusedBy(t, err, GateReversed)
	if got := r.get(r.old, ref("alone").OldKey()); got != "changed in new" {
		t.Errorf("old holds %q: what it lists was not compared", got)
	}
	r.soakedBack(61 * time.Minute)
	if _, err := r.m.Rollback(ctx, "off", nil); err != nil {
		t.Fatal(err)
	}
	r.at("off 100 %")
}

// TestBothSilent: where neither store lists, nobody can compare, and no wait makes
// equal what is only touched.
func TestBothSilent(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 1)
	r.m = r.over(func(l *darklaunch.Options) { l.Old.Store, l.New.Store = mute{r.old}, mute{r.new} })
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateVerified)
	if rec, err := r.m.recorded(mustRead(t, r)); err != nil || rec.Soak != nil {
		t.Errorf("a soak stands: %+v, %v", rec.Soak, err)
	}
	_, err = r.m.wayBack(ctx)
	refusedBy(t, err, GateReversed)
}

// TestDelistedUnlisted: an agent that is named no more took what it knew with it.
func TestDelistedUnlisted(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 2)
	r.m = r.muted()
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	left := r.m
	r.m = r.migration(func(o *Options) { o.Layer, o.Agents = left.o.Layer, o.Agents[:1] })
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
}

// TestNoWayBackUnlisted: where sessions need not end either, nobody begins a way
// back that could not.
func TestNoWayBackUnlisted(t *testing.T) {
	ctx := t.Context()
	r := newRig(t, 1)
	r.unlistedReadNew()
	forever, err := kinds.Compile([]kinds.Kind{{Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}}})
	if err != nil {
		t.Fatal(err)
	}
	r.m.o.Kinds = forever
	plan, err := r.m.PlanRamp(ctx, "cutover", 10_000)
	if err != nil || !strings.Contains(strings.Join(plan.Back, "; "), "there is no way back") {
		t.Errorf("the plan of the cutover: %+v, %v, want it to say that there is no way back", plan, err)
	}
	r.ramp("cutover", 100)
	epoch := r.def().Epoch
	_, err = r.m.Rollback(ctx, "read-new", nil)
	refusedBy(t, err, GateReversed)
	if plan, err = r.m.PlanRollback(ctx, "read-new"); err != nil || plan.Refused == "" {
		t.Errorf("the plan of a way back without an end: %+v, %v, want it refused", plan, err)
	}
	if r.def().Epoch != epoch {
		t.Error("a way back that cannot end was begun")
	}
}

// TestUnlistedServer: a memcached whose dumps are switched off says so once and
// for all.
func TestUnlistedServer(t *testing.T) {
	srv, err := localserver.Memcached(t.Context(), localserver.Options{Args: []string{"-X"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := memcached.New(srv.Addr(), memcached.Options{Migration: migration})
	defer s.Close()
	if err := s.Scan(t.Context(), "", func([]string) error { return nil }); !errors.Is(err, backends.ErrUnlisted) {
		t.Errorf("got %v, want ErrUnlisted", err)
	}
}
