package files

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// Get gives the deadline too. While PHP holds the session it waits, as another
// request of PHP would.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	r, err := s.look(ctx, k)
	return r.Session, r.Found, err
}

// Read gives the whole record.
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	return s.look(ctx, k)
}

func (s *Store) look(ctx context.Context, k backends.Key) (backends.Record, error) {
	if err := s.enter(ctx, k); err != nil {
		return backends.Record{}, err
	}
	p, _ := s.place(k.Name)
	return do(ctx, s, []string{p.id}, func(*attempt) (backends.Record, error) {
		f, err := s.find(p, unix.LOCK_SH)
		if err != nil {
			return backends.Record{}, err
		}
		defer f.close()
		return s.record(k, p, f, time.Now())
	})
}

// record is what stands for k: f's session, or whether there is a tombstone.
func (s *Store) record(k backends.Key, p place, f *file, now time.Time) (r backends.Record, err error) {
	r.Key = k
	if f == nil || !s.live(&f.st, now) {
		g, err := s.own.grave(p.id, now)
		r.Gone = g.stands()
		return r, err
	}
	if r.Data, err = f.read(); err != nil {
		return backends.Record{}, err
	}
	r.Found, r.Deadline = true, s.deadline(&f.st)
	return r, nil
}

// ReadMany is Read for each key, not for all at one moment.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enter(ctx, ks...); err != nil {
		return nil, err
	}
	recs := make([]backends.Record, len(ks))
	for i, k := range ks {
		var err error
		if recs[i], err = s.look(ctx, k); err != nil {
			return nil, err
		}
	}
	return recs, nil
}

// Set writes a session.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	return s.set(ctx, sess, false)
}

// Revive writes a session and clears the tombstone.
func (s *Store) Revive(ctx context.Context, sess backends.Session) error {
	return s.set(ctx, sess, true)
}

func (s *Store) set(ctx context.Context, sess backends.Session, revive bool) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	_, err := change(ctx, s, sess.Key, func(p place, f *file) (struct{}, error) {
		f, err := s.write(p, f, &sess, revive)
		f.close()
		return struct{}{}, err
	})
	return err
}

// write is put, and clears the tombstone with revive. The file that it gives is
// another than f only where f is nil; f is closed by whoever opened it.
func (s *Store) write(p place, f *file, sess *backends.Session, revive bool) (made *file, err error) {
	now, err := s.put(p, f, sess)
	if err == nil && revive {
		err = doubt(s.own.clear(p.id))
	}
	if now == f || err != nil {
		if now != f {
			now.close()
		}
		return nil, err
	}
	return now, nil
}

// change runs f on the session's file, flocked, when the caller is still there.
func change[T any](ctx context.Context, s *Store, k backends.Key, f func(p place, f *file) (T, error)) (T, error) {
	return on(ctx, s, k, func(a *attempt, p place, file *file) (none T, err error) {
		if err := a.begin(); err != nil {
			return none, err
		}
		return f(p, file)
	})
}

// on is change whose f says itself when it begins.
func on[T any](ctx context.Context, s *Store, k backends.Key, f func(a *attempt, p place, f *file) (T, error)) (T, error) {
	p, _ := s.place(k.Name)
	return do(ctx, s, []string{p.id}, func(a *attempt) (none T, err error) {
		file, err := s.find(p, unix.LOCK_EX)
		if err != nil {
			return none, err
		}
		defer file.close()
		return f(a, p, file)
	})
}

// Delete removes a session. A claim is left alone.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return on(ctx, s, k, func(a *attempt, p place, f *file) (bool, error) {
		if f == nil || !s.live(&f.st, time.Now()) {
			return false, nil
		}
		if err := a.begin(); err != nil {
			return false, err
		}
		return true, s.remove(p, f)
	})
}

// Touch moves the mtime, as PHP does for an unchanged session.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return on(ctx, s, k, func(a *attempt, p place, f *file) (bool, error) {
		now := time.Now()
		if f == nil || !s.live(&f.st, now) {
			return false, nil
		}
		if err := a.begin(); err != nil {
			return false, err
		}
		if past(deadline, now) {
			return true, s.remove(p, f)
		}
		return true, setTime(f.fd, s.mtime(deadline))
	})
}
