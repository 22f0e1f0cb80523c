package pair

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// Health implements backends.Healther. RunID is the pair's own: it changes when
// both members have lost all, not when one was started anew (with
// Options.Replicates, when another one leads). Evictions and version are the
// leader's. Note says which member is out, and how far its filling is.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	for {
		v, err := s.current(ctx)
		if err != nil {
			return backends.Health{}, err
		}
		h, err := v.lead().store.Health(ctx)
		if err != nil {
			if s.moveOn(ctx, v.lead(), backends.Key{}, err) {
				continue
			}
			return backends.Health{}, err
		}
		h.RunID = v.rec.Born
		if s.o.Replicates {
			h.RunID += "@" + v.lead().name
		}
		h.Connections, h.Parked = s.Connections()
		h.Note = s.note(v)
		return h, nil
	}
}

// note says what is not as it should be.
func (s *Store) note(v *view) string {
	if len(v.order) != 1 {
		return ""
	}
	m := s.beside(v.lead())
	t := m.told()
	m.mu.Lock()
	why := m.note
	m.mu.Unlock()
	text := []string{m.name + " is out, " + v.lead().name + " has all"}
	switch {
	case t.err != nil:
		text = append(text, "it does not answer")
	case s.o.Replicates:
		text = append(text, "its server has not copied "+v.lead().name+" yet")
	case v.fills(m) && v.rec.Filling.By == s.start:
		text = append(text, fmt.Sprintf("being filled by this agent: %d keys of about %d", s.fill.done.Load(), s.fill.of.Load()))
	case v.fills(m):
		text = append(text, "being filled by agent "+v.rec.Filling.By)
	}
	if why != "" {
		text = append(text, "the last filling ended: "+why)
	}
	return strings.Join(text, "; ")
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	for _, m := range s.members {
		for _, one := range []*memcached.Store{m.store, m.raw} {
			o, p := one.Connections()
			open, parked = open+o, parked+p
		}
	}
	return open, parked
}

// Scan implements backends.Scanner: the leader's.
func (s *Store) Scan(ctx context.Context, prefix string, fn func([]string) error) error {
	v, err := s.current(ctx)
	if err != nil {
		return err
	}
	if err := v.lead().store.Scan(ctx, prefix, fn); err != nil {
		return err
	}
	w, err := s.current(ctx)
	if err == nil && w.lead() != v.lead() {
		return fmt.Errorf("pair: scan: %w", errMoved) // what was listed may have been an empty server's
	}
	return err
}

// Size implements backends.Sizer: the leader's.
func (s *Store) Size(ctx context.Context) (int64, error) {
	return look(ctx, s, func(ctx context.Context, m *memcached.Store) (int64, bool, error) {
		n, err := m.Size(ctx)
		return n, false, err
	})
}

// each asks both members at the same time; the error names those that failed.
func (s *Store) each(fn func(i int, m *member) error) error {
	var errs [2]error
	var wg sync.WaitGroup
	for i, m := range s.members {
		wg.Go(func() {
			if err := fn(i, m); err != nil {
				errs[i] = fmt.Errorf("%s: %w", m.name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// Peers implements backends.Peerer.
func (s *Store) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	var mu sync.Mutex
	err = s.each(func(_ int, m *member) error {
		a, o, err := m.store.Peers(ctx)
		_, raw, rawErr := m.raw.Peers(ctx)
		mu.Lock()
		defer mu.Unlock()
		all, own = append(all, a...), append(append(own, o...), raw...)
		return errors.Join(err, rawErr)
	})
	return all, own, err
}

// Preflight looks at each member as memcached.Store's does, and at what the record
// says of it. It changes nothing.
func (s *Store) Preflight(ctx context.Context) ([]memcached.Finding, error) {
	var found [2][]memcached.Finding
	err := s.each(func(i int, m *member) (err error) {
		if found[i], err = m.store.Preflight(ctx); err != nil {
			return err
		}
		whole := memcached.Finding{What: "whole", OK: true, Found: "no record yet: the pair was not used"}
		r, stands, err := m.read(ctx)
		if stands {
			whole.OK, whole.Found = r.whole(s.members[0].name) && r.whole(s.members[1].name), fmt.Sprintf("generation %d: %s", r.Gen, strings.Join(r.Whole, ", "))
		}
		if !whole.OK {
			whole.Mend = "see that both servers run: agents fill the one that is missing here, and /healthz says how far they are"
		}
		found[i] = append(found[i], whole)
		return err
	})
	var out []memcached.Finding
	for i, fs := range found {
		for _, f := range fs {
			f.What = s.members[i].name + ": " + f.What
			out = append(out, f)
		}
	}
	return out, err
}

// Settle ends the doubt about a call at the member that the run id names: see
// memcached.Store.
func (s *Store) Settle(ctx context.Context, conn, runID string) error {
	for _, m := range s.members {
		if strings.HasSuffix(runID, "@"+m.name) {
			return m.store.Settle(ctx, conn, runID)
		}
	}
	return errors.New("pair: settle: no member has that run id")
}
