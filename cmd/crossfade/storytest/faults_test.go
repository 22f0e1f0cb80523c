package storytest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// story is a fleet with its crowd, and what was measured.
type story struct {
	*fleet
	crowd *crowd
	rows  []row
	turn  int // of faults: each takes another agent, another node
	cut   time.Duration

	at        string    // where sessions are
	restarted time.Time // memcached, last, while old answered
	later     int       // reads between two faults that are as without Crossfade
	turnovers turnovers
	note      string
}

// newStory watches for failovers from here on.
func newStory(f *fleet, cut time.Duration) *story {
	s := &story{fleet: f, cut: cut}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.turnovers.watch(ctx, f.agents) })
	f.t.Cleanup(func() { stop(); wg.Wait() })
	return s
}

// fault is something that breaks, and is whole again when do returns.
type fault struct {
	name  string
	bound string
	do    func(*story)
	// allows tells whether the table of bounds does; nil: nothing is allowed.
	allows func(*story, finding) bool
}

const none = "0"

// suffer lets one thing break under load, waits until the fleet has mended what
// it left, and judges what users saw meanwhile.
func (s *story) suffer(at string, f fault) {
	s.t.Helper()
	s.between()
	s.at = at
	s.turn++
	s.note = ""
	began, ops, refused := time.Now(), s.crowd.ops.Load(), s.crowd.refused.Load()+s.crowd.book.Refused.Load()
	f.do(s)
	s.steady(f.name)
	list, excused := s.crowd.judge.judged(func(x finding) bool {
		return f.allows != nil && f.allows(s, x) || s.asWithout(x) || s.turnovers.excuse(x)
	})
	r := row{fault: f.name, at: at, bound: f.bound, stale: len(list), excused: excused, took: time.Since(began), note: s.note,
		ops: s.crowd.ops.Load() - ops, refused: s.crowd.refused.Load() + s.crowd.book.Refused.Load() - refused}
	table, turned := 0, 0
	for _, x := range list {
		if s.asWithout(x) {
			table++
			continue
		}
		if f.allows == nil && s.turnovers.excuse(x) {
			turned++
			continue
		}
		r.longest = max(r.longest, x.stale())
	}
	if table > 0 {
		r.note += fmt.Sprintf("; %d of the reads were of rows, as without Crossfade after a restart of memcached", table)
	}
	if turned > 0 {
		r.note += fmt.Sprintf("; %d of the reads were within the bound of a failover that nobody asked for", turned)
	}
	s.t.Log(r)
	s.rows = append(s.rows, r)
}

// steady waits until nothing is dirty, marked or of unknown outcome any more.
// Where agents have written in new alone, old is made whole as an operator does.
func (s *story) steady(after string) {
	s.t.Helper()
	var last agentapi.Status
	behind := false
	ready := func() bool {
		for _, a := range s.agents {
			if !a.ready() {
				return false
			}
		}
		last = s.sums()
		behind = last.Behind
		return last.UnknownNew == 0 && last.UnknownOld == 0 && (behind || last.DirtyNew == 0 && last.MarksStanding == 0)
	}
	restarted := false
	for began := time.Now(); !ready(); time.Sleep(50 * time.Millisecond) {
		// A connection that was reset leaves a call that only memcached's list of
		// connections could settle, and that has the proxy's address: as behind any
		// proxy the doubt ends when the server starts anew.
		if time.Since(began) > 20*time.Second && last.UnknownOld > 0 && !restarted {
			restarted = true
			s.note += fmt.Sprintf("; %d calls through the proxy stayed unknown until memcached was restarted", last.UnknownOld)
			memcachedRestart(s)
		}
		if time.Since(began) > 90*time.Second {
			s.t.Fatalf("90 s after %q the fleet is not whole: dirty in new %d, marks %d, unknown in old %d, in new %d",
				after, last.DirtyNew, last.MarksStanding, last.UnknownOld, last.UnknownNew)
		}
	}
	if behind {
		s.do("recover old", func() (string, error) { r, err := s.client.Recover(s.t.Context(), "old", nil); return r.State, err })
		s.note += "; writes were made in new alone, and old made whole"
	}
	if last.AllDirtyNew {
		s.verify()
		s.note += "; all counted as dirty until verified"
	}
}

