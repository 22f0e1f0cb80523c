package memcached

import (
	"context"
	"errors"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Guard implements backends.Guarder. The token is memcached's cas. Where
// nothing stands the key is claimed first, and only then is the tombstone
// looked for: a delete writes the tombstone before it removes the key, so
// either it is seen here, or the claim is gone when Swap comes. One packet does
// all three; the server executes them in order.
//
// The claim outlives notAfter by up to two seconds of the server's clock; Swap,
// Revive and Bury look at ours, right before they send.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	if err := backends.CheckKey(k); err != nil {
		return nil, err
	}
	for range tries {
		now := time.Now()
		c := newCall().
			add(command{verb: vAdd, key: k.Name, flags: claimFlags, exp: lifetime(notAfter.Sub(now), now)}).
			add(command{verb: vGet, key: k.Name}).
			add(command{verb: vLook, key: s.gone(k)})
		if err := s.exec(ctx, c); err != nil {
			return nil, err
		}
		g, err := s.guard(k, c, now)
		c.free()
		if err != nil {
			return nil, err
		}
		if g != nil {
			g.notAfter = notAfter
			return g, nil
		}
	}
	return nil, errContended
}

// guard makes the guard out of the answers; nil if the claim vanished between.
func (s *Store) guard(k backends.Key, c *call, asked time.Time) (*guard, error) {
	add, get, look := &c.ans[0], &c.ans[1], &c.ans[2]
	if add.err != nil {
		return nil, add.err
	}
	st, err := stateOf(get)
	if err != nil {
		return nil, err
	}
	if st == absent {
		return nil, nil
	}
	if get.cas == 0 {
		return nil, errNoCAS
	}
	stone, err := stateOf(look)
	if err != nil {
		return nil, err
	}
	g := &guard{s: s, key: k, cas: get.cas, buried: stone == present, stone: look.cas}
	// Somebody else's claim serves as well: nothing has stood here since its
	// token. But it is not ours to give back.
	g.claim = st == claimed && add.status == stOK
	sess, found, err := sessionOf(k, get, asked)
	sess.Key = k
	g.record = backends.Record{Session: sess, Found: found, Gone: g.buried && !found}
	return g, err
}

// guard is one guarded change.
type guard struct {
	s        *Store
	key      backends.Key
	record   backends.Record
	cas      uint64
	claim    bool   // the key is claimed by us, and to be given back
	buried   bool   // a tombstone stood
	stone    uint64 // its token
	used     bool
	notAfter time.Time
}

func (g *guard) Record() backends.Record { return g.record }

// open tells whether the guard still allows a change, and uses it up.
func (g *guard) open() bool {
	if g.used || !time.Now().Before(g.notAfter) {
		return false
	}
	g.used = true
	return true
}

func (g *guard) check(ctx context.Context, sess *backends.Session) error {
	if sess.Key.Name != g.key.Name {
		return errors.New("memcached: swap of another key than the guarded one")
	}
	return g.s.writable(ctx, sess)
}

// Swap implements backends.Guard.
func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	if err := g.check(ctx, &sess); err != nil {
		return err
	}
	if g.buried {
		return backends.ErrConflict
	}
	return g.swap(ctx, sess)
}

func (g *guard) swap(ctx context.Context, sess backends.Session) error {
	if !g.open() {
		return backends.ErrConflict
	}
	cmd := write(vSwap, &sess)
	cmd.cas = g.cas
	c := newCall().add(cmd)
	if err := g.s.exec(ctx, c); err != nil {
		if _, ok := backends.IsUnknown(err); ok {
			g.claim = false
		}
		return err
	}
	defer c.free()
	switch a := &c.ans[0]; a.status {
	case stOK:
		g.claim = false
		return nil
	case stRefused:
		return a.err
	}
	g.claim = false
	return backends.ErrConflict
}

