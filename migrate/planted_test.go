package migrate

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// planter makes sessions differ behind the agents' backs.
type planter struct {
	t            *testing.T
	older, newer backends.Store
	fast         backends.Store // of a hybrid old; nil: old has one tier
	ends         time.Time      // of every session
}

func (p *planter) session(k backends.Key, data string) backends.Session {
	return backends.Session{Key: k, Data: []byte(data), Deadline: p.ends}
}

func (p *planter) must(err error) {
	if err != nil {
		p.t.Error(err)
	}
}

// plants are the classes of differences, and how one comes to be.
var plants = map[string]func(p *planter, id string){
	"missing_new": func(p *planter, id string) { _, err := p.newer.Delete(bgCtx, ref(id).NewKey()); p.must(err) },
	"missing_old": func(p *planter, id string) { _, err := p.older.Delete(bgCtx, ref(id).OldKey()); p.must(err) },
	"value":       func(p *planter, id string) { p.must(p.newer.Set(bgCtx, p.session(ref(id).NewKey(), "another"))) },
	"flags": func(p *planter, id string) {
		s := p.session(ref(id).NewKey(), "data of "+id)
		s.Flags = 7
		p.must(p.newer.Set(bgCtx, s))
	},
	"expiry": func(p *planter, id string) {
		_, err := p.newer.(backends.Toucher).Touch(bgCtx, ref(id).NewKey(), p.ends.Add(-10*time.Minute))
		p.must(err)
	},
	// Written in both stores since the table was; then memcached evicted it.
	"old_regressed": func(p *planter, id string) {
		s := p.session(ref(id).NewKey(), "newer")
		s.Deadline = p.ends.Add(10 * time.Minute)
		p.must(p.newer.Set(bgCtx, s))
		_, err := p.fast.Delete(bgCtx, ref(id).OldKey())
		p.must(err)
	},
}

var bgCtx = context.Background()

// TestPlanted: of differences that were planted in real servers behind the agents'
// backs, a verification under live traffic finds every one of each class, and none
// that was not planted.
func TestPlanted(t *testing.T) {
	for _, from := range []string{"memcached", "hybrid"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			n, each := 900, 60
			if os.Getenv("CROSSFADE_LONG") != "" {
				n, each = 10_000, 1_000
			}
			planted(t, from, n, each)
		})
	}
}

func planted(t *testing.T, from string, n, each int) {
	server := func(s *localserver.Server, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s.Addr()
	}
	p := &planter{t: t, ends: time.Now().Add(time.Hour).Truncate(time.Second)}
	mc := memcached.New(server(localserver.Memcached(t.Context(), localserver.Options{Args: []string{"-m", "256"}})), memcached.Options{Migration: migration})
	p.older = mc
	if from == "hybrid" {
		p.fast, p.older = mc, hybrid.New(mc, tableOf(t, server), hybrid.Options{Migration: migration})
	}
	p.newer = redis.New(redis.Options{Addr: server(localserver.Redis(t.Context(), localserver.Options{})), Migration: migration, KeepFlags: true})
	t.Cleanup(func() { p.older.Close(); p.newer.Close() })
	r := newRigOf(&rig{t: t, dir: t.TempDir(), real: [2]backends.Store{p.older, p.newer}, copies: 300 * time.Millisecond}, 2)
	id := func(i int) string { return fmt.Sprintf("s%d", i) }
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				p.must(p.older.Set(bgCtx, p.session(ref(id(i)).OldKey(), "data of "+id(i))))
			}
		})
	}
	wg.Wait()
	r.ramp("mirror", 100)
	tr := r.traffic(4)
	r.backfill()
	// A mirrored write that was late on a busy machine is left to be repaired: that
	// is a difference, and true.
	for try := 1; ; try++ {
		if rep := r.verify(); len(rep.Differences) == 0 {
			break
		} else if try == 5 {
			t.Fatalf("before anything was planted, for the fifth time: %v", rep.Differences)
		}
	}

	next, want := 0, map[string]int64{}
	for class, plant := range plants {
		if class == "old_regressed" && from != "hybrid" {
			continue
		}
		for range each {
			plant(p, id(next))
			next++
		}
		want[class] = int64(each)
	}
	if next > n {
		t.Fatalf("%d differences in %d sessions", next, n)
	}
	began := time.Now()
	rep := r.verify()
	if !maps.Equal(rep.Differences, want) || rep.Unresolved != 0 || rep.Regressed != want["old_regressed"] {
		t.Errorf("found %v, %d unresolved, %d that old has lost the newest of; planted %v", rep.Differences, rep.Unresolved, rep.Regressed, want)
	}
	t.Logf("%s: %d planted in %d sessions, all found in %v; %d races of the traffic", from, next, rep.Sessions, time.Since(began).Round(time.Millisecond), rep.Races)
	// What it found it has put right, but for what new alone still has.
	left := map[string]int64{}
	if from == "hybrid" {
		left["old_regressed"] = int64(each)
	}
	if rep := r.verify(); !maps.Equal(rep.Differences, left) {
		t.Errorf("a second verification finds %v, want %v", rep.Differences, left)
	}
	tr.end()
}

// tableOf is a MariaDB with the tables of a hybrid.
func tableOf(t *testing.T, server func(*localserver.Server, error) string) *mysql.Store {
	t.Helper()
	open := func(addr string) *mysql.Store {
		st, err := mysql.New(mysql.Options{Hosts: []string{addr}, Database: "app", User: "root", Migration: migration, DialTimeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	blank := open("127.0.0.1:1")
	defer blank.Close()
	one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
	return open(server(localserver.MariaDB(t.Context(), localserver.Options{}, "CREATE DATABASE app", one(blank.DDL()), one(blank.PlainDDL()))))
}
