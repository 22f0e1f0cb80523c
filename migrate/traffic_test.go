package migrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
)

// traffic is clients that write, read, touch and delete sessions of their own,
// through changing agents, and know what they must read.
type traffic struct {
	t      testing.TB
	r      *rig
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     sync.Mutex // guards ops and bad
	ops    int
	errs   int
	bad    []string
}

func (r *rig) traffic(clients int) *traffic {
	tr := &traffic{t: r.t, r: r}
	ctx, cancel := context.WithCancel(context.Background())
	tr.cancel = cancel
	for c := range clients {
		tr.wg.Go(func() { tr.client(ctx, c) })
	}
	return tr
}

func (tr *traffic) client(ctx context.Context, c int) {
	rnd := rand.New(rand.NewPCG(uint64(c), 7))
	want := map[string]string{} // "": deleted or never there
	sure := map[string]bool{}
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("c%d-%d", c, rnd.IntN(8))
		d := tr.r.agents[rnd.IntN(len(tr.r.agents))].door()
		var err error
		switch rnd.IntN(10) {
		case 0:
			if _, err = d.Delete(ctx, ref(id)); err == nil {
				want[id], sure[id] = "", true
			}
		case 1, 2, 3:
			v := fmt.Sprintf("%d", n)
			if err = d.Set(ctx, ref(id), backends.Session{Data: []byte(v), Deadline: time.Now().Add(20 * time.Minute)}); err == nil {
				want[id], sure[id] = v, true
			}
		case 4:
			_, err = d.Touch(ctx, ref(id), time.Now().Add(time.Duration(15+rnd.IntN(10))*time.Minute))
		default:
			s, found, e := d.Get(ctx, ref(id))
			if err = e; err == nil && sure[id] && (found != (want[id] != "") || found && string(s.Data) != want[id]) {
				tr.note(fmt.Sprintf("client %d read %q %v, want %q, at %s", c, s.Data, found, want[id], state(tr.r.def())))
			}
			tr.count(err)
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			sure[id] = false // it may have arrived
		}
		tr.count(err)
		time.Sleep(time.Millisecond)
	}
}

func (tr *traffic) note(text string) { tr.mu.Lock(); tr.bad = append(tr.bad, text); tr.mu.Unlock() }

func (tr *traffic) count(err error) {
	tr.mu.Lock()
	tr.ops++
	if err != nil && !errors.Is(err, darklaunch.ErrNotReady) {
		tr.errs++
	}
	tr.mu.Unlock()
}

// end stops the clients: no read may have been wrong.
func (tr *traffic) end() {
	tr.t.Helper()
	tr.cancel()
	tr.wg.Wait()
	for i, b := range tr.bad {
		if i < 5 {
			tr.t.Error(b)
		}
	}
	if tr.ops < 100 {
		tr.t.Errorf("only %d operations: the traffic stood still", tr.ops)
	}
	tr.t.Logf("%d operations, %d errors", tr.ops, tr.errs)
}