func (s *story) agent() *process { return s.agents[s.turn%len(s.agents)] }

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func galeraNode(s *story) {
	i := s.turn % len(s.stores.galera.Nodes)
	n := s.stores.galera.Nodes[i]
	s.must(n.Kill())
	s.stores.rows[i].refuse()
	time.Sleep(s.cut)
	s.must(n.Restart(s.t.Context()))
	s.stores.rows[i].listen(s.t)
}

func memcachedRestart(s *story) {
	oldAnswers := s.at == "fenced"
	if oldAnswers {
		s.restarted = time.Now()
	}
	s.must(s.stores.mc.Kill())
	s.stores.cache.refuse()
	time.Sleep(time.Second)
	s.must(s.stores.mc.Restart(s.t.Context()))
	s.stores.cache.listen(s.t)
	if oldAnswers {
		s.restarted = time.Now()
	}
}

// primaryDies kills the primary when its replica has not had what it has
// acknowledged for a second and a half, and waits for the other to take over.
func primaryDies(s *story) {
	i := s.stores.primary()
	if i < 0 {
		s.t.Fatal("Redis has no primary")
	}
	dead, next := s.stores.redis.Data[i], s.stores.redis.Data[1-i]
	s.stores.who.is("replica", next.Pid())
	before := s.failovers()
	s.stores.data[i].stall("replica")
	time.Sleep(1500 * time.Millisecond)
	s.must(dead.Kill())
	s.stores.data[i].reset("replica") // what it had not had yet is lost
	s.stores.data[i].refuse()
	s.stores.data[i].heal("replica")
	s.seenBy(before)
	s.stores.revive(i)
}

// failovers is how many each agent has seen.
func (s *story) failovers() []int64 {
	var ns []int64
	for _, a := range s.agents {
		st, _ := a.api.Status(s.t.Context())
		ns = append(ns, st.Failovers)
	}
	return ns
}

// seenBy waits until every agent has seen another run id, and then for what the
// bound gives it.
func (s *story) seenBy(before []int64) {
	s.t.Helper()
	began := time.Now()
	d := s.sums().Distrusted
	binarytest.Within(s.t, 30*time.Second, "all agents to see that new is another server", func() bool {
		for i, n := range s.failovers() {
			if n <= before[i] {
				return false
			}
		}
		return true
	})
	seen := time.Now()
	time.Sleep(2500 * time.Millisecond)
	s.note += fmt.Sprintf("; all agents saw it %.1fs after the kill, %d sessions were behind", seen.Sub(began).Seconds(), s.sums().Distrusted-d)
}

func agentDies(s *story) {
	a := s.agent()
	a.kill()
	time.Sleep(s.cut / 2)
	a.start()
	binarytest.Within(s.t, 20*time.Second, a.name+" is ready", a.ready)
}

func leaderDies(s *story) {
	l := s.leader()
	if l == nil {
		s.t.Fatal("no server leads")
	}
	l.kill()
	if len(s.servers) > 1 {
		took := binarytest.Within(s.t, 30*time.Second, "another server leads", func() bool { o := s.leader(); return o != nil && o != l })
		s.note = fmt.Sprintf("; another led after %.1fs", took.Seconds())
	}
	l.start()
	binarytest.Within(s.t, 30*time.Second, "a server leads", func() bool { return s.leader() != nil })
}

// parted breaks one agent's way to one side: first nothing passes, then each
// connection is reset.
func parted(side func(*stores) []*proxy, stall bool) func(*story) {
	return func(s *story) {
		a := s.agent().name
		for _, p := range side(s.stores) {
			if stall {
				p.stall(a)
			} else {
				p.reset(a)
			}
		}
		time.Sleep(s.cut)
		for _, p := range side(s.stores) {
			p.heal(a)
		}
	}
}