// Revive implements backends.Guard: the session by its token, and where it was
// written, the tombstone away by its own. That these are two steps is safe:
//
//   - The session's token alone decides. A delete puts its tombstone first and
//     then removes the key, our claim too, so after a delete the swap conflicts,
//     and of two revives only one has the token.
//   - Until the second step both stand, as after any Set. Readers find the
//     session. Another copier finds it too, and its guard neither swaps nor
//     revives. (The other way round, there would be a moment with neither: a
//     copier that read its source before the delete could make a guard then and
//     bring the dead session back.)
//   - A delete whose tombstone comes before the second step, and whose removal
//     comes after the first, removes what was written here: it came after us.
//     Its tombstone has another token and stays.
//   - Whoever crashes between the steps leaves both; a Revive that fails there
//     gives an Unknown, as its change is half done.
func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	if !g.record.Gone {
		return g.Swap(ctx, sess)
	}
	return g.Over(ctx, sess)
}

// Over clears also a tombstone that stands beside the session: Revive's two
// steps, for Revive's reasons.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	if !g.buried {
		return g.Swap(ctx, sess)
	}
	if err := g.check(ctx, &sess); err != nil {
		return err
	}
	if err := g.swap(ctx, sess); err != nil {
		return err
	}
	err := g.s.deleteIf(ctx, g.s.gone(g.key), g.stone, time.Time{})
	if errors.Is(err, backends.ErrConflict) { // renewed since, or it has run out
		return nil
	}
	return g.s.changed(err)
}

// Bury implements backends.Guard. The tombstone comes before the delete, as
// always. If the delete then meets another token, a tombstone that was made
// here is taken back: it must not hide the session from those who look for it
// after it has gone in some other way. One that stood before is overwritten
// instead of made, so that nobody else takes it back as theirs, and it stays: so
// the session's token is looked at before, and a Bury that must fail leaves it.
func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	if !g.open() {
		return backends.ErrConflict
	}
	stone := g.s.tombstone(g.s.gone(g.key), ttl)
	own, err := g.stand(ctx, stone)
	if err != nil {
		return err
	}
	g.claim = false
	err = g.s.deleteIf(ctx, g.key.Name, g.cas, time.Time{})
	if !errors.Is(err, backends.ErrConflict) || own == 0 {
		if errors.Is(err, backends.ErrConflict) {
			return err
		}
		return g.s.changed(err)
	}
	err = g.s.deleteIf(ctx, stone.key, own, time.Time{})
	if err == nil || errors.Is(err, backends.ErrConflict) { // conflict: somebody else's by now
		return backends.ErrConflict
	}
	return g.s.changed(err)
}

// stand puts the tombstone. own is its token if there was none before.
func (g *guard) stand(ctx context.Context, stone command) (own uint64, err error) {
	add := stone
	add.verb = vAdd
	c := newCall().add(command{verb: vLook, key: g.key.Name}).add(add).add(command{verb: vGet, key: stone.key})
	if err := g.s.exec(ctx, c); err != nil {
		return 0, err
	}
	look, put, get := c.ans[0], c.ans[1], c.ans[2]
	c.free()
	switch {
	case put.err != nil:
		return 0, put.err
	case put.status == stOK && string(get.data) == string(stone.data):
		return get.cas, nil // no other has this value
	case put.status == stOK:
		return 0, nil
	case look.err != nil:
		return 0, look.err
	case look.status != stOK || look.cas != g.cas:
		return 0, backends.ErrConflict
	}
	c = newCall().add(stone)
	if err := g.s.exec(ctx, c); err != nil {
		return 0, err
	}
	defer c.free()
	return 0, g.s.changed(c.ans[0].err)
}

// releaseTime bounds Release, which has no context: a claim that cannot be
// given back ends by itself.
const releaseTime = 200 * time.Millisecond

// Release implements backends.Guard.
func (g *guard) Release() {
	if !g.claim {
		return
	}
	g.claim = false
	ctx, cancel := context.WithTimeout(context.Background(), releaseTime)
	defer cancel()
	c := newCall().add(command{verb: vDeleteIf, key: g.key.Name, cas: g.cas})
	if g.s.exec(ctx, c) == nil {
		c.free()
	}
}
