package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// notesMost bounds what is asked of both stores for the epoch: a store that does
// not answer may not hold up the step that gets away from it.
const notesMost = time.Second

// notes are those of both stores, nil where one holds none; ok is false where
// no store can be looked into from here.
func (m *Migration) notes() (old, new *backends.Notes, ok bool) {
	if m.o.Layer == nil {
		return nil, nil, false
	}
	if _, err := m.stores(); err != nil {
		return nil, nil, false
	}
	m.noting.Do(func() {
		m.noteOld, _ = backends.NotesOf(m.layer.Old.Store, m.o.Migration)
		m.noteNew, _ = backends.NotesOf(m.layer.New.Store, m.o.Migration)
	})
	return m.noteOld, m.noteNew, m.noteOld != nil || m.noteNew != nil
}

// epochs reads the epoch in both stores.
func (m *Migration) epochs(ctx context.Context) (o, n epochs.Stand) {
	old, new, _ := m.notes()
	ctx, cancel := context.WithTimeout(ctx, notesMost)
	defer cancel()
	return epochs.ReadBoth(ctx, old, new, m.o.Migration)
}

// raiseEpoch writes a revision in both stores, before it is published. One store
// is enough, and none is no reason to stop: what is published may be the rollback
// that gets away from a dead store, and agents that reach their flag file go on.
// It is told. A store that holds a higher epoch is a reason: somebody else has
// published.
//
// The roster is the one that the server gives (Options.Roster), else the one that
// stands there: who publishes without knowing it does not take it away.
func (m *Migration) raiseEpoch(ctx context.Context, epoch uint64, data []byte, t *teller) error {
	old, new, ok := m.notes()
	if !ok {
		return nil
	}
	n := epochs.Note{Migration: m.o.Migration, Flags: data, At: time.Now().UTC()}
	if m.o.Roster != nil {
		n.Agents = m.o.Roster.Lives()
	} else if top, found := epochs.Highest(m.epochs(ctx)); found {
		n.Agents = top.Agents
	}
	err := m.raise(ctx, old, new, n)
	if err == nil {
		return nil
	}
	if errors.Is(err, epochs.ErrHigher) {
		return refuse(GateRevision, "look at crossfade status: somebody publishes from another place, or an older flag file came back", "revision %d may not be published: %v", epoch, err)
	}
	t.news("epoch", "revision %d: %v: an agent that is cut off from its flags learns of it only where it stands", epoch, err)
	return nil
}

// raise raises a note. A store that cannot hold any is not spoken of.
func (m *Migration) raise(ctx context.Context, old, new *backends.Notes, n epochs.Note) error {
	ctx, cancel := context.WithTimeout(ctx, notesMost)
	defer cancel()
	err := epochs.Raise(ctx, old, new, n)
	var not *epochs.RaiseError
	if errors.As(err, &not) && (not.Old == nil || not.Old == epochs.ErrNone) && (not.New == nil || not.New == epochs.ErrNone) && not.Some() {
		return nil
	}
	return err
}

// catchUp brings the flag file to what stands in the stores, or to what the
// record says was about to be published: a publisher died in between, or a
// rollback went by the stores alone. Agents may obey it already: one epoch has
// one content.
func (m *Migration) catchUp(ctx context.Context, t *teller) error {
	if _, _, ok := m.notes(); !ok {
		return nil
	}
	old, new := m.epochs(ctx)
	if top, found := epochs.Highest(old, new); found {
		wrote, err := m.bring(ctx, top)
		if err != nil {
			return err
		}
		if wrote {
			if err := m.Noted(ctx, "catch up", map[string]uint64{"epoch": top.Epoch}, "the stores had a newer revision than the flag file"); err != nil {
				return err
			}
			t.news("caught up", "the flag file had an older revision than the stores: %d is written there now", top.Epoch)
		}
	}
	stands := func(s epochs.Stand) bool { return s.Found || s.Err == epochs.ErrNone }
	if stands(old) && stands(new) {
		return nil // what was about to be published was seen by nobody: the gates are looked at again
	}
	return m.finishNext(ctx, t)
}

