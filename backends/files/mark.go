package files

import (
	"context"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// markSet is the record of the marks beside a session.
type markSet struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"` // zero: without end
	Marks []mark    `json:"marks"`
}

// mark is a backends.Mark; Conn and RunID are bytes, not text, so that JSON
// keeps them whatever they are.
type mark struct {
	Agent string `json:"agent"`
	Write uint64 `json:"write"`
	Conn  []byte `json:"conn,omitempty"`
	RunID []byte `json:"run_id,omitempty"`
}

func (s *Store) marksOf(id string) (set markSet, err error) {
	found, err := load(s.own.marks, recordName(id), &set)
	if err != nil || !found || !set.Until.IsZero() && !set.Until.After(time.Now()) {
		return markSet{}, err
	}
	return set, nil
}

func (set *markSet) list() []backends.Mark {
	var ms []backends.Mark
	for _, m := range set.Marks {
		ms = append(ms, backends.Mark{Agent: m.Agent, Write: m.Write, Conn: string(m.Conn), RunID: string(m.RunID)})
	}
	return ms
}

func (set *markSet) put(ms []backends.Mark) {
	set.Marks = nil
	for _, m := range ms {
		set.Marks = append(set.Marks, mark{m.Agent, m.Write, []byte(m.Conn), []byte(m.RunID)})
	}
}

// Marks gives the marks beside a session. The session's own flock is not
// needed, so PHP's requests do not delay it.
func (s *Store) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	if err := s.enter(ctx, k); err != nil {
		return nil, err
	}
	return do(ctx, s, []string{k.Name}, func(*attempt) ([]backends.Mark, error) {
		set, err := s.marksOf(k.Name)
		return set.list(), err
	})
}

// PutMark adds a mark.
func (s *Store) PutMark(ctx context.Context, k backends.Key, m backends.Mark, ttl time.Duration) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	return s.changeMarks(ctx, k.Name, func(set *markSet) {
		fresh := len(set.Marks) == 0
		until := time.Time{}
		if ttl > 0 {
			until = time.Now().Add(ttl)
		}
		if fresh || !set.Until.IsZero() && (until.IsZero() || until.After(set.Until)) {
			set.Until = until
		}
		if ms := set.list(); !slices.Contains(ms, m) {
			set.put(append(ms, m))
		}
	})
}

// DropMarks removes marks.
func (s *Store) DropMarks(ctx context.Context, k backends.Key, ms []backends.Mark) error {
	if err := s.enter(ctx, k); err != nil {
		return err
	}
	ms = slices.Clone(ms)
	return s.changeMarks(ctx, k.Name, func(set *markSet) {
		set.put(slices.DeleteFunc(set.list(), func(m backends.Mark) bool { return slices.Contains(ms, m) }))
	})
}

func (s *Store) changeMarks(ctx context.Context, id string, f func(*markSet)) error {
	_, err := do(ctx, s, []string{id}, func(a *attempt) (none struct{}, err error) {
		set, err := s.marksOf(id)
		if err != nil {
			return none, err
		}
		if err := a.begin(); err != nil {
			return none, err
		}
		set.Name = id
		if f(&set); len(set.Marks) == 0 {
			return none, drop(s.own.marks, recordName(id))
		}
		return none, s.own.save(s.own.marks, recordName(id), set)
	})
	return err
}
