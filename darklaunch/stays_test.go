package darklaunch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestStays: other keys of the same clients are in one store at every position,
// and nothing follows an operation on them.
func TestStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, err := kinds.Compile([]kinds.Kind{
			{Name: "web", Keys: []string{"sess:{id: .+}"}, Locks: []string{"lock:{id}"}},
			{Name: "cache", Keys: []string{"cache:{id: .+}"}, Stays: kinds.StaysOld},
			{Name: "jobs", Keys: []string{"job:{id: .+}"}, Locks: []string{"joblock:{id}"}, Stays: kinds.StaysNew},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"cache:a", "job:a"} {
			if _, ok := set.FromOld(name); ok {
				t.Errorf("%s would be copied from old", name)
			}
			if _, ok := set.FromNew(name); ok {
				t.Errorf("%s would be copied back from new", name)
			}
		}
		r := newRig(t, 1, position.Off, func(o *darklaunch.Options) { o.Kinds, o.CompareRatio = set, 1 })
		d := r.layers[0].Door("library")
		for _, p := range []position.Position{position.Off, position.Mirror, position.Fenced, position.ReadNew, position.Sealed, position.Cutover} {
			if p != position.Off {
				r.publish(p, nil)
				r.acked()
			}
			for name, in := range map[string]int{"cache:a": 0, "job:a": 1} {
				ref, ok := d.ResolveString(name)
				if !ok {
					t.Fatal(name)
				}
				value := name + " at " + p.String()
				must(t, d.Set(bg, ref, backends.Session{Data: []byte(value), Deadline: time.Now().Add(time.Hour)}))
				wantGet(t, p.String(), d, ref, value)
				time.Sleep(time.Second) // whatever follows
				for side, store := range []backends.Store{r.old, r.new} {
					_, found, err := store.Get(bg, backends.Key{Name: name})
					if must(t, err); found != (side == in) {
						t.Errorf("%s, %s: in store %d: %v", p, name, side, found)
					}
				}
			}
			lock, _ := d.ResolveString("joblock:a")
			if granted, err := d.Lock(bg, lock, kinds.Owner{Conn: 1}, time.Second); err != nil || !granted {
				t.Errorf("%s: lock: %v, %v", p, granted, err)
			}
			if _, found, err := r.new.LockValue(bg, backends.Key{Name: "joblock:a"}); err != nil || !found {
				t.Errorf("%s: the lock is not in new: %v", p, err)
			}
			if released, err := d.Unlock(bg, lock, kinds.Owner{Conn: 1}); err != nil || !released {
				t.Errorf("%s: unlock: %v, %v", p, released, err)
			}
		}
		if s := r.layers[0].Status(); s.DirtyNew != 0 || s.DirtyOld != 0 || s.MarksPut != 0 {
			t.Errorf("something followed: %+v", s)
		}
	})
}
