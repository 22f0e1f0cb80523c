package darklaunch_test

import (
	"context"
	"fmt"
	"sync"
	"syscall"
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

// Each test here is one finding of the review: it fails as long as the finding
// stands, and is named for it.

var bg = context.Background()

func hourly(v string) backends.Session {
	return backends.Session{Data: []byte(v), Deadline: time.Now().Add(time.Hour)}
}

func at(s backends.Session, k backends.Key) backends.Session { s.Key = k; return s }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantGet(t testing.TB, what string, d *darklaunch.Door, r kinds.Ref, want string) {
	t.Helper()
	s, found, err := d.Get(bg, r)
	if err != nil {
		t.Logf("%s: %v", what, err) // an error breaks no promise
		return
	}
	got := "missing"
	if found {
		got = string(s.Data)
	}
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// Settled read-new: A cannot reach old and writes new alone; B's comparator sees
// the difference, and marks old: readers then get old's stale answer, and B's
// repair writes it over the acknowledged one.
func TestReviewComparatorMarksWhatOldIsBehindIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Fenced, func(o *darklaunch.Options) { o.CompareRatio = 1 })
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		must(t, a.Set(bg, ref("one"), hourly("w2")))
		r.faults[0].set(nil)
		wantGet(t, "B, at once", b, ref("one"), "w2")
		time.Sleep(400 * time.Millisecond)
		wantGet(t, "B, after a comparison", b, ref("one"), "w2")
		time.Sleep(5 * time.Second)
		rec := read(t, r.new, ref("one").NewKey())
		if string(rec.Data) != "w2" {
			t.Errorf("new holds %q after B's repair: the acknowledged write w2 is lost", rec.Data)
		}
	})
}

// A comparison holds no era: sampled in read-new, it marks old when the fleet
// is in sealed and cutover already, and sealed readers then get old's answer.
func TestReviewComparatorOutlivesItsRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.ReadNew, func(o *darklaunch.Options) { o.CompareRatio = 1; o.CompareRecheck = 2 * time.Second })
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		// A read beside a write that is under way at B: a race, looked at again later.
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Latency: 100 * time.Millisecond}
			}
			return memory.Fault{}
		})
		var wg sync.WaitGroup
		wg.Go(func() { must(t, b.Set(bg, ref("one"), hourly("w2"))) })
		time.Sleep(50 * time.Millisecond)
		a.Get(bg, ref("one"))
		wg.Wait()
		r.faults[1].set(nil)
		r.publish(position.Sealed, nil)
		r.acked()
		r.publish(position.Cutover, nil)
		r.acked()
		must(t, b.Set(bg, ref("one"), hourly("w3")))
		time.Sleep(5 * time.Second)
		if m, _ := r.old.Marks(bg, ref("one").OldKey()); len(m) != 0 {
			t.Errorf("in cutover, acknowledged by all, a comparison of read-new put %d marks in old: an agent still in sealed answers from old", len(m))
		}
		if s := r.layers[0].Status(); s.DirtyNew != 0 {
			t.Errorf("dirty in new: %d, and nothing repairs it in cutover", s.DirtyNew)
		}
	})
}

// In back: a copy reads new, then a write reaches new and not old: the copy's
// end counts the session as clean, though old lacks the write.
func TestReviewCopyBackForgetsADirtyingMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Cutover)
		d := r.layers[0].Door("library")
		must(t, d.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.Back, nil)
		r.acked()
		r.faults[0].set(func(c memory.Call) memory.Fault {
			switch c.Op {
			case memory.OpSwap:
				return memory.Fault{Latency: 100 * time.Millisecond}
			case memory.OpRevive, memory.OpSet:
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		})
		var wg sync.WaitGroup
		wg.Go(func() { r.layers[0].CopyOne(bg, ref("one"), darklaunch.Backward) })
		time.Sleep(50 * time.Millisecond)
		must(t, d.Set(bg, ref("one"), hourly("w2")))
		wg.Wait()
		rec := read(t, r.old, ref("one").OldKey())
		if s := r.layers[0].Status(); s.DirtyOld == 0 && string(rec.Data) != "w2" {
			t.Errorf("old holds %q, new has w2, and the session is not dirty in old", rec.Data)
		}
	})
}

