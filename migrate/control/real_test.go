package control

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
)

// TestRealServers: what a server does for who asks, from real memcached or MariaDB
// to real Redis under traffic: verify a share, plan a repair, repair no more than
// it may, take that back, repair, go to cutover, complete. What complete leaves is
// sessions, and the epoch while an agent runs; the last time, nothing.
func TestRealServers(t *testing.T) {
	olds := []string{"memcached", "mariadb"}
	if os.Getenv("CROSSFADE_LONG") != "" {
		olds = append(olds, "hybrid")
	}
	for _, from := range olds {
		t.Run(from, func(t *testing.T) { t.Parallel(); realServers(t, from) })
	}
}

const realSessions = 300

func realServers(t *testing.T, from string) {
	ctx := t.Context()
	st := realStores(t, from)
	// What is planted, and a busy machine, must not hold the plan.
	p := planOf(t, `
gates: {logouts: off, divergence: off, p99: off, errors: off, timeouts: off, marks: off, synthetic: off}
steps:
  - {ramp: mirror, to: 100, soak: 0s}
`)
	path, undo := filepath.Join(t.TempDir(), "flags.json"), t.TempDir()
	r := newRigOn(t, st, func() book.Book { return files.New(path) }, func(o *Options) {
		o.Migration.UndoDir, o.Migration.Grace = undo, 5*time.Second
		o.Plan, o.Synthetic = p, 200*time.Millisecond
	}, 1, "web-1", "web-2")
	r.ready(r.agents["web-1"], r.agents["web-2"])
	key := func(i int) (old, new backends.Key) {
		ref, _ := phpKinds.ResolveString(fmt.Sprintf("memc.sess.key.s%d", i))
		return ref.OldKey(), ref.NewKey()
	}
	put := func(s backends.Store, k backends.Key, data string) {
		t.Helper()
		if err := s.Set(ctx, backends.Session{Key: k, Data: []byte(data), Deadline: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range realSessions {
		k, _ := key(i)
		put(st[0], k, "good")
	}
	c := r.client()
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	r.ramp("mirror", 100)
	stop := r.traffic("web-1", "web-2")
	_, err := c.Backfill(ctx, nil)
	do("backfill", err)
	rep, err := c.Verify(ctx, nil)
	do("verify", err)
	if len(rep.Differences) > 0 {
		t.Fatalf("before anything was planted: %v", rep.Differences)
	}

	// 30 differ, 20 are missing.
	plant := func() {
		t.Helper()
		for i := range 50 {
			_, k := key(i)
			if i < 30 {
				put(st[1], k, "stale")
			} else if _, err := st[1].Delete(ctx, k); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[string]int64{"value": 30, "missing_new": 20}
	plant()
	share, err := c.Verify(migrate.WithSample(ctx, 0.5), nil)
	do("verify --sample", err)
	found := share.Differences["value"] + share.Differences["missing_new"]
	if share.Sample != 0.5 || share.Apart == 0 || share.Differ == nil || found < 10 || found > 40 || share.Differ.Low > 50./realSessions || share.Differ.High < 50./(realSessions+100) {
		t.Errorf("of half the sessions: %+v, bounds %+v; 50 of some %d differ", share, share.Differ, realSessions)
	}
	if _, err := c.Ramp(ctx, "read-new", 100, nil); gateOf(err) != migrate.GateVerified && err != nil {
		t.Errorf("read-new: %v", err)
	} else if err == nil {
		r.ramp("read-new", 0)
	}

	plant()
	plan, err := c.Repair(ctx, migrate.RepairOptions{}, nil)
	do("repair, the plan", err)
	if !maps.Equal(plan.Planned, want) || plan.Written != 0 || plan.Undo != "" {
		t.Fatalf("plan: %+v, want %v and nothing written", plan, want)
	}
	few, err := c.Repair(ctx, migrate.RepairOptions{Max: 10, Yes: true}, nil)
	do("repair of ten", err)
	if few.Written != 10 || few.Beyond != 40 || filepath.Dir(few.Undo) != undo {
		t.Errorf("repair of ten: %+v", few)
	}
	for _, bad := range []string{"", "../" + filepath.Base(few.Undo), few.Undo} {
		if _, err := c.UndoRepair(ctx, bad, nil); err == nil {
			t.Errorf("undo log %q was taken", bad)
		}
	}
	back, err := c.UndoRepair(ctx, filepath.Base(few.Undo), nil)
	do("undo", err)
	if back.Back != 10 {
		t.Errorf("undo: %+v, want ten back", back)
	}
	all, err := c.Repair(ctx, migrate.RepairOptions{Yes: true}, nil)
	do("repair", err)
	if all.Written != 50 || !maps.Equal(all.Planned, want) {
		t.Errorf("repair of all: %+v", all)
	}
	for i := range realSessions {
		_, k := key(i)
		if s, ok, err := st[1].Get(ctx, k); err != nil || !ok || string(s.Data) != "good" {
			t.Fatalf("session %d is %q in new (%v)", i, s.Data, err)
		}
	}

	rep, err = c.Verify(ctx, nil)
	do("verify", err)
	if len(rep.Differences) > 0 {
		t.Errorf("after the repair: %v", rep.Differences)
	}
	r.ramp("read-new", 100)
	r.ramp("cutover", 100)
	stop()
	// What agents left to run out by itself: as if many had.
	for _, s := range st {
		k, _ := key(900)
		if _, err := s.(backends.Tombstoner).Bury(ctx, k, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	done, err := c.Complete(ctx, nil)
	do("complete", err)
	for side, s := range map[string]backends.Store{"old": st[0], "new": st[1]} {
		own, sessions := ownNames(t, s)
		for _, kind := range own {
			if kind != "epoch" && kind != "agent" { // agents run, and write them again
				t.Errorf("complete leaves %q in %s", own, side)
			}
		}
		if !slices.Contains(own, "epoch") {
			t.Errorf("%s has lost its epoch while agents run", side)
		}
		if sessions < realSessions {
			t.Errorf("complete leaves %d sessions in %s", sessions, side)
		}
	}
	if done.Removed < 2 {
		t.Errorf("it removed %d keys", done.Removed)
	}
	for _, a := range r.agents {
		a.stop(true)
	}
	r.until("all agents to have signed off", func() bool {
		return !slices.ContainsFunc(r.names(), func(n string) bool { return !strings.HasSuffix(n, "(away)") })
	})
	_, err = c.Complete(ctx, nil)
	do("complete once more", err)
	for side, s := range map[string]backends.Store{"old": st[0], "new": st[1]} {
		if own, sessions := ownNames(t, s); len(own) > 0 || sessions < realSessions {
			t.Errorf("with no agent complete leaves %q and %d sessions in %s", own, sessions, side)
		}
	}
}

// ownNames are the kinds of our own keys that a store holds, and how many sessions.
func ownNames(t *testing.T, s backends.Store) (own []string, sessions int) {
	t.Helper()
	seen := map[string]bool{}
	err := s.(backends.Scanner).Scan(t.Context(), "", func(names []string) error {
		for _, n := range names {
			if rest, ok := strings.CutPrefix(n, "crossfade:"+name+":"); ok {
				kind, _, _ := strings.Cut(rest, ":")
				own = append(own, kind)
			} else if !seen[n] && !strings.Contains(n, "5e55c0de") {
				seen[n] = true
				sessions++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return own, sessions
}

func realStores(t *testing.T, from string) (st [2]backends.Store) {
	t.Helper()
	server := func(s *localserver.Server, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
		return s.Addr()
	}
	if from != "mariadb" {
		st[0] = memcached.New(server(localserver.Memcached(t.Context(), localserver.Options{})), memcached.Options{Migration: name})
	}
	if from != "memcached" {
		open := func(addr string) *mysql.Store {
			s, err := mysql.New(mysql.Options{Hosts: []string{addr}, Database: "app", User: "root", Migration: name, DialTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		blank := open("127.0.0.1:1")
		one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
		ddl := []string{"CREATE DATABASE app", one(blank.DDL()), one(blank.PlainDDL())}
		blank.Close()
		rows := open(server(localserver.MariaDB(t.Context(), localserver.Options{}, ddl...)))
		if from == "hybrid" {
			st[0] = hybrid.New(st[0].(*memcached.Store), rows, hybrid.Options{Migration: name})
		} else {
			st[0] = rows
		}
	}
	st[1] = redis.New(redis.Options{Addr: server(localserver.Redis(t.Context(), localserver.Options{})), Migration: name})
	t.Cleanup(func() {
		if err := errors.Join(st[0].Close(), st[1].Close()); err != nil {
			t.Error(err)
		}
	})
	return st
}
