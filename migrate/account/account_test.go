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
		{At: at.Add(5 * time.Second), Who: "bob", Verb: "backfill", Outcome: "refused"},
		{At: at.Add(9 * time.Second), Who: "bob", Verb: migrate.RevisionVerb, Epoch: 3, Text: "back", Outcome: audit.Published},
		{At: at.Add(10 * time.Second), Who: "bob", Verb: "verify", Goal: "g2", Outcome: audit.Asked},
	}
	o := migrate.Overview{Migration: "m", State: "mirror 1 %, off 99 %", Why: "soak", Mirror: 100, Copies: map[string]map[string]int64{"backfill": {"sessions": 7, "copied": 5, "value": 2}}}
	a := Of(o, es, audit.Checked{Entries: 8, Sum: "abc"}, at.Add(20*time.Second))
	if len(a.Asked) != 4 || a.Asked[0].Ended != audit.Done || a.Asked[0].Took != 3*time.Second || a.Asked[3].Ended != audit.Asked {
		t.Errorf("asked: %+v", a.Asked)
	}
	if len(a.Revisions) != 2 || a.Revisions[0].Stood != 8*time.Second || a.Revisions[1].Stood != 11*time.Second {
		t.Errorf("revisions: %+v", a.Revisions)
	}
	text := a.Markdown()
	for _, want := range []string{"| at least mirror | 1 % |", "Backfill: 7 sessions, 5 copied", "- value: 2", `a \| b`, "held by plan: gate errors: 5 %", "| bob | backfill |  | refused |", "| 2 | 2026-01-02 03:04:06 | ada | 1 % of the sessions from off to mirror | 8s | nothing |", "sum `abc`"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