// In back: a set to old times out, the next one and a copy find all equal, and
// the session counts as clean; then the first arrives.
func TestReviewCopyBackDoesNotWaitForTheUnknownCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Cutover)
		d := r.layers[0].Door("library")
		r.publish(position.Back, nil)
		r.acked()
		var late func()
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive && late == nil {
				return memory.Fault{Kind: memory.TimeoutLater, Later: func(apply func()) { late = apply }}
			}
			return memory.Fault{}
		})
		must(t, d.Set(bg, ref("one"), hourly("w1")))
		must(t, d.Set(bg, ref("one"), hourly("w2")))
		r.layers[0].CopyBackDirty(bg)
		late()
		time.Sleep(2 * time.Second)
		rec := read(t, r.old, ref("one").OldKey())
		if s := r.layers[0].Status(); s.DirtyOld == 0 && s.UnknownOld == 0 && string(rec.Data) != "w2" {
			t.Errorf("old holds %q, new has w2; nothing is dirty and nothing unknown", rec.Data)
		}
	})
}

// Settled read-new: a delete that old did not take. The tombstone in new runs
// out before old has confirmed it: nobody renews it.
func TestReviewTombstoneEndsBeforeOldConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Fenced)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		must(t, a.Set(bg, ref("one"), hourly("w1")))
		r.publish(position.ReadNew, nil)
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		_, err := a.Delete(bg, ref("one"))
		must(t, err)
		r.faults[0].set(nil)
		wantGet(t, "B, at once", b, ref("one"), "missing")
		time.Sleep(25 * time.Second)
		wantGet(t, "B, 25 s later", b, ref("one"), "missing")
	})
}

// askedSource lets something happen while Status is being made.
type askedSource struct {
	*flags.Static
	mu sync.Mutex
	fn func()
}

func (s *askedSource) Status() flags.Status {
	s.mu.Lock()
	fn := s.fn
	s.mu.Unlock()
	if fn != nil {
		fn()
	}
	return s.Static.Status()
}

// Status reads what is dirty and unknown before it looks whether anything older
// still runs: an operation that ends in between is in neither.
func TestReviewAcknowledgementMissesWhatEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &askedSource{}
		r := newRig(t, 1, position.ReadNew, func(o *darklaunch.Options) {
			src.Static = o.Flags.(*flags.Static)
			o.Flags = src
			o.Old.Timeout, o.New.Timeout = time.Second, 200*time.Millisecond
		})
		d := r.layers[0].Door("library")
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Latency: 10 * time.Second}
			}
			return memory.Fault{}
		})
		var wg sync.WaitGroup
		wg.Go(func() { must(t, d.Set(bg, ref("one"), hourly("w1"))) })
		time.Sleep(50 * time.Millisecond)
		r.publish(position.Sealed, nil)
		synctest.Wait()
		src.mu.Lock()
		src.fn = wg.Wait
		src.mu.Unlock()
		s := r.layers[0].Status()
		src.mu.Lock()
		src.fn = nil
		src.mu.Unlock()
		now := r.layers[0].Status()
		if s.Acknowledged && s.DirtyNew == 0 && s.UnknownNew == 0 && now.DirtyNew+now.UnknownNew > 0 {
			t.Errorf("sealed acknowledged with nothing dirty or unknown; there were %d dirty and %d unknown", now.DirtyNew, now.UnknownNew)
		}
	})
}

// Two calls of a session time out on two connections: each mark names one of
// them at random, so that one may be named nowhere.
func TestReviewMarkNamesAnotherCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Fenced, func(o *darklaunch.Options) { o.BreakerFailures = 1000 })
		d := r.layers[0].Door("library")
		r.faults[1].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpRevive {
				return memory.Fault{Kind: memory.TimeoutLater}
			}
			return memory.Fault{}
		})
		short := 0
		for i := range 20 {
			id := ref(fmt.Sprint("s", i))
			must(t, d.Set(bg, id, hourly("x")))
			must(t, d.Set(bg, id, hourly("y")))
			conns := map[string]bool{}
			ms, err := r.old.Marks(bg, id.OldKey())
			must(t, err)
			for _, m := range ms {
				conns[m.Conn] = true
			}
			if len(conns) != 2 {
				short++
			}
		}
		if short > 0 {
			t.Errorf("of %d sessions in 20 the marks name one of the two calls that are out", short)
		}
	})
}

