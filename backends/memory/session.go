package memory

import (
	"bytes"
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Get gives the deadline too.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	r, err := s.read(ctx, OpGet, k)
	return r.Session, r.Found, err
}

// Read gives the whole record.
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	return s.read(ctx, OpRead, k)
}

func (s *Store) read(ctx context.Context, op Op, k backends.Key) (backends.Record, error) {
	if err := s.enter(ctx, k); err != nil {
		return backends.Record{}, err
	}
	if s.opts.Faults == nil {
		return s.record(k), nil
	}
	return faulty(s, ctx, op, k.Name, func() (backends.Record, error) { return s.record(k), nil })
}

func (s *Store) record(k backends.Key) backends.Record {
	sh, e, now := s.look(k.Name)
	defer sh.mu.Unlock()
	r := e.record(k, now)
	if e != nil && !r.Found {
		s.count(sh, e, now)
	}
	return r
}

func (e *entry) record(k backends.Key, now int64) backends.Record {
	if e.live(now) {
		return backends.Record{Session: e.session(k), Found: true}
	}
	return backends.Record{Session: backends.Session{Key: k}, Gone: e.buried(now)}
}

// ReadMany is Read for each key, not for all at one moment.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enter(ctx, ks...); err != nil {
		return nil, err
	}
	return faulty(s, ctx, OpReadMany, firstName(ks), func() ([]backends.Record, error) {
		recs := make([]backends.Record, len(ks))
		for i, k := range ks {
			recs[i] = s.record(k)
		}
		return recs, nil
	})
}

// Set writes a session.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	return s.set(ctx, OpSet, sess, false)
}

// Revive writes a session and clears the tombstone.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	return s.set(ctx, OpRevive, sess, true)
}

func (s *Store) set(ctx context.Context, op Op, sess backends.Session, revive bool) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	sess.Data = bytes.Clone(sess.Data)
	if s.opts.Faults == nil {
		return s.write(sess, revive)
	}
	_, err := faulty(s, ctx, op, sess.Key.Name, func() (struct{}, error) { return struct{}{}, s.write(sess, revive) })
	return err
}

// enterData is enter for a write of data.
func (s *Store) enterData(ctx context.Context, sess backends.Session) error {
	if err := s.enter(ctx, sess.Key); err != nil {
		return err
	}
	if len(sess.Data) > s.opts.MaxData {
		return backends.ErrTooLarge
	}
	return nil
}

// write keeps sess.Data.
func (s *Store) write(sess backends.Session, revive bool) error {
	sh, e, now, err := s.room(sess.Key.Name, len(sess.Data))
	if err != nil {
		return err
	}
	sh.put(e, sess.Data, sess.Flags, millis(sess.Deadline))
	if revive {
		e.gone = 0
	}
	s.done(sh, e, now)
	return nil
}

// Delete removes a session.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	if s.opts.Faults == nil {
		return s.remove(k.Name), nil
	}
	return faulty(s, ctx, OpDelete, k.Name, func() (bool, error) { return s.remove(k.Name), nil })
}

func (s *Store) remove(name string) bool {
	sh, e, now := s.look(name)
	defer sh.mu.Unlock()
	found := e.live(now)
	if found {
		sh.drop(e)
	}
	if e != nil {
		s.count(sh, e, now)
	}
	return found
}

// Touch moves a deadline.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	if s.opts.Faults == nil {
		return s.touch(k.Name, deadline), nil
	}
	return faulty(s, ctx, OpTouch, k.Name, func() (bool, error) { return s.touch(k.Name, deadline), nil })
}

func (s *Store) touch(name string, deadline time.Time) bool {
	sh, e, now := s.look(name)
	defer sh.mu.Unlock()
	found := e.live(now)
	if found {
		e.deadline = millis(deadline)
		sh.modified(name)
		s.count(sh, e, now)
	}
	return found
}

func firstName(ks []backends.Key) string {
	if len(ks) == 0 {
		return ""
	}
	return ks[0].Name
}
