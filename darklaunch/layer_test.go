package darklaunch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

const migration = "test"

var phpKinds = func() *kinds.Set {
	s, err := kinds.Compile([]kinds.Kind{{
		Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, Locks: []string{"memc.sess.key.lock.{id}"},
		NewKey: "PHPREDIS_SESSION:{id}", NewLock: "PHPREDIS_SESSION:{id}_LOCK", MaxAge: time.Hour, LockTTL: 30 * time.Second,
	}})
	if err != nil {
		panic(err)
	}
	return s
}()

// rig is a fleet of agents over two stores, steered by one source of flags.
type rig struct {
	hostOld  []*memory.Store // of each agent, where they have their own
	t        testing.TB
	old, new *memory.Store
	faults   [2]faultHook
	evict    atomic.Bool // old says that it has thrown something out
	src      *flags.Static
	epoch    uint64
	layers   []*darklaunch.Layer
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// faultHook is a store's faults, changed while it is used.
type faultHook struct {
	mu sync.Mutex
	f  memory.Faults
}

func (h *faultHook) call(c memory.Call) memory.Fault {
	h.mu.Lock()
	f := h.f
	h.mu.Unlock()
	if f == nil {
		return memory.Fault{}
	}
	return f(c)
}

func (h *faultHook) set(f memory.Faults) { h.mu.Lock(); h.f = f; h.mu.Unlock() }

func newRig(t testing.TB, agents int, p position.Position, change ...func(*darklaunch.Options)) *rig {
	r := &rig{t: t}
	r.old = memory.New(memory.Options{Migration: migration, Faults: r.faults[0].call})
	r.new = memory.New(memory.Options{Migration: migration, Faults: r.faults[1].call})
	r.src = flags.NewStatic(r.snapshot(p, nil))
	hasher, err := flags.NewHasher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	for range agents {
		o := darklaunch.Options{Migration: migration, Kinds: phpKinds, Flags: r.src, Hasher: hasher,
			Old: darklaunch.Store{Store: evicting{r.old, &r.evict}}, New: darklaunch.Store{Store: r.new}}
		for _, c := range change {
			c(&o)
		}
		l, err := darklaunch.New(o)
		if err != nil {
			t.Fatal(err)
		}
		r.layers = append(r.layers, l)
		r.wg.Go(func() { l.Run(ctx) })
	}
	t.Cleanup(r.stop)
	return r
}

// evicting is a store that says it has evicted a session.
type evicting struct {
	*memory.Store
	evicted *atomic.Bool
}

func (e evicting) Health(ctx context.Context) (backends.Health, error) {
	h, err := e.Store.Health(ctx)
	if e.evicted.Load() {
		h.Evictions++
	}
	return h, err
}

func (r *rig) stop() {
	r.cancel()
	r.wg.Wait()
	for _, l := range r.layers {
		l.Close()
	}
}

// snapshot puts every session in one position.
func (r *rig) snapshot(p position.Position, change func(*flags.Definition)) *flags.Snapshot {
	r.epoch++
	d := flags.Definition{Migration: migration, Epoch: r.epoch, Default: p}
	d.Weights[p] = flags.Buckets
	if p >= position.Cutover {
		d.CutoverFloor = flags.Buckets
	}
	if r.src != nil && r.src.Current() != nil {
		d.CutoverFloor = max(d.CutoverFloor, r.src.Current().Definition().CutoverFloor)
	}
	if change != nil {
		change(&d)
	}
	s, err := d.Compile()
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (r *rig) publish(p position.Position, change func(*flags.Definition)) {
	if err := r.src.Set(r.snapshot(p, change)); err != nil {
		r.t.Fatal(err)
	}
}

// acked waits until every agent has acknowledged the newest revision.
func (r *rig) acked() {
	r.t.Helper()
	for range 100_000 {
		ok := true
		for _, l := range r.layers {
			s := l.Status()
			ok = ok && s.Acknowledged && s.Epoch == r.epoch
		}
		if ok {
			return
		}
		time.Sleep(time.Millisecond)
	}
	for i, l := range r.layers {
		r.t.Logf("agent %d: %+v", i, l.Status())
	}
	r.t.Fatal("the revision was not acknowledged")
}

func (r *rig) clean() {
	r.t.Helper()
	for range 100_000 {
		n := int64(0)
		for _, l := range r.layers {
			n += l.Status().DirtyNew
		}
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	for i, l := range r.layers {
		r.t.Logf("agent %d: %+v", i, l.Status())
	}
	r.t.Fatal("sessions stay dirty")
}

func ref(id string) kinds.Ref {
	r, ok := phpKinds.ResolveString("memc.sess.key." + id)
	if !ok {
		panic(id)
	}
	return r
}

func (r *rig) copyAll(dir darklaunch.Direction, ids ...string) {
	r.t.Helper()
	for _, l := range r.layers {
		if err := l.Barrier(context.Background()); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, id := range ids {
		if res := r.layers[0].CopyOne(context.Background(), ref(id), dir); res.Err != nil {
			r.t.Fatal(res.Err)
		}
	}
}

// TestWayThere takes one session through every position and back, at two agents,
// with reads and writes at each.
func TestWayThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Off)
		ctx := context.Background()
		doors := []*darklaunch.Door{r.layers[0].Door("library"), r.layers[1].Door("library")}
		n := 0
		check := func(at string) {
			t.Helper()
			for i := range doors {
				n++
				want := fmt.Sprintf("data %d", n)
				if err := doors[i].Set(ctx, ref("one"), backends.Session{Data: []byte(want), Deadline: time.Now().Add(time.Hour)}); err != nil {
					t.Fatalf("%s: set: %v", at, err)
				}
				if found, err := doors[1-i].Touch(ctx, ref("one"), time.Now().Add(time.Hour)); err != nil || !found {
					t.Fatalf("%s: touch: %v %v", at, found, err)
				}
				for j := range doors {
					s, found, err := doors[j].Get(ctx, ref("one"))
					if err != nil || !found || string(s.Data) != want {
						t.Fatalf("%s: agent %d: got %q %v %v, want %q", at, j, s.Data, found, err, want)
					}
				}
				out := ref(fmt.Sprintf("gone%d", n))
				if stored, err := doors[i].Add(ctx, out, backends.Session{Deadline: time.Now().Add(time.Minute)}); err != nil || !stored {
					t.Fatalf("%s: add: %v %v", at, stored, err)
				}
				if stored, err := doors[1-i].Add(ctx, out, backends.Session{Deadline: time.Now().Add(time.Minute)}); err != nil || stored {
					t.Fatalf("%s: add of what exists: %v %v", at, stored, err)
				}
				if found, err := doors[1-i].Delete(ctx, out); err != nil || !found {
					t.Fatalf("%s: delete: %v %v", at, found, err)
				}
				if _, found, err := doors[i].Get(ctx, out); err != nil || found {
					t.Fatalf("%s: get of the deleted: %v %v", at, found, err)
				}
			}
		}
		step := func(p position.Position, change func(*flags.Definition)) {
			t.Helper()
			r.publish(p, change)
			check("before the acknowledgement of " + p.String())
			r.acked()
			check(p.String())
		}
		check("off")
		step(position.Mirror, nil)
		step(position.Fenced, nil)
		r.copyAll(darklaunch.Forward, "one")
		step(position.ReadNew, nil)
		step(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		step(position.ReadNew, nil)
		step(position.Sealed, nil)
		step(position.Cutover, func(d *flags.Definition) { d.KeepOld = true })
		step(position.Back, nil)
		r.copyAll(darklaunch.Backward, "one")
		step(position.Sealed, nil)
		step(position.ReadNew, nil)
		step(position.Fenced, nil)
		step(position.Mirror, nil)
		step(position.Off, nil)
	})
}

// seed is printed, and taken from the environment to run a failure again.
func seed(t testing.TB) *rand.Rand {
	n := rand.Uint64()
	if s := os.Getenv("CROSSFADE_SEED"); s != "" {
		n, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("CROSSFADE_SEED=%d", n)
	return rand.New(rand.NewPCG(n, 1))
}

// TestStalledNewInMirror: a new that does not answer costs the client nothing,
// and memory stays bounded.
func TestStalledNewInMirror(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Mirror, func(o *darklaunch.Options) { o.MirrorQueue = 50; o.CompareRatio = 1 })
		r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Latency: 2 * time.Minute} })
		d := r.layers[0].Door("library")
		began := time.Now()
		for i := range 1000 {
			id := fmt.Sprintf("s%d", i)
			if err := d.Set(context.Background(), ref(id), backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Hour)}); err != nil {
				t.Fatal(err)
			}
			if _, found, err := d.Get(context.Background(), ref(id)); !found || err != nil {
				t.Fatal(found, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("2,000 requests took %v of a stalled new's time, want none", took)
		}
		s := r.layers[0].Status()
		if s.Queued > 50 {
			t.Errorf("queued %d, want at most 50", s.Queued)
		}
		time.Sleep(time.Minute)
		if s = r.layers[0].Status(); s.DirtyNew+s.UnknownNew == 0 {
			t.Errorf("nothing is dirty or unknown after a stall: %+v", s)
		}
		r.faults[1].set(nil)
		time.Sleep(3 * time.Minute)
	})
}

// TestNotReady: without a revision nobody is served.
func TestNotReady(t *testing.T) {
	hasher, _ := flags.NewHasher(make([]byte, 32))
	l, err := darklaunch.New(darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: hasher,
		Flags: flags.NewFile("no-such-file", flags.FileOptions{}),
		Old:   darklaunch.Store{Store: memory.New(memory.Options{})}, New: darklaunch.Store{Store: memory.New(memory.Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, found, err := l.Door("library").Get(context.Background(), ref("x")); found || !errors.Is(err, darklaunch.ErrNotReady) {
		t.Errorf("got %v %v, want ErrNotReady", found, err)
	}
}