// A DropMarks that took effect but was not answered: the count of standing marks
// never goes down again; a PutMark that took effect so: it goes below none.
func TestReviewStandingMarksDrift(t *testing.T) {
	for _, op := range []memory.Op{memory.OpDropMarks, memory.OpPutMark} {
		t.Run(string(op), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 1, position.Fenced)
				d := r.layers[0].Door("library")
				once := false
				r.faults[0].set(func(c memory.Call) memory.Fault {
					if c.Op == op && !once {
						once = true
						return memory.Fault{Kind: memory.TimeoutApplied}
					}
					return memory.Fault{}
				})
				r.faults[1].set(func(c memory.Call) memory.Fault {
					if c.Op == memory.OpRevive {
						return memory.Fault{Kind: memory.NotApplied}
					}
					return memory.Fault{}
				})
				d.Set(bg, ref("one"), hourly("w1"))
				r.faults[1].set(nil)
				r.clean()
				ms, _ := r.old.Marks(bg, ref("one").OldKey())
				if s := r.layers[0].Status(); s.MarksStanding != int64(len(ms)) {
					t.Errorf("%d marks stand, the status says %d", len(ms), s.MarksStanding)
				}
			})
		})
	}
}

// A touch, or a set, with a deadline that is past removes the session as a
// delete does, but leaves no tombstone: a copy under way brings it back.
func TestReviewPastDeadlineLeavesNoTombstone(t *testing.T) {
	for _, how := range []string{"touch", "set"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2, position.ReadNew)
				a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
				must(t, r.old.Set(bg, at(hourly("w1"), ref("one").OldKey()))) // new has thrown it out
				r.faults[1].set(func(c memory.Call) memory.Fault {
					if c.Op == memory.OpSwap {
						return memory.Fault{Latency: 100 * time.Millisecond}
					}
					return memory.Fault{}
				})
				wantGet(t, "before", a, ref("one"), "w1") // A refills
				time.Sleep(50 * time.Millisecond)
				past := time.Now().Add(-time.Minute)
				if how == "touch" {
					_, err := b.Touch(bg, ref("one"), past)
					must(t, err)
				} else {
					must(t, b.Set(bg, ref("one"), backends.Session{Data: []byte("x"), Deadline: past}))
				}
				time.Sleep(time.Second)
				wantGet(t, "after", b, ref("one"), "missing")
			})
		})
	}
}

// A client's token that continues another's with '#'.
func TestReviewLockTokenPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Off)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		if ok, err := a.Lock(bg, ref("one"), kinds.Owner{Client: "web#2"}, 0); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if ok, _ := b.Unlock(bg, ref("one"), kinds.Owner{Client: "web"}); ok {
			t.Error(`the lock of client "web#2" was given back by client "web"`)
		}
	})
}

// A grant that ran out stays in the table, and hides that another agent's lock
// is the asker's.
func TestReviewStaleGrantRefusesAnUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Off)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		a.Lock(bg, ref("one"), kinds.Owner{Client: "x"}, time.Second)
		time.Sleep(2 * time.Second)
		if ok, _ := b.Lock(bg, ref("one"), kinds.Owner{Client: "y"}, 0); !ok {
			t.Fatal("not granted")
		}
		if ok, _ := a.Unlock(bg, ref("one"), kinds.Owner{Client: "y"}); !ok {
			t.Error("y's lock was not given back at A, for a grant of x that ran out")
		}
	})
}

// Run's drain ends after the copy timeout, but the lanes are emptied to the end.
func TestReviewRunDrainsWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Mirror)
		r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Latency: 200 * time.Millisecond} })
		d := r.layers[0].Door("library")
		for range 1000 {
			must(t, d.Set(bg, ref("one"), hourly("x")))
		}
		began := time.Now()
		r.cancel()
		r.wg.Wait()
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("Run ended after %v, want the copy timeout (10 s) at most", took)
		}
		must(t, d.Set(bg, ref("two"), hourly("x")))
		if q := r.layers[0].Status().Queued; q != 0 {
			t.Errorf("queued is %d after a write that came after Run", q)
		}
	})
}

