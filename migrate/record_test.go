package migrate

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

// TestVerificationEnds: what makes a verification worthless.
func TestVerificationEnds(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name string
		do   func(*rig)
		good bool
	}{
		{"nothing", func(*rig) {}, true},
		{"a clean restart", func(r *rig) { r.agents[0].restart(true); r.ramp("read-new", 0); r.agents[0].restart(true) }, true},
		{"an agent that died", func(r *rig) { r.agents[0].restart(false) }, false},
		{"an agent that died, then ended cleanly", func(r *rig) { r.agents[0].restart(false); r.agents[0].restart(true) }, false},
		{"down to mirror and up again", func(r *rig) {
			if _, err := r.m.Rollback(ctx, "mirror", nil); err != nil {
				r.t.Fatal(err)
			}
		}, false},
		{"mirror below 100 % and up again", func(r *rig) { r.ramp("mirror", 99); r.ramp("mirror", 100) }, false},
		{"a backfill after it, too", func(r *rig) { r.backfill() }, true},
		{"somebody else's change of the file", func(r *rig) {
			cur, _ := r.m.read()
			d := finish(cur.def, cur.def)
			data, err := d.MarshalFlagd()
			if err != nil {
				r.t.Fatal(err)
			}
			bookfiles.Replace(r.flagFile(), data)
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 2)
			r.ramp("mirror", 100)
			r.backfill()
			r.verify()
			tt.do(r)
			_, err := r.m.Ramp(ctx, "read-new", 100, nil)
			if tt.good {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			refusedBy(t, err, GateVerified)
			r.backfill()
			r.verify()
			r.ramp("read-new", 1)
		})
	}
}

// TestFlagFileLost: an older flag file, or none, while agents serve a newer
// one and no store remembers it: nothing is published over it.
func TestFlagFileLost(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 1)
	r.ramp("mirror", 10)
	older := mustRead(t, r).data
	r.ramp("mirror", 20)
	r.m.o.Wait = time.Second
	if err := bookfiles.Replace(r.flagFile(), older); err != nil {
		t.Fatal(err)
	}
	r.forget()
	_, err := r.m.Ramp(ctx, "mirror", 3000, nil)
	var w *Waiting
	if !errors.As(err, &w) || !strings.Contains(err.Error(), "an older file came back") {
		t.Errorf("got %v, want that an older file came back", err)
	}
	if err := os.Remove(r.flagFile()); err != nil {
		t.Fatal(err)
	}
	_, err = r.m.Ramp(ctx, "mirror", 3000, nil)
	refusedBy(t, err, GateRevision)
	if _, err := os.Stat(r.flagFile()); err == nil {
		t.Error("a flag file was made although agents serve a newer one")
	}
}
