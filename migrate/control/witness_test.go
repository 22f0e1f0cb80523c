package control

import (
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// TestGoneAgents: nothing is kept of agents that have not been heard of for long.
func TestGoneAgents(t *testing.T) {
	w, now := newWitness(time.Minute), time.Now()
	w.trips = map[string]tripped{"pod-1": {at: now}, "pod-2": {at: now}}
	w.note("pod-1", agentapi.Evidence{}, now)
	w.note("pod-2", agentapi.Evidence{}, now.Add(goneAfter))
	w.note("pod-3", agentapi.Evidence{}, now.Add(goneAfter+time.Minute))
	if len(w.by) != 2 || w.by["pod-1"] != nil || len(w.trips) != 0 {
		t.Errorf("it keeps what %d agents said and the trips of %d, want those of the last hour", len(w.by), len(w.trips))
	}
}
