package consoletest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/dashboard/console"
)

// standin speaks the server's API for what would take a hundred hosts, an hour of
// traffic or a bad day. What it says is what a test sets.
type standin struct {
	url     string
	refuses string // before the page is opened: what GET /v1/me is refused with

	mu       sync.Mutex // guards what follows
	status   map[string]any
	series   map[string][]any
	diverg   []any
	audit    []any
	jobs     map[string]any
	me       map[string]any
	plan     func(verb string) any
	refusal  any           // what any verb comes to
	starting bool          // the stream is answered with 503
	asked    m             // the last of them
	news     chan struct{} // closed when status is another
	brief    bool          // of what is told next: the agents stand
	stop     func()        // it answers no more
}

type m = map[string]any

func newStandin(t testing.TB, agents int) *standin {
	t.Helper()
	return standinOver(t, agents, nil)
}

// standinOver is one that speaks TLS, where c is not nil.
func standinOver(t testing.TB, agents int, c *tls.Config) *standin {
	t.Helper()
	s := &standin{news: make(chan struct{}), series: idleHour(), jobs: m{}, me: m{"name": "ada", "role": "admin", "signed_in": true, "sign_in": true, "migration": "sessions", "version": "v1", "server": "ctl-1"}}
	s.status = overview(agents)
	mux := http.NewServeMux()
	mux.Handle("/", console.New(console.Options{Migration: "sessions", Version: "v1"}))
	mux.HandleFunc("GET /v1/me", func(w http.ResponseWriter, r *http.Request) {
		if s.refuses != "" {
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(m{"error": s.refuses})
			return
		}
		s.say(func(*http.Request) any { return s.me })(w, r)
	})
	mux.HandleFunc("GET /v1/series", s.say(func(*http.Request) any { return m{"every_ms": 2000, "columns": s.series} }))
	mux.HandleFunc("GET /v1/audit", s.say(func(*http.Request) any {
		return m{"entries": s.audit, "checked": m{"entries": len(s.audit), "bad": []string{}}}
	}))
	mux.HandleFunc("GET /v1/divergences", s.say(func(*http.Request) any { return m{"agents": m{"web-1": s.diverg}} }))
	mux.HandleFunc("GET /v1/jobs/{name}", s.say(func(r *http.Request) any {
		if j := s.jobs[r.PathValue("name")]; j != nil {
			return m{"found": true, "state": j}
		}
		return m{"found": false, "state": m{}}
	}))
	mux.HandleFunc("POST /v1/plan", s.say(func(r *http.Request) any {
		var q struct{ Verb string }
		json.NewDecoder(r.Body).Decode(&q)
		return m{"result": s.plan(q.Verb)}
	}))
	mux.HandleFunc("POST /v1/do", s.say(func(r *http.Request) any {
		json.NewDecoder(r.Body).Decode(&s.asked)
		return m{"failure": m{"error": "refused", "refusal": s.refusal}}
	}))
	mux.HandleFunc("GET /v1/events", s.events)
	s.plan = func(string) any { return m{"state": "", "revisions": []any{}, "taking_it_back": []string{"nothing"}} }
	l, err := net.Listen("tcp", backendtest.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	scheme := "http://"
	if c != nil {
		l, scheme = tls.NewListener(l, c), "https://"
	}
	h := &http.Server{Handler: mux}
	done := make(chan struct{})
	go func() { defer close(done); h.Serve(l) }()
	s.stop = func() { h.Close(); <-done }
	t.Cleanup(s.stop)
	s.url = scheme + l.Addr().String() + "/"
	return s
}

func (s *standin) say(what func(*http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(what(r))
	}
}

// set changes what is told, under the lock, and tells it.
func (s *standin) set(change func()) { s.tells(false, change) }

// short tells it without what is long.
func (s *standin) short(change func()) { s.tells(true, change) }

func (s *standin) tells(brief bool, change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.brief = brief
	close(s.news)
	s.news = make(chan struct{})
}

func (s *standin) events(w http.ResponseWriter, r *http.Request) {
	for n := 0; ; n++ {
		s.mu.Lock()
		name, told := "status", s.status
		if s.brief && n > 0 {
			name, told = "now", maps.Clone(s.status)
			delete(told, "agents")
			delete(told, "members")
			delete(told, "pins")
			plan := maps.Clone(told["plan"].(m))
			delete(plan, "steps")
			told["plan"] = plan
		}
		data, _ := json.Marshal(told)
		news, starting := s.news, s.starting
		s.mu.Unlock()
		if starting && n == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		if starting {
			return
		}
		if n == 0 {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "retry: 1000\n\n")
		}
		fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
		http.NewResponseController(w).Flush()
		select {
		case <-news:
		case <-r.Context().Done():
			return
		}
	}
}

