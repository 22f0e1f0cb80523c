package darklaunch_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestSQLLogout: a session whose row somebody deletes is gone from both stores
// at its next write that is due in the table, wherever it stands.
func TestSQLLogout(t *testing.T) {
	for _, p := range []position.Position{position.Off, position.Mirror, position.Fenced, position.ReadNew} {
		for _, touch := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				rows := memory.New(memory.Options{Migration: migration})
				r := newRig(t, 1, p, func(o *darklaunch.Options) {
					o.Old.Store = hybrid.New(memory.New(memory.Options{Migration: migration}), rows,
						hybrid.Options{Migration: migration, SyncEvery: time.Minute, SQLLogouts: true})
				})
				d, one := r.layers[0].Door("library"), ref("one")
				set(t, d, "one", "1")
				time.Sleep(2 * time.Minute)
				rows.Delete(bg, one.OldKey())
				if touch {
					if found, err := d.Touch(bg, one, time.Now().Add(time.Hour)); found || err != nil {
						t.Errorf("%v: touch: %v %v, want missing", p, found, err)
					}
				} else if err := d.Set(bg, one, hourly("2")); !errors.Is(err, backends.ErrRevoked) {
					t.Errorf("%v: set: %v, want ErrRevoked", p, err)
				}
				time.Sleep(time.Second) // mirrored
				wantGet(t, p.String(), d, one, "missing")
				if got := r.inNew("one"); got != "" {
					t.Errorf("%v: new still holds %q", p, got)
				}
			})
		}
	}
}

// TestNoSQLLogoutWhereNewDecides: rows that went while nobody wrote old (the
// application's own collector takes what was not written for a while) say
// nothing of sessions that live in new.
func TestNoSQLLogoutWhereNewDecides(t *testing.T) {
	for _, touch := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			rows := memory.New(memory.Options{Migration: migration})
			r := newRig(t, 1, position.Back, func(o *darklaunch.Options) {
				o.Old.Store = hybrid.New(memory.New(memory.Options{Migration: migration}), rows,
					hybrid.Options{Migration: migration, SyncEvery: time.Minute, SQLLogouts: true})
			})
			d, one := r.layers[0].Door("library"), ref("one")
			set(t, d, "one", "1")
			time.Sleep(2 * time.Minute)
			rows.Delete(bg, one.OldKey())
			if touch {
				if found, err := d.Touch(bg, one, time.Now().Add(time.Hour)); !found || err != nil {
					t.Errorf("touch: %v %v", found, err)
				}
				wantGet(t, "touched", d, one, "1")
				must(t, d.Set(bg, one, hourly("2")))
			} else {
				must(t, d.Set(bg, one, hourly("2")))
			}
			wantGet(t, "written", d, one, "2")
		})
	}
}
