package darklaunch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/ledger"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// faulty makes a store fail calls at random: errors, calls that time out having
// applied, and calls that apply later or never.
func faulty(rng *rand.Rand, mu *sync.Mutex, percent int) memory.Faults {
	return func(c memory.Call) memory.Fault {
		mu.Lock()
		defer mu.Unlock()
		lat := time.Duration(rng.IntN(3)) * time.Millisecond
		if rng.IntN(100) >= percent {
			return memory.Fault{Latency: lat}
		}
		switch rng.IntN(4) {
		case 0:
			return memory.Fault{Latency: lat, Kind: memory.NotApplied}
		case 1:
			return memory.Fault{Latency: lat, Kind: memory.TimeoutApplied}
		case 2: // applied later than the deadline
			return memory.Fault{Latency: time.Duration(rng.IntN(2000)) * time.Millisecond}
		}
		wait := time.Duration(rng.IntN(3000)) * time.Millisecond
		return memory.Fault{Kind: memory.TimeoutLater, Later: func(apply func()) { time.AfterFunc(wait, apply) }}
	}
}

// history runs random clients over a rig, judged by the ledger.
type history struct {
	r     *rig
	l     ledger.Ledger
	mu    sync.Mutex
	rng   *rand.Rand
	ids   []string
	n     int
	stopC chan struct{}
	wg    sync.WaitGroup
}

func (h *history) intn(n int) int { h.mu.Lock(); defer h.mu.Unlock(); return h.rng.IntN(n) }

func (h *history) value() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return fmt.Sprintf("v%d", h.n)
}

func (h *history) start(clients int) {
	h.stopC = make(chan struct{})
	for range clients {
		h.wg.Go(func() {
			for {
				select {
				case <-h.stopC:
					return
				default:
				}
				h.one()
				time.Sleep(time.Duration(h.intn(20)) * time.Millisecond)
			}
		})
	}
}

func (h *history) end() { close(h.stopC); h.wg.Wait() }

// one does one operation at one agent.
func (h *history) one() {
	ctx := context.Background()
	id := h.ids[h.intn(len(h.ids))]
	s := h.l.Session(id)
	d := h.r.layers[h.intn(len(h.r.layers))].Door("library")
	deadline := time.Now().Add(time.Hour)
	switch k := h.intn(10); {
	case k < 4:
		h.read(d, id)
	case k < 7:
		v := h.value()
		w := s.Write(v)
		if err := d.Set(ctx, ref(id), backends.Session{Data: []byte(v), Deadline: deadline}); err != nil {
			w.Failed()
		} else {
			w.Acknowledged()
		}
	case k < 8:
		d.Touch(ctx, ref(id), deadline)
	case k < 9:
		w := s.Delete()
		if _, err := d.Delete(ctx, ref(id)); err != nil {
			w.Failed()
		} else {
			w.Acknowledged()
		}
	default:
		v := h.value()
		w := s.Write(v)
		switch stored, err := d.Add(ctx, ref(id), backends.Session{Data: []byte(v), Deadline: deadline}); {
		case err != nil || !stored:
			w.Failed()
		default:
			w.Acknowledged()
		}
	}
}

func (h *history) read(d *darklaunch.Door, id string) {
	rd := h.l.Session(id).Read()
	got, found, err := d.Get(context.Background(), ref(id))
	switch {
	case err != nil:
		rd.Failed()
	case found:
		rd.Found(string(got.Data))
	default:
		rd.Missing()
	}
}

func (h *history) verdict(t *testing.T, at string) {
	t.Helper()
	if h.l.Broken() {
		t.Errorf("%s: %s\n%v", at, h.l.String(), h.l.Findings())
	}
}

// TestRandomHistories: random clients at two agents, through every position
// there and back, while one store fails calls: the promises hold.
func TestRandomHistories(t *testing.T) {
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	rng := seed(t)
	for i := range rounds {
		for side, name := range []string{"old fails", "new fails", "none fails"} {
			sub := rand.New(rand.NewPCG(rng.Uint64(), 1))
			t.Run(fmt.Sprintf("%d %s", i, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { randomHistory(t, sub, side) })
			})
		}
	}
}

func randomHistory(t *testing.T, rng *rand.Rand, side int) {
	r := newRig(t, 2, position.Off, func(o *darklaunch.Options) {
		o.CompareRatio = 0.5
		o.Old.Timeout, o.New.Timeout, o.CopyTimeout = 500*time.Millisecond, 250*time.Millisecond, 3*time.Second
	})
	h := &history{r: r, rng: rand.New(rand.NewPCG(rng.Uint64(), 3)), ids: []string{"a", "b", "c"}}
	var mu sync.Mutex
	failing := false
	quiet := func(on bool) {
		failing = on
		for i := range r.faults {
			percent := 0
			if i == side && on {
				percent = 10
			}
			r.faults[i].set(faulty(rand.New(rand.NewPCG(rng.Uint64(), 2)), &mu, percent))
		}
	}
	dwell := func(at string) { time.Sleep(3 * time.Second); h.verdict(t, at) }
	step := func(p position.Position, change func(*flags.Definition)) {
		r.publish(p, change)
		dwell("taking " + p.String())
		was := failing
		quiet(false) // while calls fail all the time some are always of unknown outcome
		r.acked()
		quiet(was)
	}
	quiet(true)
	h.start(4)
	ended := false
	defer func() {
		if !ended { // a failure: let the bubble end all the same
			quiet(false)
			h.end()
		}
	}()
	dwell("off")
	step(position.Mirror, nil)
	step(position.Fenced, nil)
	quiet(false)
	r.copyAll(darklaunch.Forward, h.ids...)
	r.clean()
	quiet(true)
	r.publish(position.ReadNew, nil)
	if rng.IntN(2) == 0 {
		r.tryRecord(t) // nil or not: stores fail
	}
	dwell("taking read-new")
	quiet(false)
	r.acked()
	step(position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets })
	step(position.ReadNew, nil)
	r.clean()
	step(position.Sealed, nil)
	r.clean()
	quiet(true)
	step(position.Cutover, func(d *flags.Definition) { d.KeepOld = true })
	step(position.Back, nil)
	quiet(false)
	time.Sleep(5 * time.Second)
	r.copyAll(darklaunch.Backward, h.ids...)
	step(position.Sealed, nil)
	step(position.ReadNew, nil)
	quiet(true)
	dwell("read-new after a rollback")
	step(position.Fenced, nil)
	step(position.Mirror, nil)
	step(position.Off, nil)
	quiet(false)
	ended = true
	h.end()
	for _, id := range h.ids {
		h.read(r.layers[0].Door("library"), id)
	}
	h.verdict(t, "the end")
	time.Sleep(time.Minute)
}
