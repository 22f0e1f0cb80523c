package darklaunch_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// In back: a copy reads new, then a write reaches new and not old: the copy's
// end counts the session as clean, though old lacks the write.
func TestCopyBackForgetsADirtyingMeanwhile(t *testing.T) {
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
func TestCopyBackDoesNotWaitForTheUnknownCall(t *testing.T) {
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

// A rollback copies the kind's usual flags as none to a store that keeps them.
func TestCopyBackLosesTheUsualFlags(t *testing.T) {
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

// The swap of a batch that was not answered is an unknown call that nobody
// counts: the copier's end, and an acknowledgement, do not wait for it.
func TestBatchSwapIsNotCountedAsUnknown(t *testing.T) {
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