// finishNext publishes what the record says comes next, where a store that may
// have held it has lost its note.
func (m *Migration) finishNext(ctx context.Context, t *teller) error {
	ahead := func() (*revision, []byte, error) {
		cur, err := m.read()
		if err != nil {
			return nil, nil, err
		}
		r, err := m.recorded(cur)
		if err != nil || r.Next == nil {
			return nil, nil, err
		}
		snap, err := flags.Parse(r.Next)
		if err != nil || snap.Epoch() != cur.def.Epoch+1 || cur.snap != nil && cur.snap.Next(snap) != nil {
			return nil, nil, nil // it was published, or the flags were changed by something else
		}
		data, err := snap.Definition().MarshalFlagd()
		return &revision{data: data, snap: snap, def: snap.Definition()}, data, err
	}
	if n, _, err := ahead(); n == nil || err != nil {
		return err
	}
	h, err := m.publisher(ctx)
	if err != nil {
		return err
	}
	defer h.Release()
	n, data, err := ahead() // who held the lock has perhaps just published it
	if n == nil || err != nil {
		return err
	}
	if err := m.raiseEpoch(ctx, n.def.Epoch, data, t); err != nil {
		return err
	}
	if err := m.write(h, book.Flags, data); err != nil {
		return err
	}
	t.news("caught up", "revision %d was about to be published when its publisher ended: it is published now", n.def.Epoch)
	return nil
}

// Announce writes the epoch in both stores once more, with the roster as it is
// now: an agent that is new, or lives anew, finds itself in it. It is best effort, as raising is.
func (m *Migration) Announce(ctx context.Context) error {
	cur, err := m.read()
	if err != nil || cur.data == nil {
		return err
	}
	return m.raiseEpoch(ctx, cur.def.Epoch, cur.data, tell(nil))
}

// bring writes a note's revision to the flag file, if that has an older one.
func (m *Migration) bring(ctx context.Context, top epochs.Note) (wrote bool, err error) {
	if cur, err := m.read(); err != nil || cur.def.Epoch >= top.Epoch {
		return false, err
	}
	h, err := m.publisher(ctx)
	if err != nil {
		return false, err
	}
	defer h.Release()
	cur, err := m.read() // who held the lock has perhaps just written it
	if err != nil || cur.def.Epoch >= top.Epoch {
		return false, err
	}
	snap, err := top.Snapshot()
	if err != nil {
		return false, fmt.Errorf("migrate: %w", err)
	}
	if cur.snap != nil {
		if err := cur.snap.Resume(snap); err != nil {
			return false, refuse(GateRevision, "check flags.file and old, new: they are of different migrations of one name", "the stores hold revision %d: %v", top.Epoch, err)
		}
	}
	data, err := snap.Definition().MarshalFlagd() // as who published it wrote it
	if err == nil {
		err = m.write(h, book.Flags, data)
	}
	if err != nil {
		return false, err
	}
	return true, nil
}

// EpochView is the epoch in one store.
type EpochView struct {
	Epoch  uint64    `json:"epoch"` // 0: none was found, which says nothing
	At     time.Time `json:"at,omitzero"`
	Agents []string  `json:"agents,omitempty"` // the roster, where there is one
	Error  string    `json:"error,omitempty"`  // the store does not say
}

func view(s epochs.Stand) EpochView {
	v := EpochView{Epoch: s.Note.Epoch, At: s.Note.At, Agents: epochs.Names(s.Note.Agents)}
	if s.Err != nil {
		v.Error = s.Err.Error()
	}
	return v
}

// views are both stores' epochs; nil where no store can be looked into.
func (m *Migration) views(ctx context.Context, o *Overview, d flags.Definition) {
	if _, _, ok := m.notes(); !ok {
		return
	}
	a, b := m.epochs(ctx)
	old, new := view(a), view(b)
	o.EpochOld, o.EpochNew = &old, &new
	if top, found := epochs.Highest(a, b); found && top.Epoch > d.Epoch {
		o.Waits = append(o.Waits, fmt.Sprintf("the stores hold revision %d, the flag file has %d: the next step writes it there", top.Epoch, d.Epoch))
	}
}
