package redis

import (
	"context"
	"errors"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// Get does not ask for the deadline, which would cost a second command.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return backends.Session{}, false, err
	}
	data, err := s.reads.Get(ctx, k.Name).Bytes()
	if errors.Is(err, goredis.Nil) {
		return backends.Session{Key: k}, false, nil
	}
	if err != nil {
		return backends.Session{}, false, s.read(ctx, "get", err)
	}
	if data == nil {
		data = []byte{}
	}
	return backends.Session{Key: k, Data: data, DeadlineUnknown: true}, true, nil
}

// Read looks at one moment of the server (MULTI).
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	recs, err := s.readMany(ctx, "read", []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return recs[0], nil
}

// ReadMany looks at all keys at one moment of the server (MULTI).
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	return s.readMany(ctx, "read many", ks)
}

func (s *Store) readMany(ctx context.Context, op string, ks []backends.Key) ([]backends.Record, error) {
	if err := s.enter(ctx, ks...); err != nil || len(ks) == 0 {
		return nil, err
	}
	pipe := s.reads.TxPipeline()
	looks := s.look(pipe, ks)
	if err := exec(ctx, pipe); err != nil {
		return nil, s.read(ctx, op, err)
	}
	recs := make([]backends.Record, len(ks))
	now := time.Now()
	for i := range looks {
		var err error
		if recs[i], _, err = looks[i].record(now); err != nil {
			return nil, s.read(ctx, op, err)
		}
	}
	return recs, nil
}

// look asks for all that stands for each key.
func (s *Store) look(pipe goredis.Pipeliner, ks []backends.Key) []look {
	ctx := context.Background()
	looks := make([]look, len(ks))
	for i, k := range ks {
		looks[i] = look{k, pipe.Get(ctx, k.Name), pipe.Do(ctx, "pttl", k.Name), pipe.Exists(ctx, s.gone(k))}
	}
	return looks
}

// look is the three answers for one key.
type look struct {
	key  backends.Key
	data *goredis.StringCmd
	ttl  *goredis.Cmd
	gone *goredis.IntCmd
}

// record reads the answers; now is when they came. buried is set where a
// tombstone stands, also beside a session.
func (l look) record(now time.Time) (r backends.Record, buried bool, err error) {
	r = backends.Record{Session: backends.Session{Key: l.key}}
	gone, err := l.gone.Result()
	if err != nil {
		return r, false, err
	}
	ttl, err := l.ttl.Int64()
	if err != nil {
		return r, false, err
	}
	data, err := l.data.Bytes()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return r, false, err
	}
	// PTTL: -2 is no key, -1 a key that never ends (commands/pttl).
	if err != nil || ttl == -2 {
		r.Gone = gone > 0
		return r, gone > 0, nil
	}
	r.Found, r.Data = true, data
	if data == nil {
		r.Data = []byte{}
	}
	if ttl >= 0 {
		r.Deadline = now.Add(time.Duration(ttl) * time.Millisecond).UTC()
	}
	return r, gone > 0, nil
}

// exec runs a pipeline. An error of the connection comes before an answer of
// the server, which would say that the connection is in step. Answers of
// single commands (a nil, a wrong type) are left to those who look at them,
// except a transaction that was not run.
func exec(ctx context.Context, pipe goredis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	aborted := isAbort(err)
	var why error
	sent := false
	for _, c := range cmds {
		e := c.Err()
		sent = sent || e != nil
		if e != nil && !isReply(e) {
			return e
		}
		if e != nil && why == nil && !isAbort(e) {
			why = e
		}
	}
	switch {
	case !sent:
		// The connection could not be made (a wrong password): the commands
		// have no error then, and their empty answers would be misses.
		return err
	case aborted && why != nil:
		return why // the command for which the rest was not run
	case aborted, !isReply(err), errors.Is(err, goredis.TxFailedErr):
		return err
	}
	return nil
}

func isAbort(err error) bool { return goredis.HasErrorPrefix(err, "EXECABORT") }

// Set writes a session in one round trip.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	if err := s.enterData(ctx, sess); err != nil {
		return err
	}
	px := life(sess.Deadline)
	return s.changes.do(ctx, "set", func(conn *goredis.Conn) error {
		bg := context.Background()
		switch px {
		case lifePast:
			return conn.Process(bg, goredis.NewIntCmd(bg, "del", sess.Key.Name))
		case lifeNever:
			return conn.Process(bg, goredis.NewStatusCmd(bg, "set", sess.Key.Name, sess.Data))
		}
		return conn.Process(bg, goredis.NewStatusCmd(bg, "set", sess.Key.Name, sess.Data, "px", px))
	})
}

// Delete removes a session in one round trip.
func (s *Store) Delete(ctx context.Context, k backends.Key) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	return s.count(ctx, "delete", "del", k.Name)
}

// Touch moves a deadline in one round trip.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (bool, error) {
	if err := s.enter(ctx, k); err != nil {
		return false, err
	}
	switch px := life(deadline); px {
	case lifePast:
		return s.count(ctx, "touch", "del", k.Name)
	case lifeNever:
		return s.persist(ctx, k)
	default:
		return s.count(ctx, "touch", "pexpire", k.Name, px)
	}
}

// count runs a command that answers how many keys it has changed.
func (s *Store) count(ctx context.Context, op string, args ...any) (bool, error) {
	cmd := goredis.NewIntCmd(context.Background(), args...)
	err := s.changes.do(ctx, op, func(conn *goredis.Conn) error {
		return conn.Process(context.Background(), cmd)
	})
	if err != nil {
		return false, err // where the caller left, cmd is still being written
	}
	return cmd.Val() > 0, nil
}

// persist takes a deadline away. PERSIST also answers 0 where there was none,
// so EXISTS says whether there is a session.
func (s *Store) persist(ctx context.Context, k backends.Key) (bool, error) {
	var exists *goredis.IntCmd
	err := s.changes.do(ctx, "touch", func(conn *goredis.Conn) error {
		pipe := conn.TxPipeline()
		pipe.Persist(context.Background(), k.Name)
		e := pipe.Exists(context.Background(), k.Name)
		if err := exec(context.Background(), pipe); err != nil {
			return err
		}
		exists = e
		return e.Err()
	})
	if err != nil {
		return false, err
	}
	return exists.Val() > 0, nil
}
