package lease

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/seed-41165957/crossfade/backends"
)

// Name of the record: see backends.NoteKey. It stands in old.
const Name = "marks"

const version = 1

// record is who may have marks: docs/formats.md.
type record struct {
	Version int      `json:"version"`
	Agents  []string `json:"agents"` // start ids
	// Others says that nobody knows who else: the record was not there when an
	// agent had to be in it.
	Others bool `json:"others,omitempty"`
}

func (r *record) clean() bool { return len(r.Agents) == 0 && !r.Others }

func (r *record) marshal() []byte {
	r.Version = version
	if r.Agents == nil {
		r.Agents = []string{}
	}
	b, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers and strings
	}
	return b
}

func parse(data []byte) (r record, err error) {
	if err := json.Unmarshal(data, &r); err != nil {
		return record{}, errors.New("lease: not a record of markers")
	}
	if r.Version != version {
		return record{}, errors.New("lease: a record of markers of another version")
	}
	return r, nil
}

// with adds an agent to what stands. A record that nobody can read is none.
func with(was []byte, found bool, agent string) (data []byte, already bool) {
	r, err := parse(was)
	if !found || err != nil {
		r = record{Others: true}
	}
	if slices.Contains(r.Agents, agent) {
		return nil, true
	}
	r.Agents = append(r.Agents, agent)
	return r.marshal(), false
}

// without takes an agent out.
func without(was []byte, found bool, agent string) (data []byte, write bool) {
	r, err := parse(was)
	at := slices.Index(r.Agents, agent)
	if !found || err != nil || at < 0 {
		return nil, false
	}
	r.Agents = slices.Delete(r.Agents, at, at+1)
	return r.marshal(), true
}

// ErrMarked says that the record cannot be made while a mark stands: it may be of
// an agent that is no more.
var ErrMarked = errors.New("lease: marks stand in old")

// Make makes the record where it is missing, or holds somebody who is not among
// the agents: with all of them in it, who leave it when they have no marks.
// unmarked is asked only then, and tells whether no mark stands in old: it may
// take long. Whoever moves the ramp calls it, with the start ids of the lives
// that it waits for.
//
// made is false where there was nothing to do. An error says that a server may be
// without it, and readers then look at marks; ErrMarked that a mark stands.
func Make(ctx context.Context, notes *backends.Notes, agents []string, unmarked func(context.Context) (bool, error)) (made bool, err error) {
	seen := map[string]bool{} // what stood on the servers, by its text; "": nothing
	needed := false
	for _, said := range notes.Read(ctx, Name) {
		if said.Err != nil {
			return false, said.Err
		}
		r, err := parse(said.Data)
		stranger := func(a string) bool { return !slices.Contains(agents, a) }
		needed = needed || !said.Found || err != nil || r.Others || slices.ContainsFunc(r.Agents, stranger)
		seen[string(said.Data)] = true
	}
	if !needed {
		return false, nil
	}
	switch ok, err := unmarked(ctx); {
	case err != nil:
		return false, err
	case !ok:
		return false, ErrMarked
	}
	// Whoever has put himself in meanwhile may have marked.
	data := (&record{Agents: slices.Clone(agents)}).marshal()
	return notes.Change(ctx, Name, func(was []byte, found bool) ([]byte, bool) {
		return data, seen[string(was)]
	})
}
