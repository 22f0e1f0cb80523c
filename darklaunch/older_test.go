package darklaunch_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// lagging answers everything from its slower tier.
type lagging struct{ *memory.Store }

func (s lagging) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	r, err := s.Store.Read(ctx, k)
	r.Lagging = r.Found
	return r, err
}

func (s lagging) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	rs, err := s.Store.ReadMany(ctx, ks)
	for i := range rs {
		rs[i].Lagging = rs[i].Found
	}
	return rs, err
}

// TestOldLags: what old's slower tier kept fills what new lacks, and does not
// overwrite what new holds unless it is the later one.
func TestOldLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New(memory.Options{Migration: migration})
		r := newRig(t, 1, position.Fenced, func(o *darklaunch.Options) { o.Old.Store = lagging{st} })
		for _, c := range []struct {
			id              string
			older, newer    time.Duration // deadlines; zero: not there
			want            string
			class           string
			lags, wroteCopy bool
		}{
			{"behind", 30 * time.Minute, time.Hour, "new", "old_regressed", true, false},
			{"rounded", time.Hour + 900*time.Millisecond, time.Hour, "new", "old_regressed", true, false},
			{"later", 2 * time.Hour, time.Hour, "old", "value", false, true},
			{"alone", time.Hour, 0, "old", "missing_new", false, true},
		} {
			k := ref(c.id)
			must(t, st.Set(bg, backends.Session{Key: k.OldKey(), Data: []byte("old"), Deadline: time.Now().Add(c.older)}))
			if c.newer > 0 {
				must(t, r.new.Set(bg, backends.Session{Key: k.NewKey(), Data: []byte("new"), Deadline: time.Now().Add(c.newer)}))
			}
			if got := r.layers[0].CompareMany(bg, []kinds.Ref{k}, darklaunch.Forward)[0].Class; got != c.class {
				t.Errorf("%s: compared as %q, want %q", c.id, got, c.class)
			}
			for _, many := range []bool{false, true} {
				var res darklaunch.CopyResult
				if many {
					res = r.layers[0].CopyMany(bg, []kinds.Ref{k, ref("other")}, darklaunch.Forward)[0]
				} else {
					res = r.layers[0].CopyOne(bg, k, darklaunch.Forward)
				}
				if res.Err != nil || res.Lags != c.lags || !many && res.Wrote != c.wroteCopy {
					t.Errorf("%s, many %v: %+v, want lags %v, wrote %v", c.id, many, res, c.lags, c.wroteCopy)
				}
			}
			if got := r.inNew(c.id); got != c.want {
				t.Errorf("%s: new holds %q, want %q", c.id, got, c.want)
			}
		}
	})
}

// hostOwn is a host's own old.
type hostOwn struct{ *memory.Store }

func (hostOwn) HostScoped() bool { return true }

// hosts runs a test with two agents, each with an old of its own.
func hosts(t *testing.T, p position.Position, fn func(t *testing.T, r *rig, a, b *darklaunch.Door)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var own []*memory.Store
		r := newRig(t, 2, p, func(o *darklaunch.Options) {
			s := memory.New(memory.Options{Migration: migration})
			own = append(own, s)
			o.Old.Store = hostOwn{s}
			o.CompareRatio = 1
		})
		r.hostOld = own
		fn(t, r, r.layers[0].Door("library"), r.layers[1].Door("library"))
	})
}

