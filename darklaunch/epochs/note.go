// Package epochs is what a fleet tells itself by way of the two stores: the
// epoch note, with the whole flag set and the roster, and a note of each agent's
// own. An agent that is cut off from its flag file and its server goes on with
// the fleet by them, and whoever moves the ramp learns what it has acknowledged.
//
//	n := epochs.Note{Migration: "sessions", Flags: flagdJSON, Agents: roster, At: now}
//	err := epochs.Raise(ctx, old, new, n)       // *RaiseError says which store lacks it
//	top, found := epochs.Highest(epochs.ReadBoth(ctx, old, new, "sessions"))
//
//	w := epochs.NewWatcher(epochs.WatcherOptions{Kept: kept, Old: old, New: new, Name: "web-17"})
//	w.Look(ctx)   // before kept.Begin: nobody serves by less than the stores know
//	w.Run(ctx)    // two small reads a second, until ctx ends
//
// A note is raised, never lowered; of two the higher counts; that none is found
// says nothing (backends.Notes). docs/formats.md has the forms.
package epochs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Name of the epoch note: see backends.NoteKey.
const Name = "epoch"

// version rises when an older reader would misread a note. Both are read. A note
// whose roster lists no lives is written in the form that version 1 reads: whoever
// has no server's roster has nothing to say that it would misread.
const (
	version      = 2 // the roster lists lives
	versionNames = 1 // the roster lists names, or there is none
)

// RosterMost is how many agents a roster may name.
const RosterMost = 2000

// Note is the content of an epoch note.
type Note struct {
	Migration string
	// Flags is the whole revision, as flagd's JSON; Epoch and CutoverFloor are
	// its own, and filled in by Marshal and Parse.
	Flags        []byte
	Epoch        uint64
	CutoverFloor int
	// Agents is the roster: those that a step waits for. nil: not known. Empty
	// and not nil: nobody, which is something else.
	Agents []Life
	// At is when it was published, to the millisecond. It tells two rosters of
	// one epoch apart.
	At time.Time
}

// wire is a note as it stands in a store. Lives are of version 2, Agents of
// version 1.
type wire struct {
	Version      int             `json:"version"`
	Migration    string          `json:"migration"`
	Epoch        uint64          `json:"epoch"`
	CutoverFloor int             `json:"cutover_floor"`
	Agents       *[]string       `json:"agents,omitempty"`
	Lives        *[]Life         `json:"lives,omitempty"`
	At           int64           `json:"at"` // unix milliseconds
	Flags        json.RawMessage `json:"flags"`
}

// Marshal checks a note and writes it. backends.ErrTooLarge, wrapped, where it
// is longer than backends.MaxNote (some 4,000 pins).
func (n Note) Marshal() ([]byte, error) {
	snap, err := flags.Parse(n.Flags)
	if err != nil {
		return nil, fmt.Errorf("epochs: %w", err)
	}
	if snap.Migration() != n.Migration {
		return nil, fmt.Errorf("epochs: flags of migration %q in a note of %q", snap.Migration(), n.Migration)
	}
	w := wire{Version: versionNames, Migration: n.Migration, Epoch: snap.Epoch(), CutoverFloor: snap.Definition().CutoverFloor,
		At: n.At.UnixMilli(), Flags: n.Flags}
	if n.Agents != nil {
		if err := w.roster(n.Agents); err != nil {
			return nil, err
		}
	}
	if w.At <= 0 {
		return nil, errors.New("epochs: a note needs the moment at which it was published")
	}
	data, err := json.Marshal(w) // compacts the flags
	if err == nil && len(data) > backends.MaxNote {
		err = fmt.Errorf("epochs: a note of %d bytes: at most %d: %w: too many sessions are pinned", len(data), backends.MaxNote, backends.ErrTooLarge)
	}
	return data, err
}

// ErrVersion is returned for a note that a newer version wrote.
var ErrVersion = errors.New("epochs: a newer version has written the epoch note")

// Parse reads a note. It is strict: an agent obeys nothing that it understands
// only in part.
func Parse(data []byte) (Note, error) {
	var peek struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &peek); err != nil {
		return Note{}, fmt.Errorf("epochs: not a note: %w", err)
	}
	if peek.Version > version {
		return Note{}, fmt.Errorf("%w (%d, and this one reads %d)", ErrVersion, peek.Version, version)
	}
	var w wire
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&w); err != nil {
		return Note{}, fmt.Errorf("epochs: not a note: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Note{}, errors.New("epochs: not a note: something follows it")
	}
	snap, err := flags.Parse(w.Flags)
	if err != nil {
		return Note{}, fmt.Errorf("epochs: %w", err)
	}
	floor := snap.Definition().CutoverFloor
	if w.Version < versionNames || snap.Epoch() != w.Epoch || snap.Migration() != w.Migration || floor != w.CutoverFloor || w.At <= 0 {
		return Note{}, errors.New("epochs: not a note: it says something else than the flags in it")
	}
	n := Note{Migration: w.Migration, Flags: w.Flags, Epoch: w.Epoch, CutoverFloor: floor, At: time.UnixMilli(w.At).UTC()}
	n.Agents, err = w.agents()
	if err != nil {
		return Note{}, err
	}
	return n, nil
}

// Snapshot compiles the flags of a note that was parsed.
func (n *Note) Snapshot() (*flags.Snapshot, error) { return flags.Parse(n.Flags) }

// follows tells whether n may take the place of what stands: it is of a higher
// epoch, or of the same with a roster that was made later. What cannot be read
// is no note, unless a newer version wrote it.
func (n *Note) follows(was []byte) (bool, error) {
	w, err := Parse(was)
	switch {
	case errors.Is(err, ErrVersion):
		return false, err
	case err != nil || rules.RaisesNote(w.Epoch, n.Epoch):
		return true, nil
	case n.Epoch < w.Epoch:
		return false, fmt.Errorf("%w: %d, not %d", ErrHigher, w.Epoch, n.Epoch)
	case !sameFlags(n, &w):
		return false, fmt.Errorf("%w: another revision %d", ErrHigher, w.Epoch)
	}
	return n.At.After(w.At) && !(slices.Equal(n.Agents, w.Agents) && (n.Agents == nil) == (w.Agents == nil)), nil
}

func sameFlags(a, b *Note) bool {
	x, errX := a.Snapshot()
	y, errY := b.Snapshot()
	return errX == nil && errY == nil && x.Same(y)
}