// noFlags is a store without room for flags, as Redis.
type noFlags struct{ *memory.Store }

func (noFlags) KeepsFlags() bool { return false }

func (s noFlags) Set(ctx context.Context, x backends.Session) error {
	x.Flags = 0
	return s.Store.Set(ctx, x)
}

// A rollback copies the kind's usual flags as none to a store that keeps them.
func TestReviewCopyBackLosesTheUsualFlags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ks, err := kinds.Compile([]kinds.Kind{{Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"},
			NewKey: "PHPREDIS_SESSION:{id}", MaxAge: time.Hour, Flags: 4}})
		must(t, err)
		r := newRig(t, 1, position.Cutover, func(o *darklaunch.Options) {
			o.Kinds = ks
			o.New.Store = noFlags{o.New.Store.(*memory.Store)}
		})
		one, _ := ks.ResolveString("memc.sess.key.one")
		d := r.layers[0].Door("library")
		s := hourly("w1")
		s.Flags = 4
		must(t, d.Set(bg, one, s))
		r.publish(position.Back, nil)
		r.acked()
		if res := r.layers[0].CopyOne(bg, one, darklaunch.Backward); res.Err != nil {
			t.Fatal(res.Err)
		}
		if rec := read(t, r.old, one.OldKey()); rec.Flags != 4 {
			t.Errorf("old has flags %d, the client's were 4, the kind's usual", rec.Flags)
		}
	})
}

// The comparator's mark that took effect without an answer: nobody holds the
// session dirty, so nobody ever removes it.
func TestReviewComparatorsUnknownMarkStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew, func(o *darklaunch.Options) { o.CompareRatio = 1 })
		d := r.layers[0].Door("library")
		must(t, r.old.Set(bg, at(hourly("a"), ref("one").OldKey())))
		must(t, r.new.Set(bg, at(hourly("b"), ref("one").NewKey())))
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpPutMark {
				return memory.Fault{Kind: memory.TimeoutApplied}
			}
			return memory.Fault{}
		})
		d.Get(bg, ref("one"))
		time.Sleep(30 * time.Second)
		ms, _ := r.old.Marks(bg, ref("one").OldKey())
		if s := r.layers[0].Status(); len(ms) != 0 && s.DirtyNew == 0 && s.MarksStanding == 0 {
			t.Errorf("%d marks stand; the agent knows of none, and holds nothing dirty", len(ms))
		}
	})
}

// The zero Ref is an error for every operation but this one.
func TestReviewLockOfNoSessionPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Off)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("Lock of the zero Ref panics: %v", p)
			}
		}()
		if _, err := r.layers[0].Door("library").Lock(bg, kinds.Ref{}, kinds.Owner{Conn: 1}, 0); err == nil {
			t.Error("no error")
		}
	})
}

// Old is declared down: new is the only store, and yet its breaker skips calls:
// the client gets errors from a new that is healthy again.
func TestReviewBreakerSkipsTheOnlyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew)
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets; d.DeclaredDown = flags.OldDown })
		r.acked()
		d := r.layers[0].Door("library")
		must(t, d.Set(bg, ref("one"), hourly("w1")))
		r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		for range 5 {
			d.Get(bg, ref("one"))
		}
		r.faults[1].set(nil)
		if _, _, err := d.Get(bg, ref("one")); err != nil {
			t.Errorf("new answers again, the client is told: %v", err)
		}
	})
}

