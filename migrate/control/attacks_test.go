package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/access"
)

// asked is the last line that POST /v1/do and its like answer with.
func (b *browser) asked(path string, body any) (l Line) {
	b.s.t.Helper()
	_, said, _ := b.ask("POST", path, body)
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &l); err != nil {
		b.s.t.Fatalf("%s: %s", path, said)
	}
	return l
}

// TestNonsense: numbers that no verb could mean are refused before they are a
// goal. A verification of a share below zero would look at nothing, and open
// read-new; a million workers would end this server, and the next one.
func TestNonsense(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.fill(20)
	r.ramp("mirror", 100)
	if _, err := r.client().Backfill(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	b := &browser{s: &staffed{rig: r}}
	was, _ := r.client().Overview(t.Context())
	for _, tt := range [][2]string{
		{"verify", `{"sample":-1}`}, {"verify", `{"sample":2}`}, {"backfill", `{"pace":{"workers":-1}}`}, {"backfill", `{"pace":{"workers":1000000000}}`},
		{"verify", `{"pace":{"rate":-5}}`}, {"verify", `{"pace":{"rate":1e-300}}`}, {"repair", `{"repair":{"max":-1}}`}, {"ramp", `{"stage":"cutover","buckets":100,"agents":["web-1"]}`},
	} {
		q := Ask{Verb: tt[0], Args: json.RawMessage(tt[1])}
		for _, path := range []string{"/v1/plan", "/v1/do"} {
			if l := b.asked(path, q); l.Failure == nil || !strings.Contains(l.Failure.Text, "accepted") {
				t.Errorf("%s: %s %s: %+v, want what is accepted", path, tt[0], tt[1], l.Failure)
			}
		}
	}
	if now, _ := r.client().Overview(t.Context()); now.Goal == nil || now.Goal.ID != was.Goal.ID {
		t.Errorf("it became a goal: %+v", now.Goal)
	}
	if l := b.asked("/v1/do", Ask{Verb: "ramp", Args: json.RawMessage(`{"stage":"read-new","buckets":100}`)}); l.Failure == nil || l.Failure.Refusal == nil || l.Failure.Refusal.Gate != migrate.GateVerified {
		t.Errorf("read-new is open: %+v", l.Failure)
	}
	if l := b.asked("/v1/jobs/backfill", Wish{Wish: "explode"}); l.Failure == nil || !strings.Contains(l.Failure.Text, "accepted are hold, release and cancel") {
		t.Errorf("a wish that is none: %+v", l.Failure)
	}
}

// TestOneLine: what people say of themselves is one line, of some length, for the
// log, the page and terminals.
func TestOneLine(t *testing.T) {
	for said, want := range map[string]string{"black friday": "black friday", " a\r\nb\tc ": "a  b c", "x\x1b[2Jy": "x [2Jy", "a\u202eb\u2028c": "a b c", "bad\xffutf": "badutf", "größe — 5 %": "größe — 5 %"} {
		if got := oneLine(said, 40); got != want {
			t.Errorf("%q becomes %q, want %q", said, got, want)
		}
	}
	s := newStaffed(t)
	fleet := &browser{s: s, bearer: fleetToken}
	fleet.ask("POST", "/v1/hold", Order{Actor: actor("mallory\nada\x1b[31m", strings.Repeat("é", 20_000)+"\n2026-01-01 released by ada")})
	p, err := s.servers[0].loadPlace(t.Context())
	if err != nil || p.Held == nil {
		t.Fatalf("nobody holds: %v", err)
	}
	if p.Held.By != "mallory ada [31m" || len(p.Held.Why) > whyMost+3 || !strings.HasSuffix(p.Held.Why, "é…") {
		t.Errorf("held by %q: %d bytes, ending in %q", p.Held.By, len(p.Held.Why), p.Held.Why[len(p.Held.Why)-9:])
	}
	long := Goal{Verb: "rollback", Args: json.RawMessage(`{"to":"` + strings.Repeat("a", 9000) + `\n"}`)}
	if got := long.words(); len(got) > whoMost+3 {
		t.Errorf("a goal of %d bytes in words", len(got))
	}
}

// TestAskingCostsNothing: names of agents that there are not are kept nowhere.
func TestAskingCostsNothing(t *testing.T) {
	s := newStaffed(t)
	vic := s.in("vic")
	for i := range 200 {
		args, _ := json.Marshal(verbArgs{Name: fmt.Sprint("nobody-", i)})
		if l := vic.asked("/v1/plan", Ask{Verb: "forget", Args: args}); l.Failure != nil || !strings.Contains(string(l.Result), "no agent") {
			t.Fatalf("got %s %+v", l.Result, l.Failure)
		}
	}
	ro := s.servers[0].roster
	ro.mu.Lock()
	defer ro.mu.Unlock()
	if len(ro.clients) != 0 {
		t.Errorf("%d clients of agents that there are not", len(ro.clients))
	}
}

// TestLeavingCostsNothing: of an agent that has gone nothing is kept but its place in
// the roster: hosts with a name of their own come and go for years.
func TestLeavingCostsNothing(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 10) // it was asked
	r.agents["web-1"].leave()
	ro := r.servers[0].roster
	left := func() (tunnels, clients int) {
		ro.mu.Lock()
		defer ro.mu.Unlock()
		return len(ro.tunnels), len(ro.clients)
	}
	r.until("the connection to be gone", func() bool { n, _ := left(); return n == 0 })
	if _, n := left(); n != 0 {
		t.Errorf("%d clients of agents that are gone", n)
	}
}

