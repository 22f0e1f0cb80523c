package migrate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
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
	if no := m.listed(t.Context()); no != nil {
		t.Errorf("refused by an old that may well list: %v", no)
	}
}

// muted is the migration over an old that cannot list.
func (r *rig) muted() *Migration {
	return r.migration(func(o *Options) {
		o.Layer = func() (darklaunch.Options, error) {
			l := r.options("")
			l.Old.Store = mute{r.old}
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
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateVerified)
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	rec, err := r.m.recorded(mustRead(t, r))
	if err != nil || rec.Soak == nil || rec.Soak.For <= time.Hour {
		t.Fatalf("the record has %+v, %v, want more than the kind's max_age of 1 h", rec.Soak, err)
	}
	r.soaked(59 * time.Minute)
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	r.agents[0].restart(false) // it died
	_, err = r.m.Ramp(ctx, "read-new", 10_000, nil)
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

// TestNoWayBackUnlisted: what was deleted since the cutover cannot be found in an
// old that lists nothing, so nobody begins a way back that could not end.
func TestNoWayBackUnlisted(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.m = r.muted()
	r.ramp("mirror", 100)
	_, err := r.m.Backfill(ctx, nil)
	refusedBy(t, err, GateVerified)
	r.soaked(61 * time.Minute)
	r.ramp("read-new", 100)
	plan, err := r.m.PlanRamp(ctx, "cutover", 10_000)
	if err != nil || !strings.Contains(strings.Join(plan.Back, "; "), "there is no way back") {
		t.Errorf("the plan of the cutover: %+v, %v, want it to say that there is no way back", plan, err)
	}
	r.ramp("cutover", 100)
	epoch := r.def().Epoch
	_, err = r.m.Rollback(ctx, "read-new", nil)
	refusedBy(t, err, GateReversed)
	if plan, err = r.m.PlanRollback(ctx, "read-new"); err != nil || plan.Refused == "" {
		t.Errorf("the plan of a way back without a list: %+v, %v, want it refused", plan, err)
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
