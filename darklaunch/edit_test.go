package darklaunch_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// count adds one to a session that is a number.
func count(s backends.Session, found bool) (edit.Change, error) {
	if !found {
		return edit.Leave(), errors.New("there is none")
	}
	n, err := strconv.Atoi(string(s.Data))
	if err != nil {
		return edit.Leave(), err
	}
	s.Data = strconv.AppendInt(nil, int64(n+1), 10)
	return edit.Write(s), nil
}

// TestEditsAtOnce counts with one session through two agents in neighbouring
// positions, each with several clients: no count that was acknowledged is lost,
// and none is there that nobody made.
func TestEditsAtOnce(t *testing.T) {
	all := position.All()
	pairs := [][2]position.Position{{position.Sealed, position.Back}}
	for i, p := range all {
		pairs = append(pairs, [2]position.Position{p, p})
		if i > 0 {
			pairs = append(pairs, [2]position.Position{all[i-1], p})
		}
	}
	for _, pair := range pairs {
		t.Run(fmt.Sprintf("%v beside %v", pair[0], pair[1]), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				agent := 0
				var r *rig
				r = newRig(t, 2, pair[0], func(o *darklaunch.Options) {
					if agent++; agent == 2 {
						d := flags.Definition{Migration: migration, Epoch: 1, Default: pair[1]}
						d.Weights[pair[1]] = flags.Buckets
						if pair[1] >= position.Cutover {
							d.CutoverFloor = flags.Buckets
						}
						s, err := d.Compile()
						must(t, err)
						o.Flags = flags.NewStatic(s)
					}
				})
				one := ref("one")
				for _, st := range []struct {
					s *memory.Store
					k backends.Key
				}{{r.old, one.OldKey()}, {r.new, one.NewKey()}} {
					must(t, st.s.Set(bg, backends.Session{Key: st.k, Data: []byte("0"), Deadline: time.Now().Add(time.Hour)}))
				}
				slow := func(memory.Call) memory.Fault {
					return memory.Fault{Latency: time.Duration(rand.Int64N(int64(3 * time.Millisecond)))}
				}
				r.faults[0].set(slow)
				r.faults[1].set(slow)
				var kept, doubtful atomic.Int64
				var wg sync.WaitGroup
				for i := range 6 {
					d := r.layers[i%2].Door("library")
					wg.Go(func() {
						for range 15 {
							if err := d.Edit(bg, one, count); err == nil {
								kept.Add(1)
							} else if errors.Is(err, darklaunch.ErrUnavailable) {
								doubtful.Add(1)
							} else {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				time.Sleep(time.Minute) // what was queued has arrived
				s, found, err := r.layers[0].Door("library").Get(bg, one)
				if err != nil || !found {
					t.Fatal(found, err)
				}
				n, _ := strconv.ParseInt(string(s.Data), 10, 64)
				if n < kept.Load() || n > kept.Load()+doubtful.Load() {
					t.Errorf("counted to %d, %d were acknowledged and %d refused", n, kept.Load(), doubtful.Load())
				}
				if kept.Load() < 45 {
					t.Errorf("of 90 edits %d were made", kept.Load())
				}
			})
		})
	}
}

// TestEditRefusal: the caller's own error comes back, and no store is written.
func TestEditRefusal(t *testing.T) {
	own := errors.New("no")
	for _, p := range position.All() {
		bubble(t, 1, p, func(t *testing.T, r *rig, d []*darklaunch.Door) {
			set(t, d[0], "one", "w1")
			time.Sleep(time.Second)
			writes := func(c memory.Call) memory.Fault {
				switch c.Op {
				case memory.OpGet, memory.OpRead, memory.OpMarks, memory.OpHealth:
				default:
					t.Errorf("%v: %s", p, c.Op)
				}
				return memory.Fault{}
			}
			r.faults[0].set(writes)
			r.faults[1].set(writes)
			for _, id := range []string{"one", "two"} {
				err := d[0].Edit(context.Background(), ref(id), func(s backends.Session, found bool) (edit.Change, error) {
					if found != (id == "one") || found && string(s.Data) != "w1" {
						t.Errorf("%v: asked of %q, %v", p, s.Data, found)
					}
					return edit.Write(s), own
				})
				if err != own {
					t.Errorf("%v: got %v", p, err)
				}
			}
			r.faults[0].set(nil)
			r.faults[1].set(nil)
		})
	}
}

// TestToken: it tells data and flags, is one for the whole fleet, and is the
// key's.
func TestToken(t *testing.T) {
	one, err := flags.NewHasher(make([]byte, flags.KeySize))
	must(t, err)
	other, err := flags.NewHasher([]byte("0123456789abcdef0123456789abcdef"))
	must(t, err)
	a := one.Token(1, []byte("x"))
	if a == 0 || a == one.Token(0, []byte("x")) || a == one.Token(1, []byte("y")) || a == other.Token(1, []byte("x")) {
		t.Error("two tokens are one")
	}
	if a != one.Token(1, []byte("x")) {
		t.Error("one session has two tokens")
	}
}