// TestJoinsWithoutArguments: who asks again for what runs joins it, however they
// leave out what they do not say.
func TestJoinsWithoutArguments(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"", "{}", true}, {"", "", true}, {"null", "{\n}", true}, {`{"to":"off"}`, "", false}, {`{"to": "off"}`, "{\n\"to\":\"off\"}", true}} {
		if got := sameArgs(json.RawMessage(tt.a), json.RawMessage(tt.b)); got != tt.want {
			t.Errorf("%q and %q are the same: %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestOneScan: the stores are gone through for one who only wants to know, however
// many ask.
func TestOneScan(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	s := r.servers[0]
	s.scan <- struct{}{} // somebody else's
	answered := make(chan string, 2)
	for _, q := range []func() (*http.Response, error){
		func() (*http.Response, error) { return http.Get(s.http.URL + "/v1/complete") },
		func() (*http.Response, error) {
			return http.Post(s.http.URL+"/v1/plan", "", strings.NewReader(`{"verb":"complete"}`))
		},
	} {
		go func() {
			p, err := q()
			if err != nil {
				answered <- err.Error()
				return
			}
			defer p.Body.Close()
			b, _ := io.ReadAll(p.Body)
			answered <- p.Status + string(b)
		}()
	}
	select {
	case said := <-answered:
		t.Errorf("it was gone through beside the other: %s", said)
	case <-time.After(2 * time.Second): // it takes one
	}
	<-s.scan
	for range 2 {
		select {
		case said := <-answered:
			if !strings.HasPrefix(said, "200") || !strings.Contains(said, "not all sessions are in cutover") {
				t.Errorf("got %s", said)
			}
		case <-time.After(time.Minute):
			t.Fatal("nobody is answered")
		}
	}
}

// TestRevokedToken: a stream that was asked for by a token ends with that token.
func TestRevokedToken(t *testing.T) {
	s := newStaffed(t)
	q, _ := http.NewRequestWithContext(t.Context(), "GET", s.servers[0].http.URL+"/v1/events", nil)
	q.Header.Set("Authorization", "Bearer "+s.tokens["vic"])
	x := readStream(t, q)
	x.next("status", nil)
	if err := access.EditRoll(s.path, func(r *access.Roll) error { r.Find("vic").RevokeToken("test"); return nil }); err != nil {
		t.Fatal(err)
	}
	s.ahead.Store(int64(time.Second))
	x.next("signed-out", nil)
	x.ended()
}

// TestDeposedInTheMiddle: who asked a server that leads no more is told so, and
// what was asked for stands in the book for the next.
func TestDeposedInTheMiddle(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 10)
	r.agents["web-1"].stop(false) // killed: the next step waits for it
	said := make(chan Line, 1)
	go func() {
		b := &browser{s: &staffed{rig: r}}
		said <- b.asked("/v1/do", Ask{Verb: "ramp", Args: json.RawMessage(`{"stage":"mirror","buckets":3000}`)})
	}()
	r.until("the ramp to wait", func() bool { return r.servers[0].current() != nil })
	r.servers[0].stop()
	select {
	case l := <-said:
		if l.Failure == nil || !l.Failure.NotLeader || !strings.Contains(l.Failure.Text, "ramp mirror 30 was stopped") {
			t.Errorf("got %+v", l.Failure)
		}
	case <-time.After(time.Minute):
		t.Fatal("who asked hears nothing")
	}
	if l := (&browser{s: &staffed{rig: r}}).asked("/v1/hold", Order{}); l.Failure == nil || !l.Failure.NotLeader {
		t.Errorf("a hold after it: %+v, want to be sent to who leads", l.Failure)
	}
	g, err := r.servers[0].loadGoal(t.Context())
	if err != nil || g == nil || g.Ended != nil || g.words() != "ramp mirror 30" {
		t.Errorf("the book has %+v (%v), want the ramp, not ended", g, err)
	}
}
