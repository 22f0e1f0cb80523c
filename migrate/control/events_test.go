package control

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/migrate"
)

// stream is one reader of GET /v1/events.
type stream struct {
	t      *testing.T
	resp   *http.Response
	events chan event // closed at the end of the stream
	close  func()
}

func openStream(t *testing.T, s *testServer, cookie *http.Cookie) *stream {
	t.Helper()
	q, _ := http.NewRequestWithContext(t.Context(), "GET", s.http.URL+"/v1/events", nil)
	if cookie != nil {
		q.AddCookie(cookie)
	}
	return readStream(t, q)
}

func readStream(t *testing.T, q *http.Request) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(q.Context())
	p, err := http.DefaultClient.Do(q.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	x := &stream{t: t, resp: p, events: make(chan event, 10_000), close: cancel}
	t.Cleanup(func() { cancel(); p.Body.Close() })
	go func() {
		defer close(x.events)
		r := bufio.NewReader(p.Body)
		for e := (event{}); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\n")
			switch {
			case line == "" && e.name != "":
				x.events <- e
				e = event{}
			case strings.HasPrefix(line, "event: "):
				e.name = line[7:]
			case strings.HasPrefix(line, "data: "):
				e.data = []byte(line[6:])
			}
		}
	}()
	return x
}

// next is the next event of that name for which ok; it skips others.
func (x *stream) next(name string, ok func(data []byte) bool) []byte {
	x.t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case e, more := <-x.events:
			if !more {
				x.t.Fatalf("the stream ended before %q came", name)
			}
			if e.name == name && (ok == nil || ok(e.data)) {
				return e.data
			}
		case <-end:
			x.t.Fatalf("no %q came", name)
		}
	}
}

func (x *stream) ended() {
	x.t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case _, more := <-x.events:
			if !more {
				return
			}
		case <-end:
			x.t.Fatal("the stream does not end")
		}
	}
}

// TestEvents: the status at once, again when something changes and not else;
// points that say what agents do; the end of the server ends it.
func TestEvents(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 100)
	x := openStream(t, r.servers[0], nil)
	if ct := x.resp.Header.Get("Content-Type"); ct != "text/event-stream" || x.resp.StatusCode != 200 {
		t.Fatalf("got %d, %s", x.resp.StatusCode, ct)
	}
	var o Overview
	first := x.next("status", nil)
	if err := json.Unmarshal(first, &o); err != nil || o.Migration != name || len(o.Agents) != 1 {
		t.Fatalf("the first says %s (%v)", first, err)
	}
	epoch := o.Epoch
	r.ramp("mirror", 40)
	x.next("status", func(data []byte) bool {
		o = Overview{}
		return json.Unmarshal(data, &o) == nil && o.Epoch > epoch && o.Mirror == 4000
	})

	// Requests of clients move the point's column of their position.
	ref, _ := phpKinds.ResolveString("memc.sess.key.abc")
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			r.agents["web-1"].door.Set(context.Background(), ref, backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Hour)})
			time.Sleep(10 * time.Millisecond)
		}
	}()
	at := map[string]*float64{}
	x.next("point", func(data []byte) bool {
		at = map[string]*float64{}
		if err := json.Unmarshal(data, &at); err != nil {
			t.Fatalf("a point that cannot be read: %s", data)
		}
		return *at["requests_off"]+*at["requests_mirror"] > 0 && at["old_write_p99"] != nil
	})
	close(stop)
	<-done
	if v := at["new_read_p50"]; len(at) != len(columns)+1 || at["t"] == nil || v != nil {
		t.Errorf("a point of %d columns, want %d, and null for reads that nobody made (%v)", len(at)-1, len(columns), v)
	}
	var all Series
	if p, err := http.Get(r.servers[0].http.URL + "/v1/series"); err != nil || json.NewDecoder(p.Body).Decode(&all) != nil {
		t.Fatal(err)
	}
	for _, want := range strings.Fields(`t requests_off requests_mirror requests_fenced requests_read_new requests_sealed requests_cutover requests_back requests_failed
		old_read_p50 old_read_p99 new_read_p50 new_read_p99 old_write_p50 old_write_p99 new_write_p50 new_write_p99
		divergence_missing_new divergence_missing_old divergence_value divergence_flags divergence_expiry divergence_old_regressed
		compared fallbacks marks mirror_queued mirror_lag mirror_dropped old_errors new_errors`) {
		var vs []*float64
		if err := json.Unmarshal(all.Columns[want], &vs); err != nil || len(vs) == 0 {
			t.Errorf("the series lacks %s (%v)", want, err)
		}
	}
	if all.EveryMS != 2000 || len(all.Columns) != len(columns)+1 {
		t.Errorf("every %d ms, %d columns, want 2000 and %d", all.EveryMS, len(all.Columns), len(columns)+1)
	}
	b := &browser{s: &staffed{rig: r}}
	for last, most := range map[string]int{"3": 1, "1": 0} {
		var some Series
		var ts []int64
		if _, said, _ := b.ask("GET", "/v1/series?last="+last, nil); json.Unmarshal(said, &some) != nil || json.Unmarshal(some.Columns["t"], &ts) != nil || len(ts) != most || len(some.Columns) != len(all.Columns) {
			t.Errorf("the last %s s are %d points of %d columns, want %d of all", last, len(ts), len(some.Columns), most)
		}
	}
	if code, _, _ := b.ask("GET", "/v1/series?last=0", nil); code != 400 {
		t.Errorf("the last 0 s: %d, want 400", code)
	}
	r.servers[0].stop() // run ends, the port does not
	x.ended()
	if len(r.servers[0].series.all()) != 0 {
		t.Error("a server that leads no more keeps its hour")
	}
}

