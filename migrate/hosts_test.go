package migrate

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
)

// hostsRig is a fleet of two, each with an old of its own, and a Migration on
// each host.
func hostsRig(t *testing.T) (*rig, [2]*Migration) {
	r := &rig{t: t, dir: t.TempDir(), own: map[string]*memory.Store{
		"web-1": memory.New(memory.Options{Migration: migration}), "web-2": memory.New(memory.Options{Migration: migration})}}
	newRigOf(r, 2)
	var ms [2]*Migration
	for i, host := range []string{"web-1", "web-2"} {
		ms[i] = r.migration(func(o *Options) {
			o.Host = host
			o.Layer = func() (darklaunch.Options, error) { return r.options(host), nil }
		})
	}
	r.m = ms[0]
	return r, ms
}

// TestHosts goes to read-new and back where each host has an old of its own:
// every host has to copy, to verify, and to copy back.
func TestHosts(t *testing.T) {
	ctx := context.Background()
	r, ms := hostsRig(t)
	r.put(r.own["web-1"], ref("a").OldKey(), "of web-1")
	r.put(r.own["web-2"], ref("b").OldKey(), "of web-2")
	r.put(r.own["web-1"], ref("both").OldKey(), "stale, of web-1")
	r.ramp("mirror", 100)
	r.put(r.new, ref("dead").NewKey(), "deleted before, on some host")
	door := r.agents[1].layer.Door("library")
	if err := door.Set(ctx, ref("both"), session("later, of web-2")); err != nil {
		t.Fatal(err)
	}
	r.backfill()
	if got := r.get(r.new, ref("dead").NewKey()); got != "(none)" {
		t.Errorf("new still holds %q", got)
	}
	if rep := r.verify(); !slices.Equal(rep.HostsLeft, []string{"web-2"}) {
		t.Errorf("hosts left: %v", rep.HostsLeft)
	}
	_, err := ms[0].Ramp(ctx, "read-new", 10000, nil)
	if no := refusedBy(t, err, GateVerified); !strings.Contains(no.Found, "web-2") {
		t.Errorf("refused without naming the host: %v", no)
	}
	for _, job := range []func(context.Context, func(Progress)) (Report, error){ms[1].Backfill, ms[1].Verify} {
		if rep, err := job(ctx, nil); err != nil {
			t.Fatalf("%v %+v", err, rep)
		}
	}
	for id, want := range map[string]string{"a": "of web-1", "b": "of web-2", "both": "later, of web-2"} {
		if got := r.get(r.new, ref(id).NewKey()); got != want {
			t.Errorf("%s in new: %q, want %q", id, got, want)
		}
	}
	r.ramp("read-new", 100)
	if got := r.def().Settled; got != 10000 {
		t.Fatalf("settled is %d", got)
	}
	// Clients come through any host, and what each has in its old goes stale.
	if err := door.Set(ctx, ref("a"), session("moved to web-2")); err != nil {
		t.Fatal(err)
	}
	plan, err := ms[0].PlanRollback(ctx, "mirror")
	if err != nil || len(plan.Revisions) < 6 {
		t.Errorf("the way back: %v %+v", err, plan)
	}
	_, err = ms[0].Rollback(ctx, "mirror", nil)
	if no := refusedBy(t, err, GateReversed); !strings.Contains(no.Found, "web-2") {
		t.Errorf("refused without naming the host: %v", no)
	}
	if _, err = ms[1].Rollback(ctx, "mirror", nil); err != nil {
		t.Fatal(err)
	}
	r.at("mirror 100 %")
	if got := r.get(r.own["web-1"], ref("a").OldKey()); got != "moved to web-2" {
		t.Errorf("web-1's old has %q", got)
	}
	if got := r.get(r.own["web-2"], ref("a").OldKey()); got != "moved to web-2" {
		t.Errorf("web-2's old has %q", got)
	}
	// Another round is as the first one.
	_, err = ms[0].Ramp(ctx, "read-new", 10000, nil)
	refusedBy(t, err, GateVerified)
}

// TestHostUnknown: a host that is none of the agents cannot copy for them.
func TestHostUnknown(t *testing.T) {
	r, ms := hostsRig(t)
	r.ramp("mirror", 100)
	ms[0].o.Host = "elsewhere"
	_, err := ms[0].Backfill(context.Background(), nil)
	refusedBy(t, err, GateAgents)
}
