package migrate

import (
	"context"
	"errors"

	clean "github.com/seed-41165957/crossfade/darklaunch/lease"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// ListMarkers makes the record of markers (package lease), where new is read and
// old lacks it, or it names lives that nobody waits for any more. Readers of new
// then need not look at marks while there are none. made is false where there was
// nothing to do, or an agent does not answer, or knows no leases.
//
// It is cheap where the record stands, and lists old where it does not: an error,
// lease.ErrMarked too, is no reason to ask again at once.
func (m *Migration) ListMarkers(ctx context.Context) (made bool, err error) {
	old, _, ok := m.notes()
	if !ok || old == nil || m.hosts() {
		return false, nil
	}
	cur, err := m.read()
	if err != nil || cur.snap == nil || !cur.snap.Holds(position.ReadNew) && !cur.snap.Holds(position.Sealed) {
		return false, err
	}
	var lives []string
	for _, r := range m.ask(ctx, nil) {
		if r.err != nil || r.status.Lease == "" {
			return false, nil
		}
		lives = append(lives, r.status.Start)
	}
	if len(lives) == 0 {
		return false, nil
	}
	return clean.Make(ctx, old, lives, func(ctx context.Context) (bool, error) {
		n, err := m.count(ctx, rules.Old, "crossfade:"+m.o.Migration+":mark:")
		return n == 0, err
	})
}

// spareLooks has readers look at no marks where there are none. That they look is
// no failure of a step.
func (m *Migration) spareLooks(ctx context.Context, t *teller) {
	if made, err := m.ListMarkers(ctx); errors.Is(err, clean.ErrMarked) {
		return // the next step's gate says so
	} else if err != nil {
		t.news("marks", "readers of new go on looking for marks in old: %v", err)
	} else if made {
		t.news("marks", "no mark stands in old: agents need not look for them while none does")
	}
}