// patient is an answer whose deadline somebody looks at.
type patient struct {
	*httptest.ResponseRecorder
	deadline time.Time
	wrote    chan time.Time // the deadline of each write
}

func (p *patient) SetReadDeadline(time.Time) error    { return nil }
func (p *patient) SetWriteDeadline(t time.Time) error { p.deadline = t; return nil }
func (p *patient) Write(b []byte) (int, error) {
	p.wrote <- p.deadline
	return len(b), nil
}

// TestQuietStream: while nothing is written no deadline runs, which would end a
// stream of HTTP/2; while something is, one does.
func TestQuietStream(t *testing.T) {
	w := &patient{ResponseRecorder: httptest.NewRecorder(), wrote: make(chan time.Time, 1)}
	if !sends(w)([]byte("data: {}\n\n")) {
		t.Fatal("nothing is sent")
	}
	if at := <-w.wrote; time.Until(at) <= 0 || time.Until(at) > sendMost {
		t.Errorf("a write may take until %v, want %v at most", at, sendMost)
	}
	if !w.deadline.IsZero() {
		t.Errorf("after it the deadline is %v, want none", w.deadline)
	}
}

// TestSignedOut: a stream says that the sign-in ran out, then ends.
func TestSignedOut(t *testing.T) {
	s := newStaffed(t)
	vic := s.in("vic")
	if x := openStream(t, s.servers[0], nil); x.resp.StatusCode != 401 {
		t.Fatalf("without a sign-in: %d, want 401", x.resp.StatusCode)
	}
	x := openStream(t, s.servers[0], vic.cookie)
	x.next("status", nil)
	s.ahead.Store(int64(31 * time.Minute)) // watching is not working
	x.next("signed-out", nil)
	x.ended()
}

// TestSeriesRing: an hour, the oldest goes.
func TestSeriesRing(t *testing.T) {
	s := newSeries()
	for i := range pointsMost + 5 {
		s.add(point{at: int64(i)})
	}
	ps := s.all()
	if len(ps) != pointsMost || ps[0].at != 5 || ps[len(ps)-1].at != int64(pointsMost+4) {
		t.Errorf("%d points from %d to %d, want %d from 5", len(ps), ps[0].at, ps[len(ps)-1].at, pointsMost)
	}
	s.clear()
	if len(s.all()) != 0 {
		t.Error("it is not empty")
	}
}

