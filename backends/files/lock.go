package files

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// lockPatience is how long Lock waits for a PHP request before it refuses.
// phpredis asks again after 2 ms, php-memcached after 150 ms, and both count a
// refusal, not the time. Another process of ours is done much sooner, unless the
// machine is starved: then a refusal too early costs phpredis's page its write.
const lockPatience = 250 * time.Millisecond

// lockRecord stands on the disk for as long as nobody else may be granted the
// lock, whatever becomes of the process that granted it.
type lockRecord struct {
	Name  string    `json:"name"` // as the client said it
	ID    string    `json:"id"`   // the session
	Value []byte    `json:"value"`
	Until time.Time `json:"until"`
}

// held is a lock whose flock this process has. Its fields are used with the
// stripe of the session, and by Close.
type held struct {
	store *Store
	fd    int
	ino   uint64
	until time.Time
	timer *time.Timer
}

// adopt makes f's flock the lock's, where another file has taken the old one's
// place.
func (h *held) adopt(f *file) {
	unix.Close(h.fd)
	h.fd, h.ino, f.kept = f.fd, f.st.Ino, true
}

func (s *Store) holder(id string) *held {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held[id]
}

// hold keeps f's flock until the lock's end.
func (s *Store) hold(id string, f *file, until time.Time) {
	h := &held{store: s, fd: f.fd, ino: f.st.Ino, until: until}
	f.kept = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[id] = h
	h.timer = time.AfterFunc(time.Until(until), func() { s.runOut(id, h) })
}

func (s *Store) runOut(id string, h *held) {
	if !s.start() {
		return // Close does it
	}
	defer s.running.Done()
	turn := s.stripes[stripeOf(id)].turn
	select {
	case turn <- struct{}{}:
		s.letGo(id, h)
		<-turn
	case <-s.stop:
	}
}

// letGo gives the flock back; the caller has the stripe.
func (s *Store) letGo(id string, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h == nil || s.held[id] != h {
		return
	}
	h.timer.Stop()
	delete(s.held, id)
	unix.Close(h.fd)
}

func (s *Store) lockOf(id string) (r lockRecord, found bool, err error) {
	found, err = load(s.own.locks, recordName(id), &r)
	return r, found && r.Until.After(time.Now()), err
}

// Lock takes the session's own flock, as a PHP request does, so that PHP is
// excluded until Unlock or for ttl, and leaves a record. A session that is not
// there gets a claim that ends with the lock: PHP would make an empty file too.
// While a PHP request has the session the lock is refused. k is the session's
// id, or as clients name its lock: {id}_LOCK, lock.{id}, {id}.lock.
func (s *Store) Lock(ctx context.Context, k backends.Key, value string, ttl time.Duration) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	p, err := s.lockPlace(k.Name)
	if err != nil {
		return false, err
	}
	granted, err := doFor(ctx, s, []string{p.id}, lockPatience, func(a *attempt) (bool, error) {
		if _, found, err := s.lockOf(p.id); found || err != nil {
			return false, err
		}
		s.letGo(p.id, s.holder(p.id)) // it has run out
		f, err := s.find(p, unix.LOCK_EX)
		if err != nil {
			return false, err
		}
		defer func() { f.close() }()
		if err := a.begin(); err != nil {
			return false, err
		}
		until := time.Now().Add(ttl)
		if f, err = s.ensure(p, f, until); err != nil {
			return false, err
		}
		if err := s.own.save(s.own.locks, recordName(p.id), lockRecord{k.Name, p.id, []byte(value), until}); err != nil {
			return false, err
		}
		s.hold(p.id, f, until)
		return true, nil
	})
	if err == errHeld {
		return false, nil
	}
	return granted, err
}

// ensure gives a file to hold the flock of: f, or a claim, which is not to be
// collected before until.
func (s *Store) ensure(p place, f *file, until time.Time) (*file, error) {
	end := s.claimTime(until.Add(time.Second))
	if f == nil {
		return s.create(p, nil, end, true)
	}
	if isClaim(&f.st) && f.st.Mtim.Sec < end.Sec {
		return f, setTime(f.fd, end)
	}
	return f, nil
}

// Unlock removes the lock if it holds value. A flock that another process of
// ours has ends with that process, or with the lock's time.
func (s *Store) Unlock(ctx context.Context, k backends.Key, value string) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	p, err := s.lockPlace(k.Name)
	if err != nil {
		return false, err
	}
	return do(ctx, s, []string{p.id}, func(a *attempt) (bool, error) {
		r, found, err := s.lockOf(p.id)
		if err != nil || !found || string(r.Value) != value {
			return false, err
		}
		if err := a.begin(); err != nil {
			return false, err
		}
		if err := drop(s.own.locks, recordName(p.id)); err != nil {
			return false, err
		}
		s.letGo(p.id, s.holder(p.id))
		return true, nil
	})
}

// LockValue gives the value of a lock. A PHP request's flock has none: free.
func (s *Store) LockValue(ctx context.Context, k backends.Key) (string, bool, error) {
	if err := s.enter(ctx); err != nil {
		return "", false, err
	}
	p, err := s.lockPlace(k.Name)
	if err != nil {
		return "", false, err
	}
	type answer struct {
		value string
		found bool
	}
	v, err := do(ctx, s, []string{p.id}, func(*attempt) (answer, error) {
		r, found, err := s.lockOf(p.id)
		if !found {
			return answer{}, err
		}
		return answer{string(r.Value), true}, err
	})
	return v.value, v.found, err
}

// takeLocks takes again the flocks of an earlier process's locks. One that
// somebody else has is left to them; the record refuses all the same.
func (s *Store) takeLocks() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.list(ctx, s.own.locks, ".", func(dir int, name string) (string, bool) { return name, true }, func(names []string) error {
		for _, name := range names {
			var r lockRecord
			found, err := load(s.own.locks, name, &r)
			if err != nil && err != errDamaged { // it refuses its own lock only
				return err
			}
			p, err := s.place(r.ID)
			if !found || err != nil || p.own || !r.Until.After(time.Now()) {
				continue
			}
			_, err = doFor(ctx, s, []string{p.id}, lockPatience, func(*attempt) (none struct{}, err error) {
				f, err := s.find(p, unix.LOCK_EX)
				if err == nil {
					f, err = s.ensure(p, f, r.Until)
				}
				if err == nil {
					s.hold(p.id, f, r.Until)
				}
				return none, err
			})
			if err != nil && err != errHeld {
				return err
			}
		}
		return nil
	})
}
