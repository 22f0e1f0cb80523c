package migrate

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

// child is what a process of its own needs to run a backfill.
type child struct {
	From, Old, New, FlagFile string
	Agents                   []string
	Rate                     float64
}

// TestMain is also the process that is killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("CROSSFADE_TEST_CHILD"); text != "" {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (c *child) run() error {
	st := [2]backends.Store{openSource(c.From, c.Old), redis.New(redis.Options{Addr: c.New, Migration: migration, DialTimeout: time.Second})}
	hasher, err := flags.NewHasher(make([]byte, 32))
	if err != nil {
		return err
	}
	m, err := New(Options{Migration: migration, Book: bookfiles.New(c.FlagFile), Kinds: phpKinds, Agents: c.Agents, Batch: 50, Pace: Pace{Rate: c.Rate},
		Digest: func(string) string { return "same" },
		Layer:  func() (darklaunch.Options, error) { return realOptions(hasher, st), nil }})
	if err != nil {
		return err
	}
	m.onePass = 100
	_, err = m.Backfill(context.Background(), nil)
	return err
}

func realOptions(h *flags.Hasher, st [2]backends.Store) darklaunch.Options {
	return darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: h, CopyTimeout: 300 * time.Millisecond,
		Old: darklaunch.Store{Store: st[0], Timeout: time.Second}, New: darklaunch.Store{Store: st[1], Timeout: time.Second}}
}

// TestKilledBackfill: a backfill that is killed ten times while clients write,
// delete and let expire, and run once more, has copied what lives, with its
// deadline, and nothing else.
func TestKilledBackfill(t *testing.T) {
	for _, from := range []string{"mariadb", "memcached"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			n := 20_000
			if os.Getenv("CROSSFADE_LONG") != "" {
				n = 1_000_000
			}
			killedBackfill(t, from, n)
		})
	}
}

func killedBackfill(t *testing.T, from string, n int) {
	ctx := context.Background()
	src := newSpeedSource(t, from, n)
	dst := speedServer(t, localserver.Redis)
	older := src.open(t)
	newer := redis.New(redis.Options{Addr: dst.Addr(), Migration: migration, DialTimeout: time.Second})
	t.Cleanup(func() { older.Close(); newer.Close() })
	r := newRigOf(&rig{t: t, dir: t.TempDir(), real: [2]backends.Store{older, newer}, copies: 300 * time.Millisecond}, 2)
	r.ramp("mirror", 100)
	tr := r.traffic(2)
	deleted, written := map[int]bool{}, map[int]string{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		rnd := rand.New(rand.NewPCG(1, 2))
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			k, d := rnd.IntN(n), r.agents[i%2].door()
			var err error
			switch {
			case i%3 == 0:
				if _, err = d.Delete(ctx, ref(speedName(k))); err == nil {
					deleted[k] = true
					delete(written, k)
				}
			case !deleted[k]:
				v, ends := fmt.Sprintf("written %d", i), time.Now().Add(time.Duration(1+rnd.IntN(3600))*time.Second)
				if err = d.Set(ctx, ref(speedName(k)), backends.Session{Data: []byte(v), Deadline: ends}); err == nil {
					written[k] = v
				}
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	c := child{From: from, Old: src.srv.Addr(), New: dst.Addr(), FlagFile: r.flagFile(), Agents: r.m.o.Agents, Rate: float64(n) / 5}
	if from == "memcached" {
		c.Rate = float64(n) / 8 // it goes on with a pass, of which there must be some left
	}
	resumed := 0
	for kill := range 11 {
		text, _ := json.Marshal(c)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "CROSSFADE_TEST_CHILD="+string(text))
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if kill == 10 {
			if err := <-ended; err != nil {
				t.Fatalf("the last run: %v: %s", err, said.String())
			}
			break
		}
		time.Sleep(1400*time.Millisecond + time.Duration(rand.IntN(600))*time.Millisecond) // the first 1.3 s wait for what the last run sent
		if kill%2 == 1 {                                                                   // on a busy machine it may not have begun: then kills alone would show nothing
			r.comesOn(ended)
		}
		cmd.Process.Kill()
		<-ended
		if s, _, _ := r.m.JobState(JobBackfill); s.Place != "" && s.Place != (pass{0, passesMost}).String() {
			resumed = max(resumed, s.Runs)
		}
		if s, _, _ := r.m.JobState(JobBackfill); s.Ended {
			break
		}
	}
	close(stop)
	wg.Wait()
	tr.end()
	if resumed < 2 {
		t.Errorf("it went on where it was in %d runs", resumed)
	}
	checkMoved(t, r, n, deleted, written)
	t.Logf("%d runs that had a place to go on from; %d deleted, %d written meanwhile", resumed, len(deleted), len(written))
}

// comesOn waits until the run of a backfill has a place to go on from that it did
// not begin with, or has ended, and gives its end back.
func (r *rig) comesOn(ended chan error) {
	was, _, _ := r.m.JobState(JobBackfill)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		s, _, _ := r.m.JobState(JobBackfill)
		if s.Ended || s.Place != was.Place && s.Place != "" {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			return
		default:
		}
	}
}

// checkMoved compares both stores with what must be there.
func checkMoved(t *testing.T, r *rig, n int, deleted map[int]bool, written map[int]string) {
	t.Helper()
	// How exact a deadline is that one copy keeps, the suites of the stores judge
	// (10 ms, or a second). Here the copies are made by processes that wait for a
	// busy machine, where a memcached that tells whole seconds left may be asked
	// two seconds before its answer is read: what must not be is another deadline.
	const exact = 10 * time.Second
	bad := 0
	fail := func(format string, args ...any) {
		if bad++; bad <= 5 {
			t.Errorf(format, args...)
		}
	}
	live := 0
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for i := 0; i < n; i += 500 {
		var ks [2][]backends.Key
		for k := i; k < min(i+500, n); k++ {
			ks[0], ks[1] = append(ks[0], ref(speedName(k)).OldKey()), append(ks[1], ref(speedName(k)).NewKey())
		}
		var recs [2][]backends.Record
		for s := range recs {
			var err error
			if recs[s], err = r.real[s].(backends.BatchReader).ReadMany(ctx, ks[s]); err != nil {
				t.Fatal(err)
			}
		}
		for k := range recs[0] {
			a, b, id := &recs[0][k], &recs[1][k], i+k
			soon := a.Found && time.Until(a.Deadline) < 2*exact || b.Found && time.Until(b.Deadline) < 2*exact
			switch {
			case soon:
			case deleted[id] && (a.Found || b.Found):
				fail("session %d was deleted, old has it: %v, new: %v", id, a.Found, b.Found)
			case a.Found != b.Found:
				fail("session %d: old has it: %v, new: %v", id, a.Found, b.Found)
			case a.Found && !bytes.Equal(a.Data, b.Data):
				fail("session %d differs", id)
			case a.Found && a.Deadline.Sub(b.Deadline).Abs() > exact:
				fail("session %d ends %v later in old", id, a.Deadline.Sub(b.Deadline))
			case written[id] != "" && a.Found && string(a.Data) != written[id]:
				fail("session %d is %q, want %q", id, a.Data[:min(len(a.Data), 20)], written[id])
			case !a.Found && !deleted[id] && written[id] == "":
				fail("session %d is gone from both", id)
			}
			if b.Found {
				live++
			}
		}
	}
	if live < n/2 {
		t.Errorf("only %d of %d live: this proves little", live, n)
	}
}

func openSource(from, addr string) backends.Store {
	if from == "memcached" {
		return memcached.New(addr, memcached.Options{Migration: migration})
	}
	return openMariaDB(addr)
}
