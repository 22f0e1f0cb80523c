package clientstest

import (
	"os"
	"sync"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

var (
	memcachedToRedis = move{"memcached", "redis"}
	redisToMemcached = move{"redis", "memcached"}
	moves            = []move{memcachedToRedis, redisToMemcached}
)

// only is one client to look at, by its name: then no table is written.
var only = os.Getenv("ONLY")

// TestClients is the part of the matrix that every run can afford: four clients
// that have no shorter way than through both stores.
func TestClients(t *testing.T) {
	t.Parallel()
	s := newSite(t, memcachedToRedis, position.ReadNew)
	for _, c := range clients {
		if c.cut {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				sc := c.start(t, c, s.addr(c))
				t.Cleanup(func() { stopped(t, c, sc) })
				visit(t, c, sc, "read-new")
				for _, w := range sc.warnings() {
					t.Error(w)
				}
			})
		}
	}
}

func stopped(t *testing.T, c client, s script) {
	if err := s.stop(); err != nil {
		t.Errorf("%s: %v", c.name, err)
	}
}

// TestMatrix has every client at every position, in front of both kinds of
// store, and in the end with no store at all. What was held stands in the docs.
func TestMatrix(t *testing.T) {
	if !long {
		t.Skip("make test-clients runs it: CROSSFADE_LONG=1")
	}
	seen := map[move][]result{}
	t.Run("move", func(t *testing.T) {
		for _, m := range moves {
			results := make([]result, len(clients))
			seen[m] = results
			t.Run(m.String(), func(t *testing.T) {
				t.Parallel()
				climb(t, m, results)
			})
		}
	})
	if only == "" {
		keepTable(t, seen)
	}
}

// climb takes all clients through one migration. Their scripts live as long as
// it does, and so do the connections that they keep.
func climb(t *testing.T, m move, results []result) {
	s := newSite(t, m, position.Off)
	scripts := make([]script, len(clients))
	idle := make([][]traveller, len(clients))
	t.Cleanup(func() {
		for i, sc := range scripts {
			if sc != nil {
				stopped(t, clients[i], sc)
			}
		}
	})
	stage(t, "login", func(t *testing.T, i int) {
		c := clients[i]
		scripts[i] = c.start(t, c, s.addr(c))
		idle[i] = depart(t, c, scripts[i])
		a, err := scripts[i].ask(0, question{Op: "version"})
		if err != nil || a.Note == "" || a.Note == "?" {
			t.Errorf("version: %q, %v", a.Note, err)
		}
		results[i].version = a.Note
	})
	for at, step := range ladder {
		s.step(at)
		stage(t, step.to.String(), func(t *testing.T, i int) {
			if scripts[i] == nil || idle[i] == nil {
				t.Fatal("it did not start")
			}
			travel(t, scripts[i], idle[i])
			visit(t, clients[i], scripts[i], step.to.String())
			for _, w := range scripts[i].warnings()[results[i].warned:] {
				results[i].warned++
				t.Error(w)
			}
			if !t.Failed() {
				results[i].at = append(results[i].at, step.to)
			}
		})
	}
	for _, store := range s.stores {
		if err := store.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	stage(t, "no store", func(t *testing.T, i int) {
		if scripts[i] == nil || idle[i] == nil {
			t.Fatal("it did not start")
		}
		results[i].without(t, scripts[i], idle[i][0])
	})
}

// stage runs something for all clients, some at a time: more would have each
// wait for the others alone.
func stage(t *testing.T, name string, f func(t *testing.T, i int)) {
	t.Run(name, func(t *testing.T) {
		slots := make(chan struct{}, 4)
		var all sync.WaitGroup
		for i, c := range clients {
			if only != "" && only != c.name {
				continue
			}
			slots <- struct{}{}
			all.Go(func() {
				defer func() { <-slots }()
				t.Run(c.name, func(t *testing.T) { f(t, i) })
			})
		}
		all.Wait()
	})
}
