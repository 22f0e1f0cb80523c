package migrate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestRepairAndUndo, on memcached and Redis: a plan writes nothing, a repair
// writes what it planned and no more than it may, and taking it back restores
// what nobody has written since, and nothing else.
func TestRepairAndUndo(t *testing.T) {
	ctx := context.Background()
	start := func(fn func(context.Context, localserver.Options) (*localserver.Server, error)) string {
		srv, err := fn(ctx, localserver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { srv.Stop() })
		return srv.Addr()
	}
	older := memcached.New(start(localserver.Memcached), memcached.Options{Migration: migration})
	newer := redis.New(redis.Options{Addr: start(localserver.Redis), Migration: migration})
	t.Cleanup(func() { older.Close(); newer.Close() })
	r := newRigOf(&rig{t: t, dir: t.TempDir(), real: [2]backends.Store{older, newer}, copies: 300 * time.Millisecond}, 1)
	const n = 40
	for i := range n {
		r.put(older, ref(fmt.Sprintf("s%d", i)).OldKey(), "good")
	}
	r.ramp("mirror", 100)
	r.backfill()
	r.verify()
	stale := func(i int) { r.put(newer, ref(fmt.Sprintf("s%d", i)).NewKey(), "stale") }
	for i := range 10 {
		stale(i)
	}
	for i := 10; i < 15; i++ {
		if _, err := newer.Delete(ctx, ref(fmt.Sprintf("s%d", i)).NewKey()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		r.put(newer, ref(fmt.Sprintf("left%d", i)).NewKey(), "left over")
	}
	want := map[string]int64{"value": 10, "missing_new": 5, "missing_old": 5}
	in := func(id string) string { return r.get(newer, ref(id).NewKey()) }

	plan, err := r.m.Repair(ctx, RepairOptions{}, nil)
	if err != nil || fmt.Sprint(plan.Planned) != fmt.Sprint(want) || plan.Written != 0 || plan.Undo != "" || plan.Bytes != 15*4 {
		t.Fatalf("plan: got %+v, %v, want %v and nothing written", plan, err, want)
	}
	if in("s0") != "stale" || in("s10") != "(none)" || in("left0") != "left over" {
		t.Fatal("a plan has written")
	}
	// No more than it may.
	path := filepath.Join(t.TempDir(), "first.undo")
	few, err := r.m.Repair(ctx, RepairOptions{Max: 3, Yes: true, Undo: path}, nil)
	if err != nil || few.Written != 3 || few.Beyond != 17 {
		t.Fatalf("three of twenty: got %+v, %v", few, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("undo log: %v, %v, want mode 0600", info, err)
	}
	if _, err := r.m.Repair(ctx, RepairOptions{Yes: true, Undo: path}, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over an undo log: got %v", err)
	}
	if back, err := r.m.UndoRepair(ctx, path, nil); err != nil || back.Back != 3 || back.Entries != 3 {
		t.Fatalf("undo of three: got %+v, %v", back, err)
	}
	again, err := r.m.Repair(ctx, RepairOptions{}, nil)
	if err != nil || fmt.Sprint(again.Planned) != fmt.Sprint(want) {
		t.Fatalf("after the undo: got %+v, %v, want %v as before", again, err, want)
	}
	all, err := r.m.Repair(ctx, RepairOptions{Yes: true, Undo: filepath.Join(r.dir, "all.undo")}, nil)
	if err != nil || all.Written != 20 || in("s0") != "good" || in("s10") != "good" || in("left0") != "(none)" {
		t.Fatalf("all: got %+v, %v", all, err)
	}
	if same, err := r.m.Repair(ctx, RepairOptions{}, nil); err != nil || len(same.Planned) != 0 {
		t.Errorf("after the repair: got %+v, %v", same, err)
	}
	// Somebody writes s1, deletes s2 and makes left1 anew: they stay so.
	d := r.agents[0].door()
	ends := time.Now().Add(10 * time.Minute)
	if err := d.Set(ctx, ref("s1"), backends.Session{Data: []byte("good"), Deadline: ends}); err != nil {
		t.Fatal(err) // the same bytes, another deadline
	}
	if _, err := d.Delete(ctx, ref("s2")); err != nil {
		t.Fatal(err)
	}
	if err := d.Set(ctx, ref("left1"), backends.Session{Data: []byte("mine"), Deadline: ends}); err != nil {
		t.Fatal(err)
	}
	back, err := r.m.UndoRepair(ctx, all.Undo, nil)
	if err != nil || back.Back != 17 || back.Changed != 3 {
		t.Fatalf("undo: got %+v, %v, want 17 back and 3 changed", back, err)
	}
	for id, want := range map[string]string{"s0": "stale", "s1": "good", "s2": "(none)", "s10": "(none)", "left0": "left over", "left1": "mine", "s20": "good"} {
		if got := in(id); got != want {
			t.Errorf("%s: new holds %q, want %q", id, got, want)
		}
	}
	var no *Refusal
	if _, err := r.m.Ramp(ctx, "read-new", 100*100, nil); !errors.As(err, &no) || no.Gate != GateVerified {
		t.Errorf("read-new after an undo: got %v, want a refusal", err)
	}
	// In read-new users see new: nothing is put back there.
	r.verify()
	r.ramp("read-new", 100)
	if back, err := r.m.UndoRepair(ctx, path, nil); err != nil || back.Serving != 3 || back.Back != 0 {
		t.Errorf("undo in read-new: got %+v, %v, want nothing", back, err)
	}
}

// TestUndoLogs that are none, or were cut off.
func TestUndoLogs(t *testing.T) {
	whole := `{"version":1,"name":"a","found":true}` + "\n"
	for text, want := range map[string]int{whole: 1, whole + `{"version":1,"na`: 1, whole + whole: 1, "x\n": -1, `{"version":2,"name":"a"}` + "\n": -1, "": 0} {
		path := filepath.Join(t.TempDir(), "u")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := readUndo(path)
		if want < 0 && err == nil || want >= 0 && (err != nil || len(list) != want) {
			t.Errorf("%q: got %d entries, %v, want %d", text, len(list), err, want)
		}
	}
}
