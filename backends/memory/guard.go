package memory

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// watch learns whether a name was modified, as WATCH does in Redis: it also
// tells an absent name from one that came and went.
type watch struct {
	name  string
	until int64 // ms; later it counts as modified
	dirty bool  // guarded by the mutex of the name's shard
}

// modified tells all who watch name. The caller holds mu.
func (sh *shard) modified(name string) {
	if ws, ok := sh.watches[name]; ok {
		for _, w := range ws {
			w.dirty = true
		}
		delete(sh.watches, name)
	}
}

// watch begins to watch. The caller holds mu.
func (sh *shard) watch(name string, until int64) *watch {
	w := &watch{name: name, until: until}
	if sh.watches == nil {
		sh.watches = map[string][]*watch{}
	}
	sh.watches[name] = append(sh.watches[name], w)
	return w
}

func unwatch(ws []*watch, which func(*watch) bool) []*watch {
	return slices.DeleteFunc(ws, func(w *watch) bool {
		if which(w) {
			w.dirty = true // nothing tells it of modifications any more
			return true
		}
		return false
	})
}

// forget ends a watch.
func (s *Store) forget(w *watch) {
	sh := s.shard(w.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if ws, ok := sh.watches[w.name]; ok {
		if ws = unwatch(ws, func(x *watch) bool { return x == w }); len(ws) > 0 {
			sh.watches[w.name] = ws
		} else {
			delete(sh.watches, w.name)
		}
	}
	w.dirty = true
}

// guard is a guarded change of one key or of many.
type guard struct {
	store    *Store
	notAfter time.Time
	recs     []backends.Record
	buried   []bool // a tombstone stands, also beside a session
	watches  []*watch
}

// Guard watches k. Nothing is claimed: a name need not exist to be watched.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	if err := s.enter(ctx, k); err != nil {
		return nil, err
	}
	g, err := faulty(s, ctx, OpGuard, k.Name, func() (*guard, error) { return s.guard([]backends.Key{k}, notAfter), nil })
	if err != nil {
		return nil, err
	}
	return g, nil
}

// GuardMany watches all keys; each record is true of one moment at which its
// key was already watched.
func (s *Store) GuardMany(ctx context.Context, ks []backends.Key, notAfter time.Time) (backends.BatchGuard, error) {
	if err := s.enter(ctx, ks...); err != nil {
		return nil, err
	}
	g, err := faulty(s, ctx, OpGuardMany, firstName(ks), func() (*guard, error) { return s.guard(ks, notAfter), nil })
	if err != nil {
		return nil, err
	}
	return manyGuard{g}, nil
}

func (s *Store) guard(ks []backends.Key, notAfter time.Time) *guard {
	g := &guard{store: s, notAfter: notAfter}
	for _, k := range ks {
		sh, e, now := s.look(k.Name)
		g.recs = append(g.recs, e.record(k, now))
		g.buried = append(g.buried, e.buried(now))
		g.watches = append(g.watches, sh.watch(k.Name, millis(notAfter)))
		sh.mu.Unlock()
	}
	return g
}

func (g *guard) Record() backends.Record { return g.recs[0] }

func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, OpSwap, []backends.Session{sess}, false)
}

// Revive is Swap where no tombstone stood, or one stands beside a session.
func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, OpGuardRevive, []backends.Session{sess}, g.recs[0].Gone)
}

// Over also clears a tombstone beside a session.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, OpGuardRevive, []backends.Session{sess}, g.buried[0])
}

func (g *guard) swap(ctx context.Context, op Op, ss []backends.Session, revive bool) error {
	owned := make([]backends.Session, len(ss))
	for i, sess := range ss {
		if err := g.store.enterData(ctx, sess); err != nil {
			return err
		}
		owned[i] = sess
		owned[i].Data = bytes.Clone(sess.Data)
	}
	_, err := faulty(g.store, ctx, op, g.recs[0].Key.Name, func() (struct{}, error) {
		return struct{}{}, g.change(func(now int64) {
			for _, sess := range owned {
				g.store.writeLocked(sess, now, revive)
			}
		}, revive, owned...)
	})
	return err
}

// writeLocked writes while the shards are locked, so it cannot make room.
func (s *Store) writeLocked(sess backends.Session, now int64, revive bool) {
	sh := s.shard(sess.Key.Name)
	e := sh.entries[sess.Key.Name]
	if e == nil {
		e = &entry{name: sess.Key.Name}
		sh.entries[e.name] = e
		s.entries.Add(1)
	}
	sh.put(e, sess.Data, sess.Flags, millis(sess.Deadline))
	if revive {
		e.gone = 0
	}
	s.count(sh, e, now)
}

func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	if err := g.store.enter(ctx); err != nil {
		return err
	}
	_, err := faulty(g.store, ctx, OpGuardBury, g.recs[0].Key.Name, func() (struct{}, error) {
		return struct{}{}, g.change(func(now int64) {
			k := g.recs[0].Key
			sh := g.store.shard(k.Name)
			g.store.buryLocked(sh, sh.entries[k.Name], k.Name, now, g.store.until(ttl))
		}, false)
	})
	return err
}

// change runs f with all shards of the guard locked, if nothing was modified.
// ss are the sessions to be written: none for a burial, which a standing
// tombstone does not stop. With revive the tombstone that stood must stand yet.
func (g *guard) change(f func(now int64), revive bool, ss ...backends.Session) error {
	err := g.locked(f, revive, ss)
	if err == ErrFull && g.store.sweepAll(g.store.clock()) {
		err = g.locked(f, revive, ss)
	}
	if g.store.opts.Evict {
		g.store.trim()
	}
	return err
}

func (g *guard) locked(f func(now int64), revive bool, ss []backends.Session) error {
	s := g.store
	var mine [shardCount]bool
	for _, w := range g.watches {
		mine[s.index(w.name)] = true
	}
	for i := range mine {
		if mine[i] {
			s.shards[i].mu.Lock()
			defer s.shards[i].mu.Unlock()
		}
	}
	if s.now().After(g.notAfter) {
		return backends.ErrConflict
	}
	now := s.clock()
	for i, w := range g.watches {
		// What has ended since is a modification that nobody told. (Whoever
		// renews or clears a tombstone modifies the name.)
		e := s.shard(w.name).entries[w.name]
		if w.dirty || g.recs[i].Found && !e.live(now) || revive && !e.buried(now) {
			return backends.ErrConflict
		}
		if len(ss) > 0 && g.buried[i] && !revive {
			return backends.ErrConflict
		}
	}
	if !s.opts.Evict {
		names, size := s.entries.Load(), s.bytes.Load()
		for _, sess := range ss {
			size += cost(sess.Key.Name, len(sess.Data))
			if e := s.shard(sess.Key.Name).entries[sess.Key.Name]; e != nil {
				size -= e.size
			} else {
				names++
			}
		}
		if len(ss) > 0 && (names > int64(s.opts.MaxSessions) || size > s.opts.MaxBytes) {
			return ErrFull
		}
	}
	for _, w := range g.watches {
		w.dirty = true // a guard is used once
	}
	f(now)
	return nil
}

// Release ends the watch.
func (g *guard) Release() {
	for _, w := range g.watches {
		g.store.forget(w)
	}
}

type manyGuard struct{ *guard }

func (g manyGuard) Records() []backends.Record { return g.recs }

func (g manyGuard) Swap(ctx context.Context, ss []backends.Session) error {
	if len(ss) == 0 {
		return nil
	}
	return g.swap(ctx, OpSwap, ss, false)
}
