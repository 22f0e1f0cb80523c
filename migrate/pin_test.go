package migrate

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

func (r *rig) hash(id string) flags.Hash { return r.hasher.SumString(id) }

func (r *rig) pin(id string, to position.Position) {
	r.t.Helper()
	if _, err := r.m.Pin(context.Background(), r.hash(id), to, nil); err != nil {
		r.t.Fatalf("pin at %v: %v", to, err)
	}
}

// serves checks where every agent has a session, and where all others are.
func (r *rig) serves(id string, want, others position.Position) {
	r.t.Helper()
	for _, a := range r.agents {
		_, d := a.layer.Position(ref(id))
		_, o := a.layer.Position(ref("another"))
		if d.Position != want || o.Position != others {
			r.t.Errorf("agent %s has the session in %v, others in %v, want %v and %v", a.name, d.Position, o.Position, want, others)
		}
	}
}

// TestPinHoldsBack: under traffic one of its sessions is taken back to mirror, and
// forward again: it needs what a ramp needs, and nobody reads a wrong thing.
func TestPinHoldsBack(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	tr := r.traffic(4)
	r.readNew(100)
	const id = "c0-0"
	h := r.hash(id)
	if r.def().Settled != flags.Buckets {
		t.Fatal("read-new is not settled")
	}
	res, err := r.m.Pin(ctx, h, position.Mirror, nil)
	if err != nil || len(res.Steps) != 3 { // held in read-new, which takes settled back; fenced; mirror
		t.Fatalf("pin at mirror: %v, %v", res.Steps, err)
	}
	r.serves(id, position.Mirror, position.ReadNew)
	r.at("read-new 100 %; 1 pinned")
	epoch := r.def().Epoch
	_, err = r.m.Unpin(ctx, h, nil)
	refusedBy(t, err, GateVerified) // its writes may be behind in new
	if r.def().Epoch != epoch {
		t.Error("the refused step published something")
	}
	r.pin(id, position.Fenced)
	_, err = r.m.Unpin(ctx, h, nil)
	if no := refusedBy(t, err, GateVerified); !strings.Contains(no.Found, "held in fenced") {
		t.Errorf("it does not say where the session is: %v", no)
	}
	r.verify()
	if _, err := r.m.Unpin(ctx, h, nil); err != nil {
		t.Fatal(err)
	}
	r.serves(id, position.ReadNew, position.ReadNew)
	r.at("read-new 100 %")
	if _, d := r.agents[0].layer.Position(ref(id)); d.Pinned || !d.Settled {
		t.Errorf("after it: %+v, want it settled with its cohort", d)
	}
	tr.end()
}