// overview is a migration in read-new, with so many agents.
func overview(agents int) map[string]any {
	now := time.Now().UTC()
	as := []any{}
	for i := range agents {
		as = append(as, agent(fmt.Sprintf("web-%02d.fra1", i+1)))
	}
	step := func(text string, soak time.Duration, back string) m {
		return m{"text": text, "soak_ns": soak, "on_failure": back}
	}
	return m{
		"migration": "sessions", "epoch": 19, "state": "read-new 5 %, fenced 95 %", "weights": m{"read-new": 500, "fenced": 9500},
		"mirror": 10000, "read_new": 500, "cutover": 0, "settled": 500, "cutover_floor": 0, "agents": as, "waits": []string{},
		"verified": now.Add(-95 * time.Minute), "why": "soak: 18m12s left of 30m0s", "server": "ctl-1", "leads": true, "members": []any{},
		"would_be_logouts": m{"estimate": 0, "lower": 0, "upper": 234, "followed": 1893, "lost": 0, "unknown": 0, "rate": 64, "idle_known": true, "idle_unresolved": 0, "idle_age_ns": 95 * time.Minute, "silent_agents": 0},
		"goal":             m{"id": "g1", "verb": "ramp", "args": m{"stage": "read-new", "buckets": 500}, "who": "ada", "asked": now.Add(-12 * time.Minute), "ended": now.Add(-11 * time.Minute), "outcome": "done"},
		"plan": m{"steps": []any{
			step("ramp mirror 1", 10*time.Minute, "hold"), step("ramp mirror 10", 10*time.Minute, "hold"), step("ramp mirror 50", 10*time.Minute, "hold"), step("ramp mirror 100", 30*time.Minute, "hold"),
			step("backfill", 0, "hold"), step("verify", 0, "hold"), step("ramp read-new 1", 30*time.Minute, "rollback mirror"), step("ramp read-new 5", 30*time.Minute, "rollback mirror"),
			step("ramp read-new 25", time.Hour, "rollback mirror"), step("ramp read-new 50", time.Hour, "rollback mirror"), step("ramp read-new 100", 24*time.Hour, "hold"),
			step("ramp cutover 1", time.Hour, "hold"), step("ramp cutover 10", time.Hour, "hold"), step("ramp cutover 50", time.Hour, "hold"), step("ramp cutover 100", 168*time.Hour, "hold"),
		}, "done": 8, "auto": false, "ready": false, "why": "soak: 18m12s left of 30m0s", "at": now, "keep_old_ns": 24 * time.Hour, "since": now.Add(-11 * time.Minute),
			"gates": []any{
				m{"gate": "logouts", "state": "pass", "value": 234, "limit": 300, "text": "234 at most (95 %), 0 estimated, from 1893 followed sessions; the limit is 300"},
				m{"gate": "divergence", "state": "pass", "text": "0.0021 % of 47,193 comparisons; the limit is 0.1 %"},
				m{"gate": "p99", "state": "pass", "text": "reads: new 1.2ms, old 1.6ms; writes: new 1.9ms, old 2.3ms; the limit is 1.5 times old's"},
				m{"gate": "errors", "state": "pass", "text": "requests 0 %, new 0.001 %; before the step 0 % and 0.001 %"},
				m{"gate": "timeouts", "state": "pass", "text": "new 0 %; before the step 0 %"},
				m{"gate": "marks", "state": "pass", "text": "0 sessions are marked in old"},
				m{"gate": "synthetic", "state": "pass", "text": "each of 12 agents made a round trip within the last 5s"},
				m{"gate": "fleet", "state": "pass", "text": "every agent has acknowledged"},
				m{"gate": "samples", "state": "pass", "text": "1203944 requests"},
				m{"gate": "soak", "state": "fail", "text": "18m12s left of 30m0s"},
			}},
	}
}

