package pair

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/seed-41165957/crossfade/backends"
)

// recordName is the record's, as a note on each member: crossfade:<migration>:pair.
const recordName = "pair"

// record says which members hold what. It is replaced whole, by compare-and-swap
// on a member that is whole, and then written to the other. docs/formats.md has it.
type record struct {
	Version int    `json:"version"` // 1
	Gen     uint64 `json:"gen"`     // rises with each change
	Born    string `json:"born"`    // of the store: another one when both have lost all
	// Whole are the members that hold all that was acknowledged; the first leads.
	// None: both have just been found without a record, and are told so first.
	Whole   []string `json:"whole"`
	Filling *filling `json:"filling,omitempty"`
	Doubts  []doubt  `json:"doubts,omitempty"`
}

// filling says that a member is being filled, and by whom. All agents write to it.
type filling struct {
	Member string `json:"member"`
	By     string `json:"by"` // start id
}

// doubt is a call to a member that was taken out, which may still arrive there.
type doubt struct {
	Member string `json:"member"`
	Agent  string `json:"agent"` // start id of the agent that made the call
	Conn   string `json:"conn,omitempty"`
	RunID  string `json:"run_id,omitempty"`
}

var errRecord = errors.New("pair: the record is in an unknown format")

func parseRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil || r.Version != 1 || r.Gen == 0 || r.Born == "" {
		return record{}, errRecord
	}
	return r, nil
}

func (r record) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic("pair: record: " + err.Error()) // plain data: cannot fail
	}
	return b
}

// next is a copy to be changed, one generation on.
func (r record) next() record {
	r.Version, r.Gen = 1, r.Gen+1
	r.Whole = slices.Clone(r.Whole)
	r.Doubts = slices.Clone(r.Doubts)
	if r.Filling != nil {
		f := *r.Filling
		r.Filling = &f
	}
	return r
}

func (r record) whole(name string) bool { return slices.Contains(r.Whole, name) }

func (r record) fills(name string) bool { return r.Filling != nil && r.Filling.Member == name }

// without is the record with a member out.
func (r record) without(name string) record {
	n := r.next()
	n.Whole = slices.DeleteFunc(n.Whole, func(w string) bool { return w == name })
	if n.fills(name) {
		n.Filling = nil
	}
	return n
}

// above tells whether r counts and not o. Of two with one number (two agents have
// each taken another member out) that counts which keeps first, the first member
// of the configuration; the rest is any order, the same for all.
func above(r, o record, first string) bool {
	if r.Gen != o.Gen {
		return r.Gen > o.Gen
	}
	if a, b := r.whole(first), o.whole(first); a != b {
		return a
	}
	return bytes.Compare(r.encode(), o.encode()) > 0
}

// recordKey is where the record stands.
func (s *Store) recordKey() backends.Key { return backends.NoteKey(s.o.Migration, recordName) }