// apart cuts one agent off from old and another from new, at one time.
func apart(s *story) {
	a, b := s.agents[s.turn%len(s.agents)].name, s.agents[(s.turn+1)%len(s.agents)].name
	for _, p := range s.stores.toOld() {
		p.reset(a)
	}
	for _, p := range s.stores.toNew() {
		p.reset(b)
	}
	time.Sleep(s.cut)
	for _, p := range s.stores.toOld() {
		p.heal(a)
	}
	for _, p := range s.stores.toNew() {
		p.heal(b)
	}
}

const stalled = 3 * time.Second

func oldStalls(s *story) { freeze(s.t, s.stores.mc, stalled) }

func galeraStalls(s *story) {
	var wg sync.WaitGroup
	for _, n := range s.stores.galera.Nodes {
		wg.Go(func() { freeze(s.t, n, stalled) })
	}
	wg.Wait()
	// Each node takes the others for dead now, a second or two later: the cluster
	// parts and joins again, which is this fault still.
	s.stores.joined(5 * time.Second)
}

func newStalls(s *story) {
	i := s.stores.primary()
	before := s.failovers()
	freeze(s.t, s.stores.redis.Data[i], stalled)
	s.stores.follows(s.stores.redis.Data[s.stores.primary()], s.stores.redis.Data[1-s.stores.primary()])
	if s.stores.sentinel { // they take it for dead after a second
		s.seenBy(before)
	}
}

// readOnly moves new's name to the replica while that still is one: the
// connections of some agents stay where they were for a moment.
func readOnly(s *story) {
	r := s.stores.redis
	i := s.stores.primary()
	before := s.failovers()
	s.stores.named.lead(r.Data[1-i].Addr(), true)
	time.Sleep(s.cut)
	s.stores.ask(r.Data[1-i], "REPLICAOF", "NO", "ONE")
	s.seenBy(before)
	put := s.sums().MarksPut
	s.note += fmt.Sprintf("; marks put so far %d", put)
	if put == 0 {
		s.t.Error("nobody marked a write that a read-only server refused")
	}
	host, port := hostPort(r.Data[1-i].Addr())
	s.stores.ask(r.Data[i], "REPLICAOF", host, port)
	s.stores.follows(r.Data[1-i], r.Data[i])
}

// afterFailover is the bound of new's lost writes.
func afterFailover(s *story, f finding) bool { return s.turnovers.excuse(f) }

// asWithout is what a memcached that restarts does without Crossfade too, while
// old answers: what was not written since is read from the table, which is
// behind. Such a session is read so until its next write, however long after the
// fault, and also from new: old decided, and what it had left was copied.
func (s *story) asWithout(f finding) bool { return f.last.Before(s.restarted) }

// faults of each stage.
func faults(inCutover bool) []fault {
	toNew, toOld := (*stores).toNew, (*stores).toOld
	list := []fault{
		{"a Galera node is killed and back", none, galeraNode, nil},
		{"an agent is killed and back", none, agentDies, nil},
		{"the leading server is killed", none, leaderDies, nil},
		{"old's memcached stands still 3 s", none, oldStalls, nil},
	}
	if inCutover {
		return append(list, fault{"memcached restarts", none, memcachedRestart, nil},
			fault{"one agent is cut off from old", none, parted(toOld, false), nil})
	}
	return append(list,
		fault{"new's primary dies, replica behind", "2s after agents see it", primaryDies, afterFailover},
		fault{"one agent's way to new stalls", none, parted(toNew, true), nil},
		fault{"one agent is cut off from new", none, parted(toNew, false), nil},
		fault{"one agent's way to old stalls", none, parted(toOld, true), nil},
		fault{"one agent is cut off from old", none, parted(toOld, false), nil},
		fault{"memcached restarts", "0; where old answers, as without", memcachedRestart, nil},
		fault{"Galera stands still 3 s", none, galeraStalls, nil},
		fault{"new's primary stands still 3 s", "2s after agents see it", newStalls, afterFailover},
		fault{"one cut off from old, one from new", "until both are back", apart, func(s *story, f finding) bool { return true }},
	)
}