// Each session that is made dirty wakes a scan of the whole table. In mirror,
// where nothing is ever repaired, a failing new so costs old's path its CPU.
func TestReviewDirtyScansInMirror(t *testing.T) {
	if testing.Short() {
		t.Skip("takes CPU")
	}
	spend := func(failing bool) (n int, cpu time.Duration) {
		r := newRig(t, 1, position.Mirror)
		if failing {
			r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
		}
		d := r.layers[0].Door("library")
		names := make([]kinds.Ref, 60_000)
		for i := range names {
			names[i] = ref(fmt.Sprint("s", i))
			d.Set(bg, names[i], hourly("x"))
		}
		before := cpuTime()
		end := time.Now().Add(2 * time.Second)
		for i := 0; time.Now().Before(end); i++ { // 500 writes a second
			d.Set(bg, names[i%len(names)], hourly("x"))
			n++
			time.Sleep(2 * time.Millisecond)
		}
		return n, cpuTime() - before
	}
	n, cpu := spend(false)
	m, slow := spend(true)
	t.Logf("healthy: %v of CPU for %d writes in 2 s; new failing: %v for %d", cpu, n, slow, m)
	if slow > 5*cpu && slow > 500*time.Millisecond {
		t.Errorf("with new failing, %v of CPU in 2 s, healthy %v", slow, cpu)
	}
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Barrier loads the newest revision and takes it again, in two steps: a revision
// that comes in between is undone, for good.
func TestReviewBarrierUndoesARevision(t *testing.T) {
	r := newRig(t, 1, position.Off)
	l := r.layers[0]
	ctx, cancel := context.WithTimeout(bg, 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.Barrier(ctx)
			}
		})
	}
	for ctx.Err() == nil && !t.Failed() {
		r.publish(position.Off, nil)
		for range 1000 {
			if l.Status().Epoch == r.epoch {
				break
			}
			time.Sleep(10 * time.Microsecond)
		}
		time.Sleep(50 * time.Microsecond)
		if e := l.Status().Epoch; e < r.epoch {
			time.Sleep(500 * time.Millisecond) // not merely late?
			if e := l.Status().Epoch; e < r.epoch {
				t.Errorf("revision %d was published; half a second later the agent serves %d, and is not told of it again", r.epoch, e)
			}
		}
	}
	cancel()
	wg.Wait()
}

// The swap of a batch that was not answered is an unknown call that nobody
// counts: the copier's end, and an acknowledgement, do not wait for it.
func TestReviewBatchSwapIsNotCountedAsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Fenced)
		for _, id := range []string{"one", "two"} {
			must(t, r.old.Set(bg, at(hourly("w1"), ref(id).OldKey())))
		}
		var late func()
		r.faults[1].set(func(c memory.Call) memory.Fault {
			switch {
			case c.Op != memory.OpSwap:
			case late == nil:
				return memory.Fault{Kind: memory.TimeoutLater, Later: func(apply func()) { late = apply }}
			default:
				return memory.Fault{Kind: memory.NotApplied}
			}
			return memory.Fault{}
		})
		res := r.layers[0].CopyMany(bg, []kinds.Ref{ref("one"), ref("two")}, darklaunch.Forward)
		if late == nil {
			t.Fatal("the batch made no swap")
		}
		if s := r.layers[0].Status(); s.UnknownNew == 0 {
			late()
			rec := read(t, r.new, ref("one").NewKey())
			t.Errorf("no unknown call is counted (%v); then it arrives: new holds %q", res[0].Err, rec.Data)
		}
	})
}

// Settled read-new: one session that is too large for old, which is the client's
// fault and not old's, turns the agent into one whose old is behind.
func TestReviewTooLargeMakesOldBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.ReadNew)
		r.publish(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
		r.acked()
		r.faults[0].set(func(c memory.Call) memory.Fault {
			if c.Op == memory.OpSet && c.Key == ref("big").OldKey().Name {
				return memory.Fault{Kind: memory.NotApplied, Err: backends.ErrTooLarge}
			}
			return memory.Fault{}
		})
		d := r.layers[0].Door("library")
		err := d.Set(bg, ref("big"), hourly("as if it were large"))
		if s := r.layers[0].Status(); s.Behind {
			t.Errorf("told %v; old is behind now, and every later write of any session goes to new alone", err)
		}
		must(t, d.Set(bg, ref("small"), hourly("w1")))
		if rec := read(t, r.old, ref("small").OldKey()); !rec.Found {
			t.Error("another session's write did not go to old, which is healthy")
		}
	})
}
