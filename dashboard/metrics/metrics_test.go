package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// all makes every series that an agent can have.
func all(t *testing.T) *Metrics {
	m := New("sessions", "test")
	for _, frontend := range []string{"memcached", "redis"} {
		for _, op := range []rules.Op{rules.Get, rules.Set, rules.Touch, rules.Delete, rules.Add, rules.Lock, rules.Unlock} {
			results := map[rules.Op][]string{rules.Get: {"hit", "miss", "error"}, rules.Set: {"stored", "error"},
				rules.Touch: {"stored", "missing", "error"}, rules.Delete: {"stored", "missing", "error"},
				rules.Add: {"stored", "exists", "error"}, rules.Lock: {"stored", "refused", "error"}, rules.Unlock: {"stored", "refused", "error"}}
			for _, p := range position.All() {
				for _, r := range results[op] {
					m.Request(frontend, op, p, r, time.Millisecond)
				}
			}
		}
	}
	for _, side := range []rules.Side{rules.Old, rules.New} {
		for _, c := range []darklaunch.Class{darklaunch.Read, darklaunch.Write, darklaunch.Touch, darklaunch.Delete, darklaunch.Lock} {
			for _, p := range []darklaunch.Purpose{darklaunch.Request, darklaunch.Mirror, darklaunch.Compare, darklaunch.Copy} {
				m.StoreCall(side, c, p, time.Millisecond)
			}
		}
		m.StoreError(side, true)
		m.StoreError(side, false)
		m.Repair(side, "done")
		m.Repair(side, "left")
	}
	for _, r := range []string{"match", "differ", "race"} {
		m.Comparison(r)
	}
	for _, c := range []string{"missing_new", "missing_old", "value", "flags", "expiry", "old_regressed"} {
		for _, cause := range []string{"before_mirror", "lost_write", "bypass", "evicted", "concurrent", "unknown"} {
			m.Divergence(c, cause)
		}
	}
	for _, r := range []string{"miss", "error", "timeout", "dirty", "marked", "unmarked"} {
		m.Fallback(r)
	}
	m.MirrorDropped()
	m.LockConflict()
	m.LogDropped()
	m.Unsupported("cas")
	set, err := kinds.Compile([]kinds.Kind{{Name: "web", Keys: []string{"sess:{id: [a-z0-9]+}"}}})
	if err != nil {
		t.Fatal(err)
	}
	h, _ := flags.NewHasher(make([]byte, flags.KeySize))
	d := flags.Definition{Migration: "sessions", Epoch: 7, Default: position.Mirror}
	d.Weights[position.Mirror], d.Weights[position.Off] = 2500, 7500
	snap, err := d.Compile()
	if err != nil {
		t.Fatal(err)
	}
	src := flags.NewStatic(snap)
	l, err := darklaunch.New(darklaunch.Options{Migration: "sessions", Kinds: set, Hasher: h, Flags: src, Observer: m,
		Old: darklaunch.Store{Store: memory.New(memory.Options{})}, New: darklaunch.Store{Store: memory.New(memory.Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m.Watch("sessions", l, src)
	return m
}

func scrape(m *Metrics) string {
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	body, _ := io.ReadAll(rec.Result().Body)
	return string(body)
}

// TestSeries: one agent has at most 2,000 series, whatever happens to it, and
// each carries the migration.
func TestSeries(t *testing.T) {
	n := 0
	for _, line := range strings.Split(scrape(all(t)), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		n++
		if !strings.HasPrefix(line, "crossfade_") || !strings.Contains(line, `migration="sessions"`) {
			t.Errorf("not one of ours, or without the migration: %s", line)
		}
	}
	if n > 2000 {
		t.Errorf("%d series, want at most 2,000", n)
	}
	t.Logf("%d series", n)
}

// TestNames: the names that dashboards depend on.
func TestNames(t *testing.T) {
	out := scrape(all(t))
	for _, name := range []string{"requests_total", "request_duration_seconds", "store_duration_seconds", "store_errors_total",
		"breaker_state", "marks", "unknown_calls", "comparisons_total", "divergences_total", "mirror_queue_operations",
		"mirror_queue_bytes", "mirror_lag_seconds", "mirror_dropped_total", "dirty_sessions", "repairs_total", "fallbacks_total",
		"ramp_ratio", "flag_revision", "epoch", "flag_last_contact_timestamp_seconds", "lock_conflicts_total",
		"unsupported_commands_total", "log_dropped_total", "build_info"} {
		if !strings.Contains(out, "# TYPE crossfade_"+name+" ") {
			t.Errorf("crossfade_%s is not exported", name)
		}
	}
	for _, want := range []string{`crossfade_ramp_ratio{migration="sessions",stage="mirror"} 0.25`, `crossfade_epoch{migration="sessions"} 7`} {
		if !strings.Contains(out, want) {
			t.Errorf("no line %s", want)
		}
	}
}
