package migrate

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// A store that cannot list its sessions cannot be copied from, nor can anybody find
// what it holds too much. What the other store lists is compared, session by
// session. Time does the rest: a session that lives longer than its kind's max_age
// after a moment was written or touched since, which brings it to the store that
// lacks it; what one of them held before that of a session that was deleted in the
// other has ended. (A touch of what both hold makes nothing equal: hence the look.)

// soak is that wait, in the record.
type soak struct {
	// Since is when every agent had acknowledged that both stores are written (all
	// sessions fenced; all in back, or old recovering), or when what was written
	// to one of them alone was last forgotten by an agent.
	Since time.Time `json:"since"`
	// For is the longest max_age of all kinds.
	For time.Duration `json:"for"`
}

func (s *soak) until() time.Time { return s.Since.Add(s.For) }

func (s *soak) over() bool { return !time.Now().Before(s.until()) }

// refusal says until when read-new waits; nil: it is over.
func (s *soak) refusal() *Refusal {
	if s.over() {
		return nil
	}
	return refuse(GateVerified, "leave the sessions where they are until then, and take the step again",
		"a store cannot list its sessions: by %s every session that lives has been written or touched since the fence, or has ended", s.until().Local().Format(time.DateTime))
}

// soaking says until when the way back waits; nil: for nothing, or it is over.
func (r *record) soaking() *Refusal {
	if s := r.SoakBack; s != nil && !s.over() {
		return refuse(GateReversed, "leave it there until then, and run the same command again: new decides meanwhile, and old is written too",
			"a store cannot list its sessions: those that were written or deleted in new alone cannot be found; by %s they have been written again, or have ended", s.until().Local().Format(time.DateTime))
	}
	return nil
}

// unlisted tells whether a scan came to nothing because the store cannot list.
func unlisted(err error) bool { return errors.Is(err, backends.ErrUnlisted) }

// errSilent: neither store lists what could be compared. Where each host has an
// old of its own both must, since no host's miss says anything.
func errSilent(gate string) error {
	return refuse(gate, "name the servers of one of them themselves, without a proxy", "neither store can list its sessions, or new cannot and each host has an old of its own: what differs cannot be found")
}

// soakFor is how long a soak lasts. It is refused where a kind has no max_age.
func (m *Migration) soakFor(gate string) (time.Duration, error) {
	var most time.Duration
	for _, k := range m.o.Kinds.Kinds() {
		if k.MaxAge <= 0 {
			return 0, refuse(gate, "give it one, or take a store that can list", "a store cannot list its sessions, and kind %s has no max_age: nobody can say when all of them were written again, or have ended", k.Name)
		}
		most = max(most, k.MaxAge)
	}
	// Copies keep a session's own deadline; what arrives late is over by the time
	// that a copy may take.
	return most + m.copyMost(), nil
}

// soakInstead begins the soak in the place of a verification, or says how long it
// still takes. What agents do not remember as dirty is waited for too, and counts
// for nothing any more.
func (c *copier) soakInstead(ctx context.Context) error {
	most, err := c.m.soakFor(GateVerified)
	if err != nil {
		return err
	}
	r, err := c.m.change(ctx, func(now *revision, r *record) error {
		if now.digest() != c.cur.digest() {
			return refuse(GateRevision, "run it again", "somebody else has published revision %d", now.def.Epoch)
		}
		if r.Soak == nil || c.forgotNew {
			r.Soak = &soak{Since: time.Now().UTC(), For: most}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.passed(ctx); err != nil {
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

// lists tells whether a store can list its sessions. One that does not say so in
// time is taken for one that can: what needs the list finds out.
func (m *Migration) lists(ctx context.Context, side rules.Side) bool {
	st, err := m.store(side)
	if err != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, listMost)
	defer cancel()
	err = backends.ErrUnlisted
	if sc, ok := st.(backends.Scanner); ok {
		err = sc.Scan(ctx, "", func([]string) error { return errEnough })
	}
	return !unlisted(err)
}

// wayBack is how long a soak holds up the way back, where a store cannot list its
// sessions; 0: both can. It is refused where nobody could ever say that old is whole.
func (m *Migration) wayBack(ctx context.Context) (time.Duration, error) {
	old, new := m.lists(ctx, rules.Old), m.lists(ctx, rules.New)
	switch {
	case old && new:
		return 0, nil
	case !old && !new, !new && m.hosts():
		return 0, errSilent(GateReversed)
	}
	return m.soakFor(GateReversed)
}

// forget begins the wait anew with what somebody took with it. What can be
// compared again, before new is read, has to be.
func (r *record) forget(cur flags.Definition) {
	now := time.Now().UTC()
	switch {
	case r.Soak != nil && cur.Weights.Ends()[position.ReadNew] == 0:
		r.Soak = nil
	case r.Soak != nil:
		r.Soak.Since = now
	}
	if r.SoakBack != nil {
		r.SoakBack.Since = now
	}
}
