package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// TestFaults: what is written down of stores that fail, flap and are replaced.
func TestFaults(t *testing.T) {
	type at struct {
		second int
		all    []storesSeen
	}
	agent := func(n, failovers int, open ...string) storesSeen {
		return storesSeen{Agent: fmt.Sprintf("web-%d", n), Start: "s", Open: open, Failovers: int64(failovers)}
	}
	var crowd []storesSeen
	for n := range 9 {
		crowd = append(crowd, agent(n, 0, "new"))
	}
	for _, tt := range []struct {
		name  string
		looks []at
		want  []string // as they come: store what agents of outcome
	}{
		{"all is well", []at{{0, []storesSeen{agent(1, 0), agent(2, 0)}}, {60, []storesSeen{agent(1, 0)}}}, nil},
		{"new is down for one, then for both, and flaps", []at{{0, []storesSeen{agent(1, 0, "new"), agent(2, 0)}}, {1, []storesSeen{agent(1, 0, "new"), agent(2, 0, "new")}},
			{4, []storesSeen{agent(1, 0), agent(2, 0)}}, {9, []storesSeen{agent(1, 0, "new"), agent(2, 0)}}, {12, []storesSeen{agent(1, 0), agent(2, 0)}}, {20, []storesSeen{agent(1, 0), agent(2, 0)}}},
			[]string{"new down web-1,web-2 2 seen", "new down web-1,web-2 2 over after 9s"}},
		{"both stores", []at{{0, []storesSeen{agent(1, 0, "new", "old")}}, {1, []storesSeen{agent(1, 0, "old")}}}, []string{"new down web-1 1 seen", "old down web-1 1 seen"}},
		{"so short that one look saw it", []at{{0, []storesSeen{agent(1, 0, "old")}}, {11, []storesSeen{agent(1, 0)}}}, []string{"old down web-1 1 seen", "old down web-1 1 over after 0s"}},
		{"many agents", []at{{0, crowd}, {1, crowd}}, []string{"new down web-0,web-1,web-2,web-3,web-4,and 4 more 9 seen"}},
		{"a failover, seen by one agent after the other", []at{{0, []storesSeen{agent(1, 0), agent(2, 3)}}, {1, []storesSeen{agent(1, 1), agent(2, 3)}}, {3, []storesSeen{agent(1, 1), agent(2, 4)}}, {7, []storesSeen{agent(1, 1), agent(2, 4)}}},
			[]string{"new failover web-1,web-2 2 seen"}},
		{"an agent that was started anew", []at{{0, []storesSeen{agent(1, 0)}}, {1, []storesSeen{{Agent: "web-1", Start: "t", Failovers: 2}}}, {9, []storesSeen{{Agent: "web-1", Start: "t", Failovers: 2}}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var f faults
			var got []string
			ids := map[string]bool{}
			began := time.Now()
			for _, l := range tt.looks {
				f.look(l.all, began.Add(time.Duration(l.second)*time.Second), func(x migrate.Fault, outcome string) {
					got = append(got, fmt.Sprintf("%s %s %s %d %s", x.Store, x.What, strings.Join(x.Agents, ","), x.Of, outcome))
					ids[x.ID] = true
				})
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") && !sameSet(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if strings.HasPrefix(tt.name, "new is down") && len(ids) != 1 {
				t.Errorf("one fault has %d ids", len(ids))
			}
		})
	}
}

// sameSet: two stores that fail at one moment are told in any order.
func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	n := map[string]int{}
	for i := range a {
		n[a[i]]++
		n[b[i]]--
	}
	for _, c := range n {
		if c != 0 {
			return false
		}
	}
	return true
}

// TestLogForReport: the log has what each gate said when a step was asked for, and
// the faults that were seen.
func TestLogForReport(t *testing.T) {
	p := planOf(t, quickPlan)
	r := newPlanRig(t, 1, func(o *Options) { o.Plan, o.Look = p, 20*time.Millisecond }, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 50)
	r.traffic("web-1")
	r.until("the gates to pass", func() bool { v := r.planned(); return v != nil && v.Ready && v.Done == 1 })
	if _, err := r.client().Advance(t.Context(), 1, nil); err != nil {
		t.Fatal(err)
	}
	r.fault.Store(&memory.Fault{Kind: memory.NotApplied})
	entries := func() []audit.Entry {
		a, err := r.client().Audit(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return a.Entries
	}
	r.until("a fault of new to be in the log", func() bool {
		for _, e := range entries() {
			var f migrate.Fault
			if e.Verb == migrate.FaultVerb && json.Unmarshal(e.Args, &f) == nil && f.Store == "new" && f.What == migrate.FaultDown && f.Of == 1 {
				return true
			}
		}
		return false
	})
	steps := 0
	for _, e := range entries() {
		if e.Verb != "ramp" || e.Outcome != audit.Asked || !strings.Contains(string(e.Args), "10000") {
			if len(e.Gates) > 0 && e.Outcome != audit.Asked {
				t.Errorf("gates stand in an entry of %s, %s, too", e.Verb, e.Outcome)
			}
			continue
		}
		steps++
		said := map[string]string{}
		for _, g := range e.Gates {
			said[g.Gate] = g.State
			if g.Text == "" {
				t.Errorf("gate %s has no numbers", g.Gate)
			}
		}
		if said["soak"] != "pass" || said["errors"] != "pass" || said["fleet"] != "pass" {
			t.Errorf("at the step the gates said %v", said)
		}
	}
	if steps != 1 {
		t.Errorf("%d entries of the step", steps)
	}
}
