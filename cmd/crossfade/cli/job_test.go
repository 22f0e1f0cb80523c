package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/migrate"
)

// TestJobVerbs is a real run on real servers: a backfill is held, looked at,
// released and cancelled from other processes, then runs to its end; a
// verification, one of a sample, a repair and its undo follow.
func TestJobVerbs(t *testing.T) {
	ctx := t.Context()
	mc, err := localserver.Memcached(ctx, localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rd, err := localserver.Redis(ctx, localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	older, newer := memcached.New(mc.Addr(), memcached.Options{Migration: "m"}), redis.New(redis.Options{Addr: rd.Addr(), Migration: "m", KeepFlags: false})
	t.Cleanup(func() { older.Close(); newer.Close(); mc.Stop(); rd.Stop() })
	h := newHostOn(t, fmt.Sprintf(`{memcached: {servers: [%q]}}`, mc.Addr()), fmt.Sprintf(`{redis: {addrs: [%q]}}`, rd.Addr()), older, newer)
	const n = 2000
	ends := time.Now().Add(time.Hour)
	for i := range n {
		if err := older.Set(ctx, backends.Session{Key: backends.Key{Name: fmt.Sprintf("memc.sess.key.s%d", i)}, Data: []byte("data"), Deadline: ends}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(code int, text string, args ...string) string {
		t.Helper()
		got, out, errOut := h.run("", args...)
		if got != code || !strings.Contains(out+errOut, text) {
			t.Fatalf("crossfade %s: exit code %d, want %d and %q:\n%s%s", strings.Join(args, " "), got, code, text, out, errOut)
		}
		return out
	}
	want(Failed, "no backfill has been run yet", "backfill", "status")
	want(Refused, "no backfill is running", "backfill", "hold")
	want(Done, "now it would be refused: migrate: refused by gate copier: no backfill is running", "backfill", "hold", "--dry-run")
	want(Done, "read every session of old", "backfill", "start", "--dry-run")
	want(Usage, "accepted is a percentage", "verify", "--sample", "5", "--dry-run")
	want(Done, "no session is in read-new", "declare-down", "old", "--dry-run")
	want(Done, "both stores are written", "recover", "old", "--dry-run")
	want(Usage, "not negative", "backfill", "--rate", "-1")
	want(Usage, "not negative", "backfill", "start", "--rate", "-1")
	want(Usage, "accepted is a percentage", "verify", "--sample", "5")
	want(Done, "", "ramp", "mirror", "100")
	state := func() (s migrate.JobState) {
		t.Helper()
		if err := json.Unmarshal([]byte(want(Done, "", "backfill", "status", "--json")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	until := func(what string, ok func(migrate.JobState) bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !ok(state()); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not %s: %+v", what, state())
			}
		}
	}
	type ended struct {
		code int
		text string
	}
	run := func(args ...string) chan ended {
		c := make(chan ended, 1)
		go func() {
			code, out, errOut := h.run("", args...)
			c <- ended{code, out + errOut}
		}()
		return c
	}
	first := run("backfill", "start", "--rate", "100", "--workers", "1", "--full-speed")
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if _, out, _ := h.run("", "backfill", "status", "--json"); strings.Contains(out, `"done": `) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the backfill does not begin")
		}
	}
	until("copying", func(s migrate.JobState) bool { return s.Live() && s.Progress.Done > 0 })
	want(Refused, "backfill is running", "verify")
	want(Done, "then: the backfill stands still within a second", "backfill", "hold", "--dry-run")
	want(Done, "", "backfill", "hold")
	until("held", func(s migrate.JobState) bool { return s.Held })
	want(Done, "held, at", "backfill", "status")
	// What workers had in hand is done in its time; then nothing more.
	at := state().Progress.Done
	for end := time.Now().Add(30 * time.Second); ; {
		time.Sleep(700 * time.Millisecond)
		now := state().Progress.Done
		if now == at && at > 0 && at < n {
			break
		}
		if now >= n || time.Now().After(end) {
			t.Fatalf("held at %d, then at %d of %d", at, now, n)
		}
		at = now
	}
	want(Done, "", "backfill", "release")
	until("going on", func(s migrate.JobState) bool { return s.Progress.Done > at })
	if s := state(); s.Progress.Rate > 300 {
		t.Errorf("%.0f sessions a second, --rate says 100", s.Progress.Rate)
	}
	want(Done, "", "backfill", "cancel")
	if e := <-first; e.code != Failed || !strings.Contains(e.text, "cancelled") {
		t.Errorf("cancelled: exit code %d:\n%s", e.code, e.text)
	}
	want(Done, "2000 sessions", "backfill", "start")
	want(Done, "ended", "backfill", "status")
	want(Done, "It opens no gate", "verify", "--sample", "20%")
	want(Refused, "run crossfade verify without --sample", "ramp", "read-new", "1")
	want(Done, "2000 the same", "verify", "start")
	if err := newer.Set(ctx, backends.Session{Key: backends.Key{Name: "PHPREDIS_SESSION:s1"}, Data: []byte("stale"), Deadline: ends}); err != nil {
		t.Fatal(err)
	}
	want(Done, "value: 1: overwritten", "repair")
	want(Usage, "without --yes", "repair", "--undo", "x")
	out := want(Done, "repaired: 1 written", "repair", "--yes")
	_, file, _ := strings.Cut(strings.TrimSpace(out), "repair undo ")
	want(Done, "1 of 1 sessions", "repair", "undo", file)
	want(Refused, "a repair was taken back", "ramp", "read-new", "1")
	want(Done, "value: 1", "verify")

	// Whatever was asked for is in the log, with who did.
	want(Refused, "no agent", "ramp", "mirror", "1", "--agents", "nobody")
	want(Refused, "not all sessions are in cutover", "complete")
	log := strings.Split(want(Done, "", "audit"), "\n")
	for _, asked := range []string{`ramp {"stage":"mirror","buckets":10000}`, `ramp {"agents":["nobody"]`, "backfill", `job {"job":"backfill","wish":"hold"}`,
		`job {"job":"backfill","wish":"cancel"}`, "verify", `verify {"sample":0.2}`, `repair {"repair":{"max":1000,"yes":true}}`, `repair-undo {"name":"repair-`, "complete"} {
		if !slices.ContainsFunc(log, func(line string) bool { return strings.Contains(line, login()+" ") && strings.Contains(line, asked) }) {
			t.Errorf("%s is not in the log:\n%s", asked, strings.Join(log, "\n"))
		}
	}
}

// TestBar: one line a phase on a terminal, drawn again; what is printed after it
// begins a line of its own.
func TestBar(t *testing.T) {
	var out bytes.Buffer
	b := &bar{out: &out}
	b.draw(migrate.Progress{Phase: "backfill", Done: 0, Total: 400})
	b.draw(migrate.Progress{Phase: "backfill", Done: 100, Total: 400, Rate: 50, ETA: 6 * time.Second})
	b.draw(migrate.Progress{Phase: "waiting"})
	b.draw(migrate.Progress{Phase: "verify", Done: 500, Total: 400})
	b.end()
	b.end()
	want := "\r[------------------------] backfill: 0 of 400 (0 %)\x1b[K" +
		"\r[######------------------] backfill: 100 of 400 (25 %), 50 a second, 6s left\x1b[K\n" +
		"\rwaiting\x1b[K\n" +
		"\r[########################] verify: 500 of 400 (125 %)\x1b[K\n"
	if out.String() != want {
		t.Errorf("got\n%q, want\n%q", out.String(), want)
	}
	a := &app{in: nil, out: &out, err: &out}
	a.progress()
	if a.bar != nil || isTerminal(&out) {
		t.Error("a buffer is no terminal")
	}
	(&bar{}).end()
	(*bar)(nil).end()
}
