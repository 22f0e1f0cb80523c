package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// moveSlot moves a slot key by key, slowly, as redis-cli --cluster reshard does.
func moveSlot(t *testing.T, slot int64, from, to *goredis.Client, fromID, toID string) {
	t.Helper()
	ctx := t.Context()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ok(to.Do(ctx, "cluster", "setslot", slot, "importing", fromID).Err())
	ok(from.Do(ctx, "cluster", "setslot", slot, "migrating", toID).Err())
	finishSlot(t, slot, from, to, toID)
}

// finishSlot moves the keys that are left, of other tests too, and the slot.
func finishSlot(t *testing.T, slot int64, from, to *goredis.Client, toID any) {
	t.Helper()
	ctx := t.Context()
	host, port, _ := strings.Cut(to.Options().Addr, ":")
	for {
		keys, err := from.ClusterGetKeysInSlot(ctx, int(slot), 1).Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		if err := from.Do(ctx, "migrate", host, port, keys[0], 0, 10_000).Err(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond)
	}
	for _, c := range []*goredis.Client{to, from} {
		if err := c.Do(ctx, "cluster", "setslot", slot, "node", toID).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAsk: a key that has gone ahead of its slot is read and changed where it is.
func TestAsk(t *testing.T) {
	set := clustered.get(t)
	ctx := t.Context()
	s := open(t, clusterOptions(set))
	name := "{asked}a"
	if err := s.Set(ctx, session(name, "x")); err != nil {
		t.Fatal(err)
	}
	var from, to *goredis.Client
	for _, n := range set.Data[:3] {
		if c := direct(t, n.Addr()); c.Get(ctx, name).Err() == nil {
			from = c
		} else {
			to = c
		}
	}
	slot := from.ClusterKeySlot(ctx, name).Val()
	fromID, toID := from.Do(ctx, "cluster", "myid").Val(), to.Do(ctx, "cluster", "myid").Val()
	host, port, _ := strings.Cut(to.Options().Addr, ":")
	for _, cmd := range []*goredis.Cmd{to.Do(ctx, "cluster", "setslot", slot, "importing", fromID), from.Do(ctx, "cluster", "setslot", slot, "migrating", toID),
		from.Do(ctx, "migrate", host, port, name, 0, 10_000)} {
		if err := cmd.Err(); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if got, found, err := s.Get(short, key(name)); err != nil || !found || string(got.Data) != "x" {
		t.Errorf("get: %q, %v, %v", got.Data, found, err)
	}
	if err := s.Set(short, session(name, "y")); err != nil {
		t.Errorf("set: %v", err)
	}
	if found, err := s.Touch(short, key(name), time.Time{}); err != nil || !found {
		t.Errorf("touch: %v, %v", found, err)
	}
	if err := s.Set(short, session("{asked}new", "z")); err != nil {
		t.Errorf("set of what was nowhere: %v", err)
	}
	finishSlot(t, slot, from, to, toID)
	for name, want := range map[string]string{name: "y", "{asked}new": "z"} {
		if got, _, err := s.Get(ctx, key(name)); err != nil || string(got.Data) != want {
			t.Errorf("%s: got %q, %v, want %q", name, got.Data, err, want)
		}
	}
}

// TestSlotMovesUnderWriters moves one slot to and fro while its sessions are
// written in every way. Each key has one writer, which reads what it wrote:
// nothing acknowledged is lost, nothing refused is done, nothing is unknown.
func TestSlotMovesUnderWriters(t *testing.T) {
	set := clustered.get(t)
	ctx := t.Context()
	const moves, changes = 6, 200
	slot := direct(t, set.Data[0].Addr()).ClusterKeySlot(ctx, "{moving}").Val()
	var clients []*goredis.Client
	var ids []string
	for _, n := range set.Data[:3] {
		c := direct(t, n.Addr())
		clients, ids = append(clients, c), append(ids, c.Do(ctx, "cluster", "myid").Val().(string))
	}
	at := 0
	for i, c := range clients { // who has it answers without a redirection
		if c.Get(ctx, "{moving}").Err() == goredis.Nil {
			at = i
		}
	}
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint("flags=", keep), func(t *testing.T) {
			o := clusterOptions(set)
			o.KeepFlags = keep
			s := open(t, o)
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var mu sync.Mutex
			refused := map[string]int{}
			var acked atomic.Int64
			for w := range 8 {
				wg.Go(func() {
					m := mover{T: t, s: s, k: key(fmt.Sprintf("{moving}%v-%d", keep, w)), acked: &acked}
					for n := 0; ; n++ {
						select {
						case <-stop:
							mu.Lock()
							defer mu.Unlock()
							for e, n := range m.refused {
								refused[e] += n
							}
							return
						default:
							m.step(n)
						}
					}
				})
			}
			begin := time.Now()
			moved := 0 // a busy machine makes fewer changes in one move
			for ; moved < moves || acked.Load() < changes && time.Since(begin) < 30*time.Second; moved++ {
				to := (at + 1) % 3
				moveSlot(t, slot, clients[at], clients[to], ids[at], ids[to])
				at = to
				time.Sleep(30 * time.Millisecond)
			}
			close(stop)
			wg.Wait()
			made := int(acked.Load())
			if made < changes {
				t.Errorf("only %d changes were acknowledged", made)
			}
			for e, n := range refused { // a guard may lose; all else waits its turn
				if n*20 > made {
					t.Errorf("%d times of %d: %s", n, made, e)
				}
			}
			t.Logf("%d moves in %v: %d changes acknowledged, refused: %v", moved, time.Since(begin).Round(time.Millisecond), made, refused)
		})
	}
}

// mover is the only writer of one key.
type mover struct {
	*testing.T
	s       *redis.Store
	k       backends.Key
	is      string // what stands there; empty: nothing
	acked   *atomic.Int64
	refused map[string]int
}

// step makes one change and reads.
func (m *mover) step(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	next := session(m.k.Name, fmt.Sprint(n))
	next.Flags = uint32(n % 3)
	var err error
	var found bool
	switch n % 6 {
	case 0:
		err = m.s.Set(ctx, next)
	case 1:
		_, err = m.s.Touch(ctx, m.k, time.Now().Add(2*time.Hour))
		next.Data = []byte(m.is)
	case 2:
		var g backends.Guard
		if g, err = m.s.Guard(ctx, m.k, time.Now().Add(15*time.Second)); err == nil {
			if got := string(g.Record().Data); got != m.is {
				m.Errorf("guard: got %q, want %q", got, m.is)
			}
			err = g.Swap(ctx, next)
			g.Release()
		}
	case 3:
		found, err = m.s.Bury(ctx, m.k, time.Minute)
		if next.Data = nil; err == nil && found != (m.is != "") {
			m.Errorf("bury: found %v, and %q stood there", found, m.is)
		}
	case 4:
		found, err = m.s.Add(ctx, next)
		if err == nil && found != (m.is == "") {
			m.Errorf("add: stored %v, and %q stood there", found, m.is)
		}
		if !found {
			next.Data = []byte(m.is)
		}
	case 5:
		err = m.s.Revive(ctx, next)
	}
	if _, unknown := backends.IsUnknown(err); unknown {
		m.Errorf("step %d: %v", n%6, err)
		return
	}
	if err == nil {
		m.is = string(next.Data)
		m.acked.Add(1)
	} else {
		if m.refused == nil {
			m.refused = map[string]int{}
		}
		m.refused[err.Error()]++
	}
	ctx, cancel = context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	rec, err := m.s.Read(ctx, m.k)
	if err != nil {
		m.Errorf("read: %v", err)
	} else if string(rec.Data) != m.is || rec.Found != (m.is != "") {
		m.Errorf("after step %d: got %q, want %q", n%6, rec.Data, m.is)
	}
	if got, found, err := m.s.Get(ctx, m.k); err != nil || string(got.Data) != m.is || found != (m.is != "") {
		m.Errorf("get after step %d: got %q, %v, want %q", n%6, got.Data, err, m.is)
	}
}
