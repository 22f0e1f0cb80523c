package migrate

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/census"
)

func (r *rig) look(i int, keepOld time.Duration) *Watched {
	r.t.Helper()
	w := NewWatcher(r.m, WatcherOptions{Own: r.agents[i].layer.Status().Start, KeepOld: keepOld})
	v, err := w.look(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	return v
}

// lose takes sessions that every agent follows out of new, and lets clients read
// them through all agents.
func (r *rig) lose(n, of int) {
	r.t.Helper()
	for i, k := 0, 0; k < of; i++ {
		id := fmt.Sprintf("w%d", i)
		if h, _ := r.agents[0].layer.Position(ref(id)); !census.Takes(h, census.Rate) {
			continue
		}
		k++
		r.both(id, "x")
		if k <= n {
			if _, err := r.new.Delete(context.Background(), ref(id).NewKey()); err != nil {
				r.t.Fatal(err)
			}
		}
		for _, a := range r.agents {
			if _, _, err := a.layer.Door("library").Get(context.Background(), ref(id)); err != nil {
				r.t.Fatal(err)
			}
		}
	}
}

// TestWatcher: one agent sees the whole fleet, once; what it cannot know it calls
// unknown.
func TestWatcher(t *testing.T) {
	r := newRig(t, 2)
	r.ramp("mirror", 100)
	if v := r.look(1, 0); v != nil {
		t.Errorf("the second agent also watches: %+v", v)
	}
	r.lose(3, 10)
	var v *Watched
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); { // the second looks come a moment later
		if v = r.look(0, 0); v.Logouts.Lost == 3 && v.Logouts.Unknown == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if l := v.Logouts; l.Followed != 10 || l.Lost != 3 || l.Estimate != 192 || l.Lower < 3 || l.Upper < 192 || l.IdleKnown {
		t.Errorf("would-be logouts: %+v", l)
	}
	if v.Acknowledged != 2 || v.Waiting+v.Silent != 0 || v.Gates[GateVerified] != GateShut || v.Gates[GateAgents] != GateOpen || v.Window != NoWindowEnd {
		t.Errorf("in mirror: %+v", v)
	}
	o, err := r.m.Status(context.Background())
	if err != nil || o.Logouts.Lost != 3 {
		t.Errorf("status says %+v, %v", o.Logouts, err)
	}

	// A verification has looked at all of them, and mended them.
	r.backfill()
	r.verify()
	v = r.look(0, 0)
	if l := v.Logouts; l.Lost != 0 || !l.IdleKnown || l.Unresolved != 0 || v.Gates[GateVerified] != GateOpen {
		t.Errorf("verified: %+v", v)
	}
	if v.Copying == nil || v.Copying.Job != "verification" || !v.Copying.Ended {
		t.Errorf("the copier: %+v", v.Copying)
	}

	// One agent is gone; new is down, so that writes leave marks and dirt.
	r.faults[1].set(func(memory.Call) memory.Fault { return memory.Fault{Kind: memory.NotApplied} })
	if err := r.agents[0].layer.Door("library").Set(context.Background(), ref("w1"), session("y")); err != nil {
		t.Fatal(err)
	}
	r.agents[1].server.Close()
	v = r.look(0, 0)
	if v.Silent != 1 || v.Gates[GateAgents] != GateShut || v.Gates[GateCleanNew] != GateShut || v.Gates[GateUnknown] != GateNotSeen || v.Logouts.Silent != 1 {
		t.Errorf("with one agent silent and new down: %+v", v)
	}

	// Where the record is not, nothing is claimed.
	if err := os.Remove(r.flagFile() + ".record"); err != nil {
		t.Fatal(err)
	}
	if v = r.look(0, 0); v.Gates[GateVerified] != GateNotSeen || v.Logouts.IdleKnown {
		t.Errorf("without the record: %+v", v)
	}
}

// TestWindow: how long going back from cutover stays cheap.
func TestWindow(t *testing.T) {
	r := newRig(t, 1, func(o *Options) { o.KeepOld = true })
	r.readNew(100)
	if v := r.look(0, time.Hour); v.Window != NoWindowEnd {
		t.Errorf("before cutover: %v", v.Window)
	}
	r.ramp("cutover", 1)
	if v := r.look(0, time.Hour); v.Window <= 59*time.Minute || v.Window > time.Hour {
		t.Errorf("in cutover: %v", v.Window)
	}
	time.Sleep(2 * time.Millisecond)
	if v := r.look(0, time.Millisecond); v.Window != 0 {
		t.Errorf("after keep_old: %v", v.Window)
	}
}

// TestWatcherRun: a round that fails leaves the last one, for a while.
func TestWatcherRun(t *testing.T) {
	r := newRig(t, 1)
	r.ramp("mirror", 100)
	w := NewWatcher(r.m, WatcherOptions{Own: r.agents[0].layer.Status().Start, Every: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if _, ok := w.Last(); ok {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if v, ok := w.Last(); !ok || v.Acknowledged != 1 {
		t.Errorf("nothing was seen: %+v", v)
	}
	stop()
	<-done
}
