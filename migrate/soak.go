package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// A store that cannot list its sessions cannot be copied from. Time does it
// instead: a session that lives longer than its kind's max_age after the fence was
// written or touched since, and is in new; what new holds from before, also of
// sessions that were deleted, has ended.

// soak is that wait, in the record.
type soak struct {
	// Since is when every agent had acknowledged that all sessions are fenced,
	// or when an agent last took something with it.
	Since time.Time `json:"since"`
	// For is the longest max_age of all kinds.
	For time.Duration `json:"for"`
}

func (s *soak) until() time.Time { return s.Since.Add(s.For) }

// refusal says until when; nil: it is over.
func (s *soak) refusal() *Refusal {
	if !time.Now().Before(s.until()) {
		return nil
	}
	return refuse(GateVerified, "leave all sessions fenced until then, and run crossfade ramp read-new",
		"old cannot list its sessions: by %s every session that lives has been written or touched since the fence, or has ended", s.until().Local().Format(time.DateTime))
}

// unlisted tells whether a scan came to nothing because the store cannot list.
func unlisted(err error) bool { return errors.Is(err, backends.ErrUnlisted) }

// soakInstead begins the soak in the place of a backfill.
func (m *Migration) soakInstead(ctx context.Context) error {
	var most time.Duration
	for _, k := range m.o.Kinds.Kinds() {
		if k.MaxAge <= 0 {
			return refuse(GateVerified, "give it one, or take a store that can list", "old cannot list its sessions, and kind %s has no max_age: nobody can say when all of them were written again", k.Name)
		}
		most = max(most, k.MaxAge)
	}
	r, err := m.change(ctx, func(cur *revision, r *record) error {
		if unfenced(cur.def) {
			return fmt.Errorf("migrate: revision %d is no longer fenced: run it again", cur.def.Epoch)
		}
		if r.Soak == nil {
			// Copies keep a session's own deadline; what arrives late is over by
			// the time that a copy may take.
			r.Soak = &soak{Since: time.Now().UTC(), For: most + m.copyMost()}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if no := r.Soak.refusal(); no != nil {
		return no
	}
	return nil
}

// listMost is how long a store may take to begin a list, or to say that it has
// none: a step of the ramp waits for that.
const listMost = 5 * time.Second

// listed refuses the way back from cutover where old cannot list what it holds:
// nobody could find there the sessions that were deleted in new since, and they
// would come back. Another error is left to those who need more of old.
func (m *Migration) listed(ctx context.Context) *Refusal {
	l, err := m.stores()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, listMost)
	defer cancel()
	err = backends.ErrUnlisted
	if sc, ok := l.Old.Store.(backends.Scanner); ok {
		err = sc.Scan(ctx, "", func([]string) error { return errEnough })
	}
	if !unlisted(err) {
		return nil
	}
	return refuse(GateReversed, "stay in cutover, or make it a migration of its own, under another name, from new to a store that can",
		"old cannot list its sessions: those that were deleted since the cutover could not be found there, and would come back")
}
