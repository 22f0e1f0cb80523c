package storytest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/migrate"
)

// TestRollback takes sessions back from every position while users click, and
// prints what the tool had said that it would cost beside what it did. New is
// reached by one name, which is moved to a replica once.
func TestRollback(t *testing.T) {
	t.Parallel()
	users, workers, agents, wait := 100, 6, 3, 60*time.Millisecond
	if long {
		users, workers, agents, wait = 1000, 24, 6, 5*time.Millisecond
	}
	f := newFleet(t, newStores(t, 1, false), 1, agents)
	s := newStory(f, 2*time.Second)
	f.ramp("mirror", 1)
	for _, a := range f.agents {
		binarytest.Within(t, 30*time.Second, a.name+" is ready", a.ready)
	}
	s.crowd = newCrowd(f, users, workers, wait)
	defer s.end()
	there := func(stage string, percent int) {
		t.Helper()
		if stage != "mirror" {
			f.ramp("mirror", 100)
			f.backfill()
			f.verify()
		}
		if stage == "cutover" {
			f.ramp("read-new", 100)
		}
		// What is said before the step stands in the record with it.
		p, err := f.client.PlanRamp(t.Context(), stage, 100*percent)
		s.must(err)
		f.ramp(stage, percent)
		t.Logf("at %s %d %%; said before it of taking it back: %s", stage, percent, strings.Join(p.Back, "; "))
		if len(p.Back) == 0 {
			t.Errorf("nothing is said of what taking %s %d back would cost", stage, percent)
		}
		s.soak(1)
	}
	there("mirror", 100)
	s.back("mirror", "off")
	there("read-new", 1)
	s.back("fenced", "mirror")
	there("read-new", 50)
	s.back("read-new 50", "mirror")
	there("read-new", 100)
	s.suffer("read-new", fault{"new's name leads to a replica", "2s after agents see it", readOnly, afterFailover})
	s.back("settled", "mirror")
	there("cutover", 50)
	s.back("cutover 50", "read-new")
	f.ramp("cutover", 100)
	s.soak(2)
	s.back("cutover 100", "mirror")
	s.soak(1)
	s.crowd.finish()
	s.crowd.everybody()
}

// back takes all sessions back to a stage, as one more fault that nobody may
// notice.
func (s *story) back(from, to string) {
	s.t.Helper()
	plan, err := s.client.PlanRollback(s.t.Context(), to)
	s.must(err)
	s.suffer(from, fault{"rollback to " + to, none, func(s *story) {
		done := map[string]int64{}
		var phases []string
		dirty := s.sums().DirtyOld
		began := time.Now()
		s.do("rollback --to "+to, func() (string, error) {
			r, err := s.client.Rollback(s.t.Context(), to, func(p migrate.Progress) {
				if p.Done > 0 && !slices.Contains(phases, p.Phase) {
					phases = append(phases, p.Phase)
				}
				done[p.Phase] = max(done[p.Phase], p.Done)
			})
			return r.State, err
		})
		s.note = fmt.Sprintf("; planned %d revisions (refused now: %q), took %.1fs; dirty in old before: %d", len(plan.Revisions), plan.Refused, time.Since(began).Seconds(), dirty)
		for _, p := range phases {
			s.note += fmt.Sprintf("; %s: %d", p, done[p])
		}
	}, nil})
}
