package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// TestEssence: what is long is told again when it says something else, and not
// because clocks and counters run on.
func TestEssence(t *testing.T) {
	look := func() Overview {
		left := 90 * time.Second
		return Overview{Overview: migrate.Overview{Epoch: 7, Why: "soak", Agents: []migrate.AgentView{{Name: "web-1", Acknowledged: true, Status: &agentapi.Status{}}}},
			Plan: &PlanView{At: time.Unix(1, 0), RollbackLeft: &left}, Goal: &Goal{ID: "g"}}
	}
	st := func(o *Overview) *agentapi.Status { return o.Agents[0].Status }
	for name, tt := range map[string]struct {
		change      func(*Overview)
		long, short bool
	}{
		"a clock of an agent": {func(o *Overview) { st(o).Now, st(o).Uptime, st(o).FlagsContact = time.Unix(9, 0), 9, time.Unix(9, 0) }, false, false},
		"the plan's clock":    {func(o *Overview) { o.Plan.At = time.Unix(9, 0); *o.Plan.RollbackLeft -= time.Second }, false, false},
		"what runs through": {func(o *Overview) {
			st(o).Queued, st(o).QueuedBytes, st(o).MirrorLag, st(o).LocksOut, st(o).Older = 3, 900, time.Second, 1, 1
		}, false, false},
		"a first dirty session": {func(o *Overview) { st(o).DirtyNew = 1 }, true, false},
		"a first mark":          {func(o *Overview) { st(o).MarksStanding = 1 }, true, false},
		"a write dropped":       {func(o *Overview) { st(o).Dropped = 1 }, true, false},
		"a breaker":             {func(o *Overview) { st(o).BreakerNew = "open" }, true, false},
		"an agent is gone":      {func(o *Overview) { o.Agents[0].Status = nil }, true, false},
		"a revision":            {func(o *Overview) { o.Epoch++ }, true, true},
		"why it waits":          {func(o *Overview) { o.Why = "soak: 9s" }, false, true},
		"a hold":                {func(o *Overview) { o.Plan.Held = &Hold{By: "ada"} }, false, true},
		"progress":              {func(o *Overview) { o.Doing = &migrate.Progress{Phase: "copy", Done: 4} }, false, true},
		"the end of a goal":     {func(o *Overview) { o.Goal.Outcome = "done" }, true, true},
		"another plan":          {func(o *Overview) { o.Plan.Steps = []StepView{{Text: "backfill"}} }, true, false},
		"a pin":                 {func(o *Overview) { o.Pins = []migrate.PinnedAt{{Hash: "aa"}} }, true, false},
	} {
		was, is := look(), look()
		tt.change(&is)
		if got := essence(was) != essence(is); got != tt.long {
			t.Errorf("%s: the whole is told: %v, want %v", name, got, tt.long)
		}
		if got := !bytes.Equal(brief(calm(was)), brief(calm(is))); got != tt.short {
			t.Errorf("%s: the rest is told: %v, want %v", name, got, tt.short)
		}
	}
	many := look()
	st(&many).DirtyNew = 5
	was := essence(many)
	st(&many).DirtyNew = 6
	if essence(many) != was {
		t.Error("a sixth dirty session has the whole told again")
	}
	if st(&many).DirtyNew != 6 || many.Plan.At.IsZero() {
		t.Error("what is told lost its numbers")
	}
	var now map[string]any
	if err := json.Unmarshal(brief(many), &now); err != nil || now["agents"] != nil || now["members"] != nil || now["epoch"] != 7. || now["why"] != "soak" || now["plan"] == nil {
		t.Errorf("the event now has %v (%v)", now, err)
	}
}

