package migrate

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// publish writes the next revision if the file is still what the gates were
// looked at with, nobody copies, and the next may follow: first in the stores,
// so that no agent is behind who reads them. back is what was said
// of taking it back: it is written down first.
func (m *Migration) publish(ctx context.Context, cur *revision, n flags.Definition, text string, back []string, t *teller) error {
	snap, err := n.Compile()
	if err != nil {
		return fmt.Errorf("migrate: revision %d: %w", n.Epoch, err)
	}
	if cur.snap != nil {
		if err := cur.snap.Next(snap); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	data, err := n.MarshalFlagd()
	if err != nil {
		return fmt.Errorf("migrate: revision %d: %w", n.Epoch, err)
	}
	h, err := m.publisher(ctx)
	if err != nil {
		return err
	}
	defer h.Release()
	now, err := m.read()
	if err != nil {
		return err
	}
	if !bytes.Equal(now.data, cur.data) || (now.data == nil) != (cur.data == nil) {
		return refuse(GateRevision, "look at crossfade status, then run this again if it is still wanted",
			"somebody else has published revision %d since this began with %d", now.def.Epoch, cur.def.Epoch)
	}
	copier, err := m.still(ctx)
	if err != nil {
		return err
	}
	defer copier.Release()
	r, err := m.recorded(cur)
	if err != nil {
		return err
	}
	if m.o.Roster != nil {
		if err := m.o.Roster.Step(ctx, h); err != nil {
			return err
		}
	}
	r.follow(cur.def, n, m.hosts())
	who := m.actor(ctx)
	r.Steps = append(r.Steps, stepMade{Epoch: n.Epoch, At: time.Now().UTC(), Text: text, Reason: who.Why, Who: who.Who, Back: back})
	r.Steps = slices.Clone(r.Steps[max(0, len(r.Steps)-stepsKept):])
	if cur.data != nil && !slices.Contains(r.Published, cur.digest()) {
		r.published(cur.digest())
	}
	r.published(sum(data))
	r.Next = data
	if err := m.saveRecord(h, r); err != nil {
		return err
	}
	if m.crash != nil {
		if err := m.crash(n.Epoch); err != nil {
			return err
		}
	}
	if err := m.raiseEpoch(ctx, n.Epoch, data, t); err != nil {
		return err
	}
	if err := m.write(h, book.Flags, data); err != nil {
		return fmt.Errorf("publish revision %d: %w", n.Epoch, err)
	}
	return nil
}
