package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// claimFlags, on an empty item, make it a claim: a copier's token for a key
// where nothing stands (see Guard). Readers take it as missing. The low 16 bits
// are zero, so that a native client reads an empty string of no type.
const claimFlags = 0x43460000

var errReserved = errors.New("memcached: an empty session with the flags of a claim")

// isClaim tells whether an item of this size and with these flags is a claim.
func isClaim(size int, flags uint32) bool { return size == 0 && flags == claimFlags }

// state is what an answer to a read says of a key.
type state uint8

const (
	absent state = iota
	claimed
	present
)

// stateOf reads the answer to vGet, vLook or vTouch.
func stateOf(a *answer) (state, error) {
	switch a.status {
	case stOK:
		if isClaim(max(a.size, len(a.data)), a.flags) {
			return claimed, nil
		}
		return present, nil
	case stMissing:
		return absent, nil
	}
	return absent, a.err
}

// sessionOf makes the session of k out of the answer to a vGet that was asked
// at the time asked.
func sessionOf(k backends.Key, a *answer, asked time.Time) (backends.Session, bool, error) {
	st, err := stateOf(a)
	if st != present {
		return backends.Session{}, false, err
	}
	s := backends.Session{Key: k, Data: a.data, Flags: a.flags}
	s.Deadline, s.DeadlineUnknown = deadlineOf(a.left, asked)
	return s, true, nil
}

// Get implements backends.Store; the deadline comes with it.
func (s *Store) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if err := backends.CheckKey(k); err != nil {
		return backends.Session{}, false, err
	}
	asked := time.Now()
	c := newCall().add(command{verb: vGet, key: k.Name})
	if err := s.exec(ctx, c); err != nil {
		return backends.Session{}, false, err
	}
	defer c.free()
	return sessionOf(k, &c.ans[0], asked)
}

// Read implements backends.Reader.
func (s *Store) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	rs, err := s.ReadMany(ctx, []backends.Key{k})
	if err != nil {
		return backends.Record{}, err
	}
	return rs[0], nil
}

// readBatch is how many keys of a ReadMany go into one packet: more would keep
// other callers of the connection waiting.
const readBatch = 64

// ReadMany implements backends.BatchReader. Sessions first, then the tombstones
// of what was not found: a session that comes back in between is reported as
// missing, as it was when it was asked for.
func (s *Store) ReadMany(ctx context.Context, ks []backends.Key) ([]backends.Record, error) {
	rs := make([]backends.Record, len(ks))
	for _, k := range ks {
		if err := backends.CheckKey(k); err != nil {
			return nil, err
		}
	}
	for from := 0; from < len(ks); from += readBatch {
		if err := s.readSome(ctx, ks[from:min(from+readBatch, len(ks))], rs[from:]); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

func (s *Store) readSome(ctx context.Context, ks []backends.Key, rs []backends.Record) error {
	asked := time.Now()
	c := newCall()
	for _, k := range ks {
		c.add(command{verb: vGet, key: k.Name})
	}
	single := len(ks) == 1 && !s.old.Load()
	if single { // one packet: what it costs is nothing beside a second round trip
		c.add(command{verb: vLook, key: s.gone(ks[0])})
	}
	if err := s.exec(ctx, c); err != nil {
		return err
	}
	var missing []int
	for i, k := range ks {
		sess, found, err := sessionOf(k, &c.ans[i], asked)
		if err != nil {
			c.free()
			return err
		}
		rs[i] = backends.Record{Session: sess, Found: found}
		rs[i].Key = k
		if !found {
			missing = append(missing, i)
		}
	}
	if single {
		st, err := stateOf(&c.ans[1])
		rs[0].Gone = st == present && !rs[0].Found
		c.free()
		return err
	}
	c.free()
	if len(missing) == 0 {
		return nil
	}
	c = newCall()
	for _, i := range missing {
		c.add(command{verb: vLook, key: s.gone(ks[i])})
	}
	if err := s.exec(ctx, c); err != nil {
		return err
	}
	defer c.free()
	for n, i := range missing {
		st, err := stateOf(&c.ans[n])
		if err != nil {
			return err
		}
		rs[i].Gone = st == present
	}
	return nil
}

// writable checks what is about to be written.
func (s *Store) writable(ctx context.Context, sess *backends.Session) error {
	if err := backends.CheckKey(sess.Key); err != nil {
		return err
	}
	if isClaim(len(sess.Data), sess.Flags) {
		return errReserved
	}
	return s.checkSize(ctx, sess.Key, sess.Data)
}

// write is the command that writes sess.
func write(v verb, sess *backends.Session) command {
	return command{
		verb: v, key: sess.Key.Name, data: sess.Data, flags: sess.Flags,
		exp: exptime(sess.Deadline, time.Now()),
	}
}

// Set implements backends.Store. A set that the server refuses for want of
// memory removes what stood there: that is an Unknown whose doubt is over.
func (s *Store) Set(ctx context.Context, sess backends.Session) error {
	if err := s.writable(ctx, &sess); err != nil {
		return err
	}
	c := newCall().add(write(vSet, &sess))
	if err := s.exec(ctx, c); err != nil {
		return err
	}
	defer c.free()
	return s.changed(c.ans[0].err)
}

// Delete implements backends.Store. A claim is removed too (the copier must
// lose its token), and counts as nothing.
func (s *Store) Delete(ctx context.Context, k backends.Key) (found bool, err error) {
	if err := backends.CheckKey(k); err != nil {
		return false, err
	}
	c := newCall().add(command{verb: vLook, key: k.Name}).add(command{verb: vDelete, key: k.Name})
	if err := s.exec(ctx, c); err != nil {
		return false, err
	}
	defer c.free()
	return deleted(&c.ans[0], &c.ans[1])
}

// deleted tells, from a look and the delete after it, whether there was a
// session.
func deleted(look, del *answer) (bool, error) {
	if del.err != nil {
		return false, del.err
	}
	st, _ := stateOf(look)
	return del.status == stOK && st != claimed, nil
}

// Touch implements backends.Toucher. The server keeps the token when it moves a
// deadline; a copy that looked before must not put the old deadline back, so
// the token is changed first, by appending nothing.
func (s *Store) Touch(ctx context.Context, k backends.Key, deadline time.Time) (found bool, err error) {
	if err := backends.CheckKey(k); err != nil {
		return false, err
	}
	exp := exptime(deadline, time.Now())
	if exp < 0 {
		return s.Delete(ctx, k)
	}
	c := newCall().
		add(command{verb: vBump, key: k.Name}).
		add(command{verb: vTouch, key: k.Name, exp: exp})
	if err := s.exec(ctx, c); err != nil {
		return false, err
	}
	st, err := stateOf(&c.ans[1])
	cas := c.ans[1].cas
	c.free()
	if st != claimed {
		return st == present, err
	}
	// A claim must not live longer than it was made for. Its copier loses the
	// token, and asks again.
	c = newCall().add(command{verb: vDeleteIf, key: k.Name, cas: cas})
	if err := s.exec(ctx, c); err != nil {
		return false, s.changed(err)
	}
	c.free()
	return false, nil
}