// TestHosts: where each host has an old of its own, a session may be on another
// host than this one.
func TestHosts(t *testing.T) {
	one := ref("one")
	t.Run("a miss is no delete", func(t *testing.T) {
		hosts(t, position.Fenced, func(t *testing.T, r *rig, a, _ *darklaunch.Door) {
			set(t, a, "one", "A")
			res := r.layers[1].CopyOne(bg, one, darklaunch.Forward)
			if res.Err != nil || res.Wrote || res.Class != "" || r.inNew("one") != "A" {
				t.Errorf("B's verification: %+v, new holds %q", res, r.inNew("one"))
			}
		})
	})
	t.Run("the later deadline", func(t *testing.T) {
		hosts(t, position.Fenced, func(t *testing.T, r *rig, a, _ *darklaunch.Door) {
			must(t, r.hostOld[1].Set(bg, backends.Session{Key: one.OldKey(), Data: []byte("B"), Deadline: time.Now().Add(30 * time.Minute)}))
			set(t, a, "one", "A")
			if res := r.layers[1].CopyOne(bg, one, darklaunch.Forward); res.Wrote || !res.Lags || r.inNew("one") != "A" {
				t.Errorf("an older copy: %+v, new holds %q", res, r.inNew("one"))
			}
			must(t, r.hostOld[1].Set(bg, backends.Session{Key: one.OldKey(), Data: []byte("B"), Deadline: time.Now().Add(2 * time.Hour)}))
			if res := r.layers[1].CopyOne(bg, one, darklaunch.Forward); !res.Wrote || r.inNew("one") != "B" {
				t.Errorf("a later copy: %+v, new holds %q", res, r.inNew("one"))
			}
		})
	})
	t.Run("a delete outlives other hosts' copies", func(t *testing.T) {
		hosts(t, position.Fenced, func(t *testing.T, r *rig, a, b *darklaunch.Door) {
			must(t, r.hostOld[1].Set(bg, backends.Session{Key: one.OldKey(), Data: []byte("B"), Deadline: time.Now().Add(30 * time.Minute)}))
			set(t, a, "one", "A")
			if _, err := a.Delete(bg, one); err != nil {
				t.Fatal(err)
			}
			time.Sleep(25 * time.Minute) // longer than any copy, shorter than B's
			if res := r.layers[1].CopyOne(bg, one, darklaunch.Forward); res.Wrote || r.inNew("one") != "" {
				t.Errorf("B's copy: %+v, new holds %q", res, r.inNew("one"))
			}
			r.publish(position.ReadNew, nil)
			r.acked()
			wantGet(t, "at B", b, one, "missing")
		})
	})
	t.Run("new is needed, and does not stand in", func(t *testing.T) {
		hosts(t, position.ReadNew, func(t *testing.T, r *rig, a, b *darklaunch.Door) {
			set(t, a, "one", "A")
			wantGet(t, "at B", b, one, "A")
			r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
			if err := a.Set(bg, one, hourly("A2")); err == nil {
				t.Error("a write that new does not have was acknowledged")
			}
			if _, _, err := a.Get(bg, one); err == nil {
				t.Error("old stood in for new")
			}
		})
	})
	t.Run("a lock holds on all hosts", func(t *testing.T) {
		hosts(t, position.ReadNew, func(t *testing.T, r *rig, a, b *darklaunch.Door) {
			me, you := kinds.Owner{Client: "me", Conn: 1}, kinds.Owner{Client: "you", Conn: 2}
			if ok, err := a.Lock(bg, one, me, 10*time.Second); !ok || err != nil {
				t.Fatal(ok, err)
			}
			if ok, err := b.Lock(bg, one, you, 10*time.Second); ok || err != nil {
				t.Error("two hold the lock", ok, err)
			}
			if ok, err := a.Unlock(bg, one, me); !ok || err != nil {
				t.Error("unlock", ok, err)
			}
			if ok, err := b.Lock(bg, one, you, 10*time.Second); !ok || err != nil {
				t.Error("the lock is free", ok, err)
			}
		})
	})
}

// TestCacheLost: memcached over a table loses all in the middle. Nobody is
// logged out, what the table kept is counted as regressed, and new's newer copy
// stays, whoever looks at it.
func TestCacheLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows, cache := memory.New(memory.Options{Migration: migration}), memory.New(memory.Options{Migration: migration})
		r := newRig(t, 1, position.Fenced, func(o *darklaunch.Options) {
			o.Old = darklaunch.Store{Store: hybrid.New(cache, rows, hybrid.Options{Migration: migration, SyncEvery: time.Minute}), Evicts: true}
			o.CompareRatio = 1
		})
		d, one := r.layers[0].Door("library"), ref("one")
		set(t, d, "one", "1")
		time.Sleep(2 * time.Second)
		set(t, d, "one", "2") // memcached and new alone
		must(t, func() error { _, err := cache.Delete(bg, one.OldKey()); return err }())

		wantGet(t, "while old decides", d, one, "1") // as without Crossfade
		time.Sleep(2 * time.Second)                  // compared, and nothing repaired
		if ds := r.layers[0].Divergences(); len(ds) != 1 || ds[0].Class != "old_regressed" {
			t.Errorf("counted %+v, want one old_regressed", ds)
		}
		if res := r.layers[0].CopyOne(bg, one, darklaunch.Forward); !res.Lags || res.Wrote || res.Class != "old_regressed" {
			t.Errorf("a verification: %+v", res)
		}
		if got := r.inNew("one"); got != "2" {
			t.Errorf("new holds %q, want its newer copy", got)
		}
		r.publish(position.ReadNew, nil)
		r.acked()
		wantGet(t, "in read-new", d, one, "2")
		must(t, d.Set(bg, one, hourly("3")))
		wantGet(t, "after the next write", d, one, "3")
	})
}

// TestHostsRepair: what this host has marked is newer than what new holds,
// whatever the two deadlines are: a write may come at once after another, keep
// the deadline (an absolute one), or shorten it.
func TestHostsRepair(t *testing.T) {
	for name, second := range map[string]time.Duration{"the same": time.Hour, "shorter": time.Minute, "longer": 2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			hosts(t, position.Fenced, func(t *testing.T, r *rig, a, _ *darklaunch.Door) {
				now := time.Now()
				must(t, a.Set(bg, ref("one"), backends.Session{Data: []byte("first"), Deadline: now.Add(time.Hour)}))
				r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
				must(t, a.Set(bg, ref("one"), backends.Session{Data: []byte("second"), Deadline: now.Add(second)}))
				r.faults[1].set(nil)
				time.Sleep(30 * time.Second)
				if n := r.layers[0].Status().MarksStanding; n != 0 {
					t.Fatalf("%d marks stand", n)
				}
				if got := r.inNew("one"); got != "second" {
					t.Errorf("repaired, and new holds %q", got)
				}
			})
		})
	}
}
