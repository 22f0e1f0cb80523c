package watchtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/dashboard/alerts"
	"github.com/seed-41165957/crossfade/dashboard/grafana"
)

// TestProven runs a migration under traffic, scraped by a real Prometheus, breaks
// one thing after the other, and sees every panel of both dashboards stand still
// without its fault and move under it.
func TestProven(t *testing.T) {
	began := time.Now()
	f := newFleet(t)
	f.ramp("mirror", 0)
	f.ramp("mirror", 100)
	users := newTraffic(f)
	users.start()
	t.Cleanup(users.end)
	p := startPrometheus(t, f.admins())
	nothing := func() {}

	inMirror := func(e expectation) bool { return e.fault != newSlowInMirror }
	settles(p, 20*time.Second, slices.DeleteFunc(slices.Clone(expectations), inMirror))
	proves(p, expectations, newSlowInMirror, 40*time.Second, func() { f.wayNew.slow(400 * time.Millisecond) }, f.wayNew.heal)

	_, err := f.m.Backfill(t.Context(), nil)
	f.must(err)
	_, err = f.m.Verify(t.Context(), nil)
	f.must(err)
	settles(p, 30*time.Second, expectations)
	stays(p, 30*time.Second, expectations)
	if once := p.ask(`crossfade_would_be_logouts_estimate`); len(once) != 1 {
		t.Errorf("the fleet is told %d times: %s", len(once), text(once))
	}
	t.Logf("%d expectations hold while all is well, %.1fs", len(expectations), time.Since(began).Seconds())

	proves(p, expectations, newSlow, 15*time.Second, func() { f.wayNew.slow(270 * time.Millisecond) }, f.wayNew.heal)
	proves(p, expectations, newStalled, 20*time.Second, f.wayNew.freeze, f.wayNew.heal)
	quiet(f)
	users.reading.Store(true)
	time.Sleep(scrape)
	proves(p, expectations, oldCut, 15*time.Second, f.wayOld.cut, f.wayOld.heal)
	users.reading.Store(false)
	quiet(f)

	var stop, stop2, stop3 func()
	proves(p, expectations, newLoses, 15*time.Second, func() {
		stop = f.again(f.new.Addr(), 300*time.Millisecond, func(int) (del []string) {
			for _, id := range append(slices.Clone(users.followed), users.compared[:6]...) {
				del = append(del, "DEL "+newKey(id))
			}
			return del
		})
	}, func() { stop() })
	proves(p, expectations, writesPast, 15*time.Second, func() {
		stop = f.again(f.old.Addr(), time.Second, func(n int) (past []string) {
			for _, id := range users.compared[6:] {
				past = append(past, set(id, fmt.Sprintf("past%d", n)))
			}
			return past
		})
	}, func() { stop() })
	proves(p, expectations, clientsFight, 15*time.Second, func() {
		a := f.agents[0].memcached
		stop = f.again(a, 50*time.Millisecond, func(int) []string { return []string{"add memc.sess.key.lock.fight 0 1 1\r\n1"} })
		stop2 = f.again(a, 50*time.Millisecond, func(n int) []string {
			id := fmt.Sprintf("gone%d", n)
			return []string{set(id, "x"), "delete " + oldKey(id)}
		})
		stop3 = f.again(a, 50*time.Millisecond, func(int) []string { return []string{"flush_all"} })
	}, func() { stop(); stop2(); stop3() })
	proves(p, expectations, logFlood, 15*time.Second, func() {
		for i := range 5000 {
			f.agents[1].log.Warn("something happens again and again", "n", i)
		}
	}, nothing)
	proves(p, expectations, verifiedAgain, 20*time.Second, func() {
		_, err := f.m.Verify(t.Context(), nil)
		f.must(err)
	}, nothing)

	var working sync.WaitGroup
	proves(p, expectations, copySlow, 15*time.Second, func() {
		f.wayNew.slow(100 * time.Millisecond)
		slow, stopped := context.WithCancel(t.Context())
		stop = stopped
		working.Go(func() { f.slowly().Backfill(slow, nil) })
	}, func() { stop(); f.wayNew.heal(); working.Wait() })
	quiet(f)
	proves(p, expectations, flagsLost, 20*time.Second, func() {
		f.reach(false)
		working.Go(func() {
			if _, err := f.m.Ramp(t.Context(), "read-new", 100, nil); err != nil {
				t.Error(err)
			}
		})
	}, func() { f.reach(true); working.Wait() })
	proves(p, expectations, rampMoved, 20*time.Second, func() { f.ramp("read-new", 100) }, nothing)
	for _, a := range grafana.Migration().Annotations.List {
		if expr := strings.ReplaceAll(a.Expr, "$migration", "watch"); total(p.ask(expr), "") < 1 {
			t.Errorf("the ramp has moved, and %s shows nothing: %s", a.Name, expr)
		}
	}
	proves(p, expectations, fallbackHides, 15*time.Second, func() {
		stop = f.again(f.new.Addr(), 100*time.Millisecond, func(int) (del []string) {
			for _, id := range append(slices.Clone(users.followed), users.compared...) {
				del = append(del, "DEL "+newKey(id))
			}
			return del
		})
	}, func() { stop() })
	_, err = f.m.Verify(t.Context(), nil)
	f.must(err)
	proves(p, expectations, cutOver, 30*time.Second, func() { f.ramp("cutover", 1) }, nothing)
	proves(p, expectations, agentEnds, 20*time.Second, f.agents[1].end, nothing)
	proves(p, expectations, versionSkew, 20*time.Second, func() { f.agents[1].start("2") }, nothing)
	proves(p, expectations, oldRestarts, 20*time.Second, func() {
		f.wayNew.freeze()
		poll(t, 30*time.Second, "marks to stand in old", func() bool { return total(p.ask(`crossfade_marks`), "") > 5 })
		f.must(f.old.Restart(t.Context()))
	}, f.wayNew.heal)
	if names := p.rules(); len(names) != len(alerts.Rules()) {
		t.Errorf("%d of %d alerts are evaluated", len(names), len(alerts.Rules()))
	}
	t.Logf("%.0f s in all", time.Since(began).Seconds())
}

// quiet waits until agents have mended what a fault has left.
func quiet(f *fleet) {
	f.t.Helper()
	poll(f.t, 30*time.Second, "agents to have mended everything", func() bool {
		o, err := f.m.Status(f.t.Context())
		if err != nil {
			return false
		}
		for _, a := range o.Agents {
			if s := a.Status; s == nil || s.DirtyNew+s.UnknownNew+s.MarksStanding > 0 || s.AllDirtyNew {
				return false
			}
		}
		return true
	})
}
