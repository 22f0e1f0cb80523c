package metrics

import (
	"flag"
	"io"
	"math"
	"net/http/httptest"
	"os"
	"slices"
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

// values of a label of a metric, all of them.
func values(t *testing.T, metric, label string) []string {
	s := series(metric)
	for _, l := range s.Labels {
		if l.Name == label && len(l.Values) > 0 {
			return l.Values
		}
	}
	t.Fatalf("%s has no closed label %s", metric, label)
	return nil
}

// results that an operation can have: not each can have each.
var results = map[rules.Op][]string{rules.Get: {"hit", "miss", "error"}, rules.Set: {"stored", "error"},
	rules.Touch: {"stored", "missing", "error"}, rules.Delete: {"stored", "missing", "error"},
	rules.Edit: {"stored", "missing", "refused", "error"},
	rules.Add:  {"stored", "exists", "error"}, rules.Lock: {"stored", "refused", "error"}, rules.Unlock: {"stored", "refused", "error"}}

// all makes every series that an agent can have: two frontends, since one more
// is not in the same process.
func all(t *testing.T) *Metrics {
	m := New("sessions", "test")
	for _, frontend := range values(t, "requests_total", "frontend")[:2] {
		for op, rs := range results {
			for _, p := range position.All() {
				for _, r := range rs {
					m.Request(frontend, op, p, r, time.Millisecond)
				}
			}
		}
	}
	for _, side := range []rules.Side{rules.Old, rules.New} {
		for _, c := range values(t, "store_duration_seconds", "class") {
			for _, p := range values(t, "store_duration_seconds", "purpose") {
				m.StoreCall(side, darklaunch.Class(c), darklaunch.Purpose(p), time.Millisecond)
			}
		}
		m.StoreError(side, true)
		m.StoreError(side, false)
		for _, r := range values(t, "repairs_total", "result") {
			m.Repair(side, r)
		}
	}
	for _, r := range values(t, "comparisons_total", "result") {
		m.Comparison(r)
	}
	for _, c := range values(t, "divergences_total", "class") {
		for _, cause := range values(t, "divergences_total", "cause") {
			m.Divergence(c, cause)
		}
	}
	for _, r := range values(t, "fallbacks_total", "reason") {
		m.Fallback(r)
	}
	for _, job := range values(t, "copied_sessions_total", "copy") {
		for _, r := range values(t, "copied_sessions_total", "result") {
			m.Copied(job, r)
		}
	}
	for _, c := range values(t, "unsupported_commands_total", "class") {
		m.Unsupported(c)
	}
	m.MirrorDropped()
	m.LockConflict()
	m.LogDropped()
	f := Fleet{Estimate: 64, Lower: 1, Upper: 300, Agents: map[string]int{"acknowledged": 2}, Gates: map[string]string{},
		Window: math.MaxInt64, Job: "backfill", Progress: 1}
	for _, g := range values(t, "gate_state", "gate") {
		f.Gates[g] = "open"
	}
	m.WatchFleet("sessions", func() (Fleet, bool) { return f, true })
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

// TestCatalogue: what is exported is what the catalogue says, and the other way
// round: names, types, labels and their values.
func TestCatalogue(t *testing.T) {
	families, err := all(t).Gather().Gather()
	if err != nil {
		t.Fatal(err)
	}
	exported := map[string]bool{}
	for _, f := range families {
		exported[f.GetName()] = true
		i := slices.IndexFunc(catalogue, func(s Series) bool { return s.Name == f.GetName() })
		if i < 0 {
			t.Errorf("%s is not in the catalogue", f.GetName())
			continue
		}
		s := catalogue[i]
		if got := strings.ToLower(f.GetType().String()); got != string(s.Type) {
			t.Errorf("%s is a %s, the catalogue says %s", s.Name, got, s.Type)
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "migration" {
					continue
				}
				i := slices.IndexFunc(s.Labels, func(x Label) bool { return x.Name == l.GetName() })
				if i < 0 || len(s.Labels[i].Values) > 0 && !slices.Contains(s.Labels[i].Values, l.GetValue()) {
					t.Errorf("%s has %s=%q, which the catalogue does not know", s.Name, l.GetName(), l.GetValue())
				}
			}
		}
	}
	for _, s := range catalogue {
		if !exported[s.Name] && s.Name != "crossfade_store_connections" && s.Name != "crossfade_parked_connections" { // memory has none
			t.Errorf("%s is in the catalogue and not exported", s.Name)
		}
	}
	out := scrape(all(t))
	for _, want := range []string{`crossfade_ramp_ratio{migration="sessions",stage="mirror"} 0.25`, `crossfade_epoch{migration="sessions"} 7`,
		`crossfade_gate_state{gate="verified",migration="sessions",state="open"} 1`, `crossfade_rollback_window_seconds{migration="sessions"} +Inf`} {
		if !strings.Contains(out, want) {
			t.Errorf("no line %s", want)
		}
	}
}

var update = flag.Bool("update", false, "write docs/metrics.md")

// TestDocs: the page is what the catalogue says.
func TestDocs(t *testing.T) {
	const page = "../../docs/metrics.md"
	if *update {
		if err := os.WriteFile(page, []byte(Docs()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != Docs() {
		t.Errorf("docs/metrics.md is not what the code says (%v): go test ./dashboard/metrics -update", err)
	}
}

// TestReserved: labels that Prometheus gives to every series are not ours to use:
// it would call ours exported_job.
func TestReserved(t *testing.T) {
	for _, s := range catalogue {
		for _, l := range s.Labels {
			if l.Name == "job" || l.Name == "instance" || l.Name == "migration" {
				t.Errorf("%s has a label %s", s.Name, l.Name)
			}
		}
	}
}