// TestAtRest: a page on a fleet of a hundred agents that does nothing, or soaks,
// is not sent the hundred again and again.
func TestAtRest(t *testing.T) {
	o := Overview{Overview: migrate.Overview{Migration: name, Epoch: 19, Why: "soak: 18m12s left of 30m0s"}, Plan: &PlanView{}}
	for i := range 100 {
		n := fmt.Sprintf("web-%02d.fra1", i)
		o.Agents = append(o.Agents, migrate.AgentView{Addr: n, Name: n, Acknowledged: true, Status: &agentapi.Status{Agent: n, Version: "1.4.0", Digest: "3f9a1c07d2b4e5aa", Migration: name, State: agentapi.Ready,
			Started: time.Now(), Now: time.Now(), Status: darklaunch.Status{Start: "5hkq2rjw7m", Epoch: 19, Acknowledged: true, BreakerOld: "closed", BreakerNew: "closed", FlagsContact: time.Now()}}})
		o.Members = append(o.Members, Member{Name: n, Version: "1.4.0", Start: "5hkq2rjw7m", Joined: time.Now()})
	}
	for range 15 {
		o.Plan.Steps = append(o.Plan.Steps, StepView{Text: "ramp read-new 25", Soak: time.Hour, Back: "rollback mirror"})
	}
	whole, rest := len(marshal(o)), len(brief(o))
	t.Logf("status %d bytes, now %d bytes", whole, rest)
	if rest > whole/40 || bytes.Contains(brief(o), []byte("rollback mirror")) {
		t.Errorf("what changes each second while a step soaks has %d bytes of %d", rest, whole)
	}
}

// TestSlowReader: who does not read is waited for by nobody, and loses events,
// but never the newest status, nor what has changed in it since.
func TestSlowReader(t *testing.T) {
	s := newScreens()
	slow, quick := s.join(""), s.join("")
	for i := range 1000 {
		s.tell(event{"point", []byte{byte(i)}})
		s.now(told{status: []byte{byte(i)}})
		<-quick.rest
		if got := (<-quick.news).status[0]; got != byte(i) {
			t.Fatalf("the quick one reads %d, want %d", got, byte(i))
		}
	}
	s.now(told{now: []byte("1")})
	s.now(told{now: []byte("2")})
	if n := len(slow.rest); n != unreadMost {
		t.Errorf("%d events wait, want %d", n, unreadMost)
	}
	for who, x := range map[string]*screen{"the slow one": slow, "who comes later": s.join("")} {
		es := (<-x.news).events()
		if len(es) != 2 || es[0].name != "status" || es[0].data[0] != byte(999%256) || es[1].name != "now" || string(es[1].data) != "2" {
			t.Errorf("%s is told %q, want the newest status, then what has changed since", who, es)
		}
		s.leave(x)
	}
	if es := (<-quick.news).events(); len(es) != 1 || string(es[0].data) != "2" {
		t.Errorf("the quick one is told %q, want what has changed alone", es)
	}
	s.now(told{now: []byte("3")})
	s.now(told{status: []byte("4")})
	if es := (<-quick.news).events(); len(es) != 1 || string(es[0].data) != "4" {
		t.Errorf("the quick one is told %q, want the status alone: what changed before is in it", es)
	}
	s.leave(quick)
}

// TestStreamsAreBounded: in all, and of one person, who cannot keep others out.
func TestStreamsAreBounded(t *testing.T) {
	s := newScreens()
	count := func(who string) (n int, xs []*screen) {
		for x := s.join(who); x != nil; x = s.join(who) {
			xs = append(xs, x)
		}
		return len(xs), xs
	}
	n, vics := count("vic")
	if n != screensOfOne {
		t.Errorf("%d streams of one person, want %d", n, screensOfOne)
	}
	ada := s.join("ada")
	if ada == nil {
		t.Fatal("vic has so many streams that ada gets none")
	}
	s.leave(vics[0])
	if n, _ := count("vic"); n != 1 {
		t.Errorf("%d streams in place of the one that ended", n)
	}
	if n, _ := count(""); n != screensMost-screensOfOne-1 {
		t.Errorf("%d streams of who has no name, want what is left", n)
	}
}