// TestPinAhead: one session goes first, through the gates of a ramp; a rollback
// takes it along; while it stands old cannot be declared down.
func TestPinAhead(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	r.ramp("mirror", 100)
	const id = "first"
	h := r.hash(id)
	epoch := r.def().Epoch
	_, err := r.m.Pin(ctx, h, position.ReadNew, nil)
	refusedBy(t, err, GateVerified)
	if r.def().Epoch != epoch {
		t.Error("the fence was published for nothing")
	}
	r.backfill()
	r.verify()
	p, err := r.m.PlanPin(ctx, h, position.ReadNew)
	if err != nil || p.Refused != "" || len(p.Revisions) != 1 || !strings.Contains(strings.Join(p.Revisions[0].Needs, ";"), "a verification that counts") ||
		!strings.Contains(strings.Join(p.Back, ";"), "unpin") {
		t.Errorf("the dry run says %+v (%v)", p, err)
	}
	m := backends.Mark{Agent: "00000000000000af", Write: 1}
	if err := r.old.PutMark(ctx, ref("marked").OldKey(), m, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = r.m.Pin(ctx, h, position.ReadNew, nil)
	refusedBy(t, err, GateCleanNew)
	r.serves(id, position.Fenced, position.Fenced)
	r.old.DropMarks(ctx, ref("marked").OldKey(), []backends.Mark{m})
	r.pin(id, position.ReadNew)
	r.serves(id, position.ReadNew, position.Fenced)
	if err := r.agents[0].door().Set(ctx, ref(id), session("mine")); err != nil {
		t.Fatal(err)
	}
	if o, err := r.m.Status(ctx); err != nil || len(o.Pins) != 1 || o.Pins[0] != (PinnedAt{h.String(), position.ReadNew}) {
		t.Errorf("the status has %+v (%v)", o.Pins, err)
	}
	r.ramp("read-new", 100)
	_, err = r.m.DeclareDown(ctx, "old", nil)
	if no := refusedBy(t, err, GateOrder); !strings.Contains(no.Found, "pinned") {
		t.Errorf("got %v", no)
	}
	for _, to := range []struct {
		stage string
		at    position.Position
	}{{"read-new", position.ReadNew}, {"mirror", position.Mirror}, {"off", position.Off}} {
		if _, err := r.m.Rollback(ctx, to.stage, nil); err != nil {
			t.Fatalf("rollback --to %s: %v", to.stage, err)
		}
		r.serves(id, to.at, to.at)
	}
	if s, found, err := r.agents[1].door().Get(ctx, ref(id)); err != nil || !found || string(s.Data) != "mine" {
		t.Errorf("the session reads %q %v (%v)", s.Data, found, err)
	}
}

// TestPinsAndRamps: what a ramp would leave behind for good is refused, what it
// may leave is left, and comes after it through sealed.
func TestPinsAndRamps(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 2)
	const id = "held"
	h := r.hash(id)
	r.ramp("mirror", 100)
	r.pin(id, position.Off)
	_, err := r.m.Verify(ctx, nil)
	refusedBy(t, err, GateOrder)
	r.backfill()
	_, err = r.m.Ramp(ctx, "read-new", flags.Buckets, nil)
	refusedBy(t, err, GateOrder)
	r.pin(id, position.Fenced)
	r.backfill()
	r.verify()
	r.ramp("read-new", 100)
	r.serves(id, position.Fenced, position.ReadNew)
	_, err = r.m.Ramp(ctx, "cutover", flags.Buckets, nil)
	refusedBy(t, err, GateOrder)
	r.pin(id, position.ReadNew)
	if err := r.agents[0].door().Set(ctx, ref(id), session("before")); err != nil {
		t.Fatal(err)
	}
	for _, to := range []position.Position{position.Sealed, position.Cutover, position.Back} {
		_, err = r.m.Pin(ctx, h, to, nil)
		refusedBy(t, err, GateOrder)
	}
	r.ramp("cutover", 100)
	r.serves(id, position.ReadNew, position.Cutover)
	if err := r.agents[1].door().Set(ctx, ref(id), session("after")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.Pin(ctx, r.hash("another"), position.ReadNew, nil); err == nil {
		t.Error("a session was taken back from cutover alone")
	}
	// Stopped in sealed; then something is in the way.
	r.m.crash = func(uint64) error {
		if at, _ := new(r.def()).At(h); at == position.Sealed {
			return errStop
		}
		return nil
	}
	if _, err := r.m.Unpin(ctx, h, nil); !errors.Is(err, errStop) {
		t.Fatal(err)
	}
	r.m.crash = nil
	m := backends.Mark{Agent: "00000000000000af", Write: 1}
	if err := r.old.PutMark(ctx, ref("marked").OldKey(), m, time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = r.m.Unpin(ctx, h, nil)
	if no := refusedBy(t, err, GateCleanNew); !strings.Contains(no.Found, "held in read-new") {
		t.Errorf("it stays sealed, or does not say where it is: %v", no)
	}
	r.serves(id, position.ReadNew, position.Cutover)
	r.old.DropMarks(ctx, ref("marked").OldKey(), []backends.Mark{m})
	res, err := r.m.Unpin(ctx, h, nil)
	if err != nil || !strings.Contains(strings.Join(res.Steps, ";"), "from read-new to sealed") {
		t.Fatalf("unpin: %v, %v", res.Steps, err)
	}
	r.serves(id, position.Cutover, position.Cutover)
	if s, found, err := r.agents[0].door().Get(ctx, ref(id)); err != nil || !found || string(s.Data) != "after" {
		t.Errorf("the session reads %q %v (%v)", s.Data, found, err)
	}
	if got, err := r.m.Unpin(ctx, h, nil); err != nil || len(got.Steps) != 0 {
		t.Errorf("again: %v, %v", got.Steps, err)
	}
}

// TestNeedsOfPins: what a step needs is asked of the sessions that become pinned
// in it, and of those that are pinned no more.
func TestNeedsOfPins(t *testing.T) {
	hasher, err := flags.NewHasher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	h := hasher.SumString("one")
	at := func(cohort position.Position, pin ...position.Position) flags.Definition {
		d := flags.Definition{Migration: migration}
		d.Weights[cohort] = flags.Buckets
		if len(pin) > 0 {
			d.Pins = map[flags.Hash]position.Position{h: pin[0]}
		}
		return d
	}
	const up = rules.NeedVerified | rules.NeedCleanNew
	for _, tt := range []struct {
		name   string
		cur, n flags.Definition
		want   rules.Needs
		no     rules.Needs
	}{
		{"pinned ahead", at(position.Fenced), at(position.Fenced, position.ReadNew), up, 0},
		{"the pin goes ahead", at(position.Mirror, position.Fenced), at(position.Mirror, position.ReadNew), up, 0},
		{"unpinned, up", at(position.ReadNew, position.Fenced), at(position.ReadNew), up, 0},
		{"unpinned, down", at(position.Fenced, position.ReadNew), at(position.Fenced), rules.NeedCleanOld | rules.NeedNotBehind, up},
		{"pinned where it is", at(position.ReadNew), at(position.ReadNew, position.ReadNew), rules.NeedNoUnknown, up},
		{"sealed", at(position.Cutover, position.ReadNew), at(position.Cutover, position.Sealed), rules.NeedCleanNew | rules.NeedCleanOld | rules.NeedNotBehind, 0},
	} {
		if got := needs(tt.cur, tt.n, 0); got&tt.want != tt.want || got&tt.no != 0 {
			t.Errorf("%s: needs %b, want %b and none of %b", tt.name, got, tt.want, tt.no)
		}
	}
}
