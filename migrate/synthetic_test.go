package migrate

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// TestSyntheticIsNotCopied: a synthetic session that an agent left when it was
// killed is no session to backfill and verify: neither copied nor counted, nor a
// difference.
func TestSyntheticIsNotCopied(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.ramp("mirror", 100)
	refs, none := phpKinds.Synthetic()
	if len(refs) == 0 || len(none) > 0 {
		t.Fatal("no synthetic sessions in these kinds")
	}
	r.put(r.old, ref("one").OldKey(), "x")
	for _, made := range refs { // in old alone
		if err := r.old.Set(ctx, backends.Session{Key: made.OldKey(), Data: []byte("x"), Deadline: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	again, _ := phpKinds.Synthetic()
	for _, made := range again { // in new alone
		if err := r.new.Set(ctx, backends.Session{Key: made.NewKey(), Data: []byte("y"), Deadline: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if rep := r.backfill(); rep.Sessions != 1 || rep.Copied != 1 || rep.Own < int64(len(refs)) {
		t.Errorf("backfill: %+v, want one session", rep)
	}
	if rep := r.verify(); rep.Sessions != 1 || rep.Same != 1 || len(rep.Differences) > 0 {
		t.Errorf("verify: %+v, want one session, the same", rep)
	}
	if _, found, err := r.new.Get(ctx, refs[0].NewKey()); found || err != nil {
		t.Errorf("a synthetic session was copied (%v)", err)
	}
}
