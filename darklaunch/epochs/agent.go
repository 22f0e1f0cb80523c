package epochs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
)

// AgentName is the name of an agent's own note.
func AgentName(agent string) string { return "agent:" + agent }

// heardVersion is of agents' own notes.
const heardVersion = 1

// Heard is what an agent says of itself in its own note.
type Heard struct {
	Version int `json:"version"`
	// Start is the agent's start id. Seq rises by one with each note of one life:
	// an agent whose Seq rises is there.
	Start string `json:"start"`
	Seq   uint64 `json:"seq"`
	// Status is what it would answer if it were asked; opaque here.
	Status json.RawMessage `json:"status"`
}

var startID = regexp.MustCompile(`^[0-9a-f]{16}$`)

// ParseHeard reads an agent's note.
func ParseHeard(data []byte) (h Heard, err error) {
	if err := json.Unmarshal(data, &h); err != nil {
		return Heard{}, fmt.Errorf("epochs: not an agent's note: %w", err)
	}
	if h.Version != heardVersion || !startID.MatchString(h.Start) || h.Seq == 0 || len(h.Status) == 0 {
		return Heard{}, errors.New("epochs: not an agent's note of this version")
	}
	return h, nil
}

// Newer tells whether h was written after b: a later one of the same life, or of
// another life, which cannot be told from an earlier one.
func (h *Heard) Newer(b *Heard) bool { return h.Start != b.Start || h.Seq > b.Seq }

// ReadHeard reads an agent's note in both stores. What comes back is one note
// for each life, the newest of it: two where a store still has that of an
// earlier life.
func ReadHeard(ctx context.Context, old, new *backends.Notes, agent string) (all []Heard) {
	var got [2][]backends.Said
	var wg sync.WaitGroup
	for i, from := range []*backends.Notes{old, new} {
		if from != nil {
			wg.Go(func() { got[i] = from.Read(ctx, AgentName(agent)) })
		}
	}
	wg.Wait()
	newest := map[string]int{} // by life: its place in all
	for _, said := range slices.Concat(got[0], got[1]) {
		if said.Err != nil || !said.Found {
			continue
		}
		h, err := ParseHeard(said.Data)
		if err != nil {
			continue
		}
		at, known := newest[h.Start]
		switch {
		case !known:
			newest[h.Start] = len(all)
			all = append(all, h)
		case h.Seq > all[at].Seq:
			all[at] = h
		}
	}
	return all
}
