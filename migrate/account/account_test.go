package account

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

func TestAccount(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	args := json.RawMessage(`{"stage":"mirror","buckets":100}`)
	es := []audit.Entry{
		{At: at, Who: "ada", Why: "a | b", Verb: "ramp", Args: args, Goal: "g1", Outcome: audit.Asked},
		{At: at.Add(time.Second), Who: "ada", Verb: migrate.RevisionVerb, Epoch: 2, Text: "1 % of the sessions from off to mirror", Back: []string{"nothing"}, Outcome: audit.Published},
		{At: at.Add(2 * time.Second), Who: "ada", Verb: "ramp", Args: args, Goal: "g1", Outcome: audit.Asked}, // another server went on
		{At: at.Add(3 * time.Second), Who: "ada", Verb: "ramp", Args: args, Goal: "g1", Outcome: audit.Done},
		{At: at.Add(4 * time.Second), Who: "plan", Verb: "hold", Outcome: "held by plan: gate errors: 5 %"},
		{At: at.Add(4 * time.Second), Who: "bob", Verb: "sign-in", Outcome: "done"}, // moves nothing
		{At: at.Add(5 * time.Second), Who: "bob", Verb: "backfill", Outcome: "refused"},
		{At: at.Add(9 * time.Second), Who: "bob", Verb: migrate.RevisionVerb, Epoch: 3, Text: "back", Outcome: audit.Published},
		{At: at.Add(10 * time.Second), Who: "bob", Verb: "verify", Goal: "g2", Outcome: audit.Asked},
	}
	fault := func(id, store, what, outcome string, second int, agents ...string) audit.Entry {
		data, _ := json.Marshal(migrate.Fault{ID: id, Store: store, What: what, Agents: agents, Of: 2})
		return audit.Entry{At: at.Add(time.Duration(second) * time.Second), Verb: migrate.FaultVerb, Args: data, Outcome: outcome}
	}
	es = append(es,
		fault("f1", "new", migrate.FaultDown, migrate.FaultSeen, 11, "web-1"),
		fault("f2", "new", migrate.FaultFailover, migrate.FaultSeen, 12, "web-1", "web-2"),
		fault("f1", "new", migrate.FaultDown, "over after 9s", 20, "web-1", "web-2"),
		fault("f3", "old", migrate.FaultDown, "over after 3s", 21, "web-2"), // it began under a leader that died first
		audit.Entry{At: at.Add(22 * time.Second), Who: "bob", Verb: "hold", Outcome: "refused by gate held"},
		audit.Entry{At: at.Add(23 * time.Second), Who: "bob", Verb: "release", Outcome: "released: held by plan"},
		audit.Entry{At: at.Add(24 * time.Second), Who: "bob", Verb: "hold", Outcome: "held by bob: 'lunch'"},
		audit.Entry{At: at.Add(25 * time.Second), Who: "bob", Verb: "ramp", Args: args, Goal: "g3", Outcome: audit.Asked, Gates: []audit.Gate{{Gate: "errors", State: "pass", Text: "0 | 0"}, {Gate: "soak", State: "fail", Text: "3m left"}}},
		audit.Entry{At: at.Add(26 * time.Second), Who: "bob", Verb: "ramp", Args: args, Goal: "g3", Outcome: audit.Done})
	o := migrate.Overview{Migration: "m", State: "mirror 1 %, off 99 %", Why: "soak", Mirror: 100, Copies: map[string]map[string]int64{"backfill": {"sessions": 7, "copied": 5, "value": 2}}}
	a := Of(o, es, audit.Checked{Entries: 8, Sum: "abc"}, at.Add(20*time.Second))
	if len(a.Asked) != 8 || a.Asked[0].Ended != audit.Done || a.Asked[0].Took != 3*time.Second || a.Asked[3].Ended != audit.Asked {
		t.Errorf("asked: %+v", a.Asked)
	}
	if len(a.Revisions) != 2 || a.Revisions[0].Stood != 8*time.Second || a.Revisions[1].Stood != 11*time.Second {
		t.Errorf("revisions: %+v", a.Revisions)
	}
	if len(a.Holds) != 2 || a.Holds[0].Until == nil || !a.Holds[0].Until.Equal(at.Add(23*time.Second)) || a.Holds[1].Until != nil {
		t.Errorf("holds: %+v", a.Holds)
	}
	if len(a.Faults) != 3 || a.Faults[0].Ended != "over after 9s" || len(a.Faults[0].Agents) != 2 || a.Faults[1].Ended != "" || a.Faults[2].Ended != "over after 3s" {
		t.Errorf("faults: %+v", a.Faults)
	}
	if x := a.Asked[7]; x.Ended != audit.Done || len(x.Gates) != 2 {
		t.Errorf("the step with gates: %+v", x)
	}
	if data, err := json.Marshal(a); err != nil || !strings.Contains(string(data), `"faults":[{"id":"f1","store":"new","what":"down","agents":["web-1","web-2"],"of":2,"at":"2026-01-02T03:04:16Z","ended":"over after 9s"}`) {
		t.Errorf("in JSON: %s %v", data, err)
	}
	text := a.Markdown()
	for _, want := range []string{"| at least mirror | 1 % |", "Backfill: 7 sessions, 5 copied", "- value: 2", `a \| b`, "held by plan: gate errors: 5 %", "| bob | backfill |  | refused |", "| 2 | 2026-01-02 03:04:06 | ada | 1 % of the sessions from off to mirror | 8s | nothing |", "sum `abc`",
		`| errors | pass | 0 \| 0 |`, "| soak | fail | 3m left |", "| 2026-01-02 03:04:29 | it stands | held by bob: 'lunch' |", "| 2026-01-02 03:04:09 | 2026-01-02 03:04:28 | held by plan: gate errors: 5 % |",
		"| 2026-01-02 03:04:16 | new | given up by all agents (breaker) | web-1, web-2 of 2 agents | over after 9s |", "another server answers in its place (failover) | web-1, web-2 of 2 agents |  |"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