// TestRevision: who has looked at another revision than the one in force is told
// both, and nothing is done.
func TestRevision(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 10)
	b := &browser{s: &staffed{rig: r}}
	looked, err := r.client().Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.ramp("mirror", 20) // somebody else
	now, _ := r.client().Overview(t.Context())
	ask := func(path string, body any) *Failure {
		t.Helper()
		_, said, _ := b.ask("POST", path, body)
		lines := strings.Split(strings.TrimSpace(string(said)), "\n")
		var l Line
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &l); err != nil {
			t.Fatalf("%s: %s", path, said)
		}
		return l.Failure
	}
	ramp := func(percent int, revision uint64) Ask {
		args, _ := json.Marshal(verbArgs{Stage: "mirror", Buckets: percent * 100})
		return Ask{Verb: "ramp", Args: args, Revision: revision}
	}
	back, _ := json.Marshal(verbArgs{To: "off"})
	for path, body := range map[string]any{"/v1/do": ramp(30, looked.Epoch), "/v1/hold": Order{Revision: looked.Epoch}, "/v1/auto": Order{On: true, Revision: looked.Epoch},
		"/v1/jobs/backfill": Wish{Wish: "hold", Revision: looked.Epoch}} {
		if f := ask(path, body); f == nil || f.Refusal == nil || f.Refusal.Gate != migrate.GateRevision || !strings.Contains(f.Text, "revision") {
			t.Errorf("%s: got %+v, want a refusal by revision", path, f)
		}
	}
	if f := ask("/v1/do", Ask{Verb: "rollback", Args: back, Revision: looked.Epoch}); f == nil || f.Refusal == nil || f.Refusal.Gate != migrate.GateRevision {
		t.Errorf("rollback: got %+v, want a refusal by revision", f)
	}
	if after, _ := r.client().Overview(t.Context()); after.Epoch != now.Epoch || after.Plan != nil && (after.Plan.Held != nil || after.Plan.Auto) {
		t.Errorf("something was done: revision %d, want %d", after.Epoch, now.Epoch)
	}
	if f := ask("/v1/do", ramp(30, now.Epoch)); f != nil {
		t.Errorf("of the revision in force: %+v", f)
	}
	if f := ask("/v1/do", ramp(40, 0)); f != nil {
		t.Errorf("of any: %+v", f)
	}
	// Two at once, who have looked at the same.
	now, _ = r.client().Overview(t.Context())
	fs := make([]*Failure, 8)
	var wg sync.WaitGroup
	for i := range fs {
		wg.Go(func() { fs[i] = ask("/v1/do", ramp(50+i, now.Epoch)) })
	}
	wg.Wait()
	begun := 0
	for i, f := range fs {
		switch {
		case f == nil:
			begun++
		case f.Refusal == nil || f.Refusal.Gate != migrate.GateRevision && f.Refusal.Gate != GateBusy:
			t.Errorf("the one of %d %%: %+v", 50+i, f)
		}
	}
	if after, _ := r.client().Overview(t.Context()); begun != 1 || after.Epoch != now.Epoch+1 {
		t.Errorf("%d of %d began, and revision %d follows %d, want one", begun, len(fs), after.Epoch, now.Epoch)
	}
}

// TestStaleRollback: a rollback overtakes what runs, but not of a revision that
// is in force no more.
func TestStaleRollback(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 10)
	was, err := r.client().Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.ramp("mirror", 20)
	r.agents["web-1"].stop(false) // killed: the next step waits for it
	go r.client().Ramp(t.Context(), "mirror", 3000, nil)
	r.until("the ramp to wait", func() bool { return r.servers[0].current() != nil })
	// The first line tells: one that goes on waits for the dead agent.
	rollback := func(revision uint64) (line string) {
		raw, _ := json.Marshal(Ask{Verb: "rollback", Args: json.RawMessage(`{"to":"off"}`), Revision: revision})
		p, err := http.Post(r.servers[0].http.URL+"/v1/do", "application/json", strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Body.Close()
		line, _ = bufio.NewReader(p.Body).ReadString('\n')
		return line
	}
	said := rollback(was.Epoch)
	if j := r.servers[0].current(); !strings.Contains(said, `"Gate":"revision"`) || j == nil || j.goal.Verb != "ramp" {
		t.Errorf("got %s, and the ramp runs no more", said)
	}
	now, _ := r.client().Overview(t.Context())
	rollback(now.Epoch)
	r.until("the rollback to overtake it", func() bool { j := r.servers[0].current(); return j != nil && j.goal.Verb == "rollback" })
}
