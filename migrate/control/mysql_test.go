package control

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/mysql"
)

// TestServersDie: servers over one MariaDB die one after another without a word,
// at any moment of a way up and down; each time another goes on within its lease,
// and who asked sees the end.
func TestServersDie(t *testing.T) {
	db, err := localserver.MariaDB(t.Context(), localserver.Options{}, "CREATE DATABASE app", "CREATE USER app@localhost", "GRANT ALL ON app.* TO app@localhost")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Stop(); err != nil {
			t.Error(err)
		}
	})
	const lease = time.Second
	r := newRigOver(t, func() book.Book {
		b, err := mysql.Open(t.Context(), mysql.Options{Hosts: []string{db.Addr()}, Database: "app", User: "app", Migration: name, Lease: lease})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, 4, "web-1", "web-2")
	r.ready(r.agents["web-1"], r.agents["web-2"])
	r.fill(200)
	c := r.client()
	end := make(chan error, 1)
	go func() {
		step := func(what string, err error) bool {
			if err != nil {
				end <- fmt.Errorf("%s: %w", what, err)
			}
			return err == nil
		}
		_, err := c.Ramp(t.Context(), "mirror", 10_000, nil)
		if !step("mirror", err) {
			return
		}
		_, err = c.Backfill(t.Context(), nil)
		if !step("backfill", err) {
			return
		}
		_, err = c.Verify(t.Context(), nil)
		if !step("verify", err) {
			return
		}
		for _, p := range []int{2_000, 10_000} {
			_, err = c.Ramp(t.Context(), "read-new", p, nil)
			if !step("read-new", err) {
				return
			}
		}
		_, err = c.Ramp(t.Context(), "cutover", 10_000, nil)
		if !step("cutover", err) {
			return
		}
		_, err = c.Rollback(t.Context(), "off", nil)
		step("rollback", err)
		end <- err
	}()
	leader := func() int {
		for i, s := range r.servers {
			if s.leads() {
				return i
			}
		}
		return -1
	}
	var seen []uint64
	for range 3 {
		time.Sleep(time.Duration(100+rand.IntN(600)) * time.Millisecond)
		i := -1
		r.until("a server to lead", func() bool { i = leader(); return i >= 0 })
		died := time.Now()
		r.servers[i].crash()
		r.until("another to lead", func() bool { return leader() >= 0 })
		t.Logf("server %d died, another led after %v", i+1, time.Since(died).Round(time.Millisecond))
		if took := time.Since(died); took > 4*lease+30*time.Second {
			t.Errorf("taken over after %v, want about a lease of %v", took, lease)
		}
		seen = append(seen, r.agents["web-1"].kept.Current().Epoch())
	}
	select {
	case err := <-end:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Minute):
		t.Fatal("the way does not end")
	}
	o, err := c.Overview(t.Context())
	if err != nil || o.State != "off 100 %" {
		t.Errorf("at the end: %q, %v", o.State, err)
	}
	for i := 1; i < len(seen); i++ {
		if seen[i] < seen[i-1] {
			t.Errorf("revisions went back: %d", seen)
		}
	}
	for _, a := range r.agents {
		if why := a.kept.Stopped(); why != "" {
			t.Errorf("%s stopped: %s", a.name, why)
		}
	}
}
