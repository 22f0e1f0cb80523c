package control

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// dry asks for a dry run.
func (r *rig) dry(verb, args string) migrate.Plan {
	r.t.Helper()
	b := &browser{s: &staffed{rig: r}}
	code, said, _ := b.ask("POST", "/v1/plan", Ask{Verb: verb, Args: json.RawMessage(args)})
	var l Line
	var p migrate.Plan
	if err := json.Unmarshal(said, &l); err != nil || code != 200 || l.Failure != nil || json.Unmarshal(l.Result, &p) != nil {
		r.t.Fatalf("dry run of %s %s: %d %s", verb, args, code, said)
	}
	if strings.Contains(string(said), `"revisions":null`) || strings.Contains(string(said), `"taking_it_back":null`) {
		r.t.Errorf("dry run of %s: %s", verb, said)
	}
	return p
}

// TestDryRuns: every verb says what it would do and what taking it back costs,
// does nothing, and says what would refuse it now.
func TestDryRuns(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.fill(20)
	r.ramp("mirror", 100)
	before, err := r.client().Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.until("a look at the plan", func() bool { return r.servers[0].planner.last() != nil })
	hash := r.hasher.SumString("s1").String()
	seen := map[string]bool{"hold": true, "release": true}
	for _, tt := range []struct {
		verb, args string
		text       string // in what it says, or in a revision
		refused    string // empty: it would go on
	}{
		{"ramp", `{"stage":"mirror","buckets":500}`, "from mirror to off", ""},
		{"ramp", `{"stage":"mirror","buckets":500,"agents":["web-1"]}`, "mirror on web-1 alone", ""},
		{"rollback", `{"to":"off"}`, "from mirror to off", ""},
		{"advance", `{"step":0}`, "of the plan", ""},
		{"backfill", `{}`, "from mirror to fenced", ""},
		{"verify", `{"sample":0.05}`, "5 % of the sessions", "not every session is fenced"},
		{"repair", `{"repair":{"max":7,"yes":true}}`, "at most 7 sessions", ""},
		{"repair-undo", `{"name":"x"}`, "put back", ""},
		{"pin", `{"hash":"` + hash + `","position":"off"}`, "session " + hash + " from mirror to off", ""},
		{"pin", `{"hash":"` + hash + `","position":"cutover"}`, "", "made for cohorts"},
		{"unpin", `{"hash":"` + hash + `"}`, "", ""},
		{"forget", `{"name":"web-1"}`, "web-1 is taken off", "agent web-1 answers"},
		{"forget", `{"name":"web-9"}`, "web-9", "no agent"},
		{"observe", `{"seconds":1}`, "watch", ""},
		{"hold", `{}`, "no ramp goes up", ""},
		{"release", `{}`, "may go up", "nobody holds"},
		{"declare-down", `{"store":"old"}`, "new grants the locks", "no session is in read-new"},
		{"recover", `{"store":"old"}`, "both stores are written", ""},
		{"job", `{"job":"backfill","wish":"cancel"}`, "", "no backfill is running"},
		{"complete", `{}`, "going back", "not all sessions are in cutover"},
	} {
		seen[tt.verb] = true
		p := r.dry(tt.verb, tt.args)
		text := p.Text
		for _, v := range p.Revisions {
			text += "; " + v.Text
		}
		if !strings.Contains(text, tt.text) || !strings.Contains(p.Refused, tt.refused) || (tt.refused == "") != (p.Refused == "") && tt.verb != "advance" {
			t.Errorf("%s %s: %q, refused %q, want %q and %q", tt.verb, tt.args, text, p.Refused, tt.text, tt.refused)
		}
		if len(p.Back) == 0 && p.Refused == "" || p.State == "" {
			t.Errorf("%s: it does not say what taking it back costs, or where it is: %+v", tt.verb, p)
		}
	}
	for verb := range verbs {
		if !seen[verb] {
			t.Errorf("%s has no dry run", verb)
		}
	}
	after, err := r.client().Overview(t.Context())
	if err != nil || after.Epoch != before.Epoch || after.State != before.State || after.Plan.Held != nil || len(after.Members) != 1 {
		t.Errorf("a dry run did something: %+v (%v)", after, err)
	}
	if err := r.client().Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	for verb, args := range map[string]string{"ramp": `{"stage":"read-new","buckets":1}`, "hold": `{}`} {
		if p := r.dry(verb, args); !strings.Contains(p.Refused, "held") && !strings.Contains(p.Refused, "verif") {
			t.Errorf("%s while somebody holds: refused %q", verb, p.Refused)
		}
	}
	if p := r.dry("pin", `{"hash":"`+hash+`","position":"fenced"}`); !strings.Contains(p.Refused, "held by me") {
		t.Errorf("a pin further while somebody holds: refused %q", p.Refused)
	}
	if p := r.dry("pin", `{"hash":"`+hash+`","position":"off"}`); p.Refused != "" {
		t.Errorf("a pin back while somebody holds: refused %q", p.Refused)
	}
}

// TestPinVerbs: by whoever asks the server, held as a ramp is, and in the log.
func TestPinVerbs(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 100)
	c := r.client()
	h := r.hasher.SumString("s1")
	if _, err := c.Pin(t.Context(), h, position.Off, nil); err != nil {
		t.Fatal(err)
	}
	o, err := c.Overview(t.Context())
	if err != nil || len(o.Pins) != 1 || o.Pins[0].Hash != h.String() || o.Pins[0].Position != position.Off {
		t.Fatalf("the status has %+v (%v)", o.Pins, err)
	}
	if err := c.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Unpin(t.Context(), h, nil); err == nil || !strings.Contains(err.Error(), GateHeld) {
		t.Errorf("unpin to mirror while somebody holds: %v", err)
	}
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Unpin(t.Context(), h, nil); err != nil {
		t.Fatal(err)
	}
	log, err := c.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"pin", "unpin"} {
		if !slices.ContainsFunc(log.Entries, func(e audit.Entry) bool { return e.Verb == verb && e.Outcome == "done" && e.Who == "me" }) {
			t.Errorf("the log has no %s", verb)
		}
	}
}