func agent(name string) m {
	return m{"addr": name, "name": name, "acknowledged": true, "status": m{"agent": name, "version": "1.4.0", "digest": "3f9a1c07d2b4e5", "migration": "sessions", "state": "ready",
		"epoch": 19, "acknowledged": true, "dirty_new": 0, "dirty_old": 0, "unknown_old": 0, "unknown_new": 0, "mirror_queued": 0, "mirror_dropped": 0, "marks_standing": 0, "breaker_old": "closed", "breaker_new": "closed", "flags_contact": time.Now()}}
}

var columns = []string{"requests_off", "requests_mirror", "requests_fenced", "requests_read_new", "requests_sealed", "requests_cutover", "requests_back", "requests_failed",
	"old_read_p50", "old_read_p99", "new_read_p50", "new_read_p99", "old_write_p50", "old_write_p99", "new_write_p50", "new_write_p99",
	"divergence_missing_new", "divergence_missing_old", "divergence_value", "divergence_flags", "divergence_expiry", "divergence_old_regressed", "compared", "fallbacks",
	"marks", "mirror_queued", "mirror_lag", "mirror_dropped", "old_errors", "new_errors"}

// idleHour is an hour of points in which nobody asked anything.
func idleHour() map[string][]any {
	return hour(func(string, float64) any { return 0 })
}

// busyHour is an hour of a site: steady, with a ramp in the middle of it.
func busyHour() map[string][]any {
	wave := func(x, a, b, period float64) float64 {
		return a + b*math.Sin(x/period) + b*0.4*math.Sin(x/period*7.3+a)
	}
	share := func(x float64) float64 { // of read-new
		switch {
		case x < 2400:
			return 0
		case x < 2880:
			return 0.01
		}
		return 0.05
	}
	return hour(func(c string, x float64) any {
		total := wave(x, 1840, 60, 400)
		switch c {
		case "requests_fenced":
			return total * (1 - share(x))
		case "requests_read_new":
			return total * share(x)
		case "old_read_p50":
			return wave(x, 0.00061, 0.00003, 90)
		case "old_read_p99":
			return wave(x, 0.0016, 0.0002, 130)
		case "new_read_p50":
			return wave(x, 0.00043, 0.00002, 70)
		case "new_read_p99":
			return wave(x, 0.0012, 0.00012, 110)
		case "old_write_p50":
			return wave(x, 0.00083, 0.00004, 80)
		case "old_write_p99":
			return wave(x, 0.0023, 0.0003, 150)
		case "new_write_p50":
			return wave(x, 0.00066, 0.00003, 60)
		case "new_write_p99":
			return wave(x, 0.0019, 0.0002, 140)
		case "compared":
			return wave(x, 96, 4, 300)
		case "divergence_value":
			if int(x/2)%430 == 0 {
				return 0.5
			}
		case "divergence_expiry":
			if int(x/2)%610 == 7 {
				return 0.5
			}
		case "fallbacks":
			if x > 2400 && int(x/2)%17 == 0 {
				return 0.5
			}
		case "mirror_lag", "mirror_queued":
			if x < 600 {
				return math.Max(0, wave(x, 0.004, 0.003, 40)) * map[bool]float64{true: 1, false: 4000}[c == "mirror_lag"]
			}
		}
		return 0
	})
}

// hour makes columns: what says a value by a column and the second.
func hour(what func(column string, second float64) any) map[string][]any {
	out := map[string][]any{}
	now := time.Now().UnixMilli()
	for i := range 1800 {
		out["t"] = append(out["t"], now-int64(1800-i)*2000)
		for _, c := range columns {
			out[c] = append(out[c], what(c, float64(i)*2))
		}
	}
	return out
}
