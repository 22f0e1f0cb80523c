package files

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

// guard remembers inode and ctime of each file (see settle), so it holds
// nothing: neither PHP nor anybody else waits for a copier. An absent session
// is claimed: a file that was not there has no ctime.
type guard struct {
	store    *Store
	notAfter time.Time
	recs     []backends.Record
	versions []version
	graves   []grave
}

// Guard takes a tick of the kernel's clock, 1 to 10 ms, where the session was
// changed within the last one or has to be claimed. PHP waits as long.
func (s *Store) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	g, err := s.guard(ctx, []backends.Key{k}, notAfter)
	if err != nil {
		return nil, err
	}
	return g, nil
}

// GuardMany waits one tick for all. It has every file open at once: the process
// must be allowed some 1,200 files.
func (s *Store) GuardMany(ctx context.Context, ks []backends.Key, notAfter time.Time) (backends.BatchGuard, error) {
	if len(ks) > 1000 {
		return nil, fmt.Errorf("backends/files: %d keys to guard: 1,000 at most", len(ks))
	}
	g, err := s.guard(ctx, ks, notAfter)
	if err != nil {
		return nil, err
	}
	return manyGuard{g}, nil
}

func (s *Store) guard(ctx context.Context, ks []backends.Key, notAfter time.Time) (*guard, error) {
	if err := s.enter(ctx, ks...); err != nil {
		return nil, err
	}
	ks = slices.Clone(ks)
	return do(ctx, s, names(ks), func(a *attempt) (*guard, error) {
		files, err := s.findAll(ks)
		defer closeAll(files)
		if err != nil {
			return nil, err
		}
		g := &guard{store: s, notAfter: notAfter, recs: make([]backends.Record, len(ks)), versions: make([]version, len(ks)), graves: make([]grave, len(ks))}
		for i, k := range ks {
			if files[i] == nil {
				if err := a.begin(); err != nil {
					return nil, err
				}
				p, _ := s.place(k.Name)
				if files[i], err = s.create(p, nil, s.claimTime(notAfter), true); err != nil {
					return nil, err
				}
			}
		}
		for i, k := range ks {
			p, _ := s.place(k.Name)
			settle(&files[i].st)
			now := time.Now()
			if g.recs[i], err = s.record(k, p, files[i], now); err != nil {
				return nil, err
			}
			if g.graves[i], err = s.own.grave(p.id, now); err != nil {
				return nil, err
			}
			g.versions[i] = versionOf(&files[i].st)
		}
		return g, nil
	})
}

func names(ks []backends.Key) []string {
	out := make([]string, len(ks))
	for i, k := range ks {
		out[i] = k.Name
	}
	return out
}

// findAll opens the files of all keys, in the order of their names: two batches
// cannot wait for one another anyway, as nobody waits with a flock in hand.
func (s *Store) findAll(ks []backends.Key) ([]*file, error) {
	files := make([]*file, len(ks))
	for i, k := range ks {
		p, err := s.place(k.Name)
		if err == nil {
			files[i], err = s.find(p, unix.LOCK_EX)
		}
		if err != nil {
			return files, err
		}
	}
	return files, nil
}

func closeAll(files []*file) {
	for _, f := range files {
		f.close()
	}
}

// Record is what stood for the first key.
func (g *guard) Record() backends.Record { return g.recs[0] }

// Swap writes the session if nothing has modified it.
func (g *guard) Swap(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, []backends.Session{sess}, false)
}

// Revive is Swap, and clears the tombstone that stood.
func (g *guard) Revive(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, []backends.Session{sess}, g.recs[0].Gone)
}

// Over clears also one that stands beside the session.
func (g *guard) Over(ctx context.Context, sess backends.Session) error {
	return g.swap(ctx, []backends.Session{sess}, g.graves[0].stands())
}

func (g *guard) swap(ctx context.Context, ss []backends.Session, revive bool) error {
	at := make([]int, len(ss))
	for i, sess := range ss {
		if err := g.store.enterData(ctx, sess); err != nil {
			return err
		}
		at[i] = slices.IndexFunc(g.recs, func(r backends.Record) bool { return r.Key.Name == sess.Key.Name })
		if at[i] < 0 {
			return fmt.Errorf("backends/files: a session that is not guarded: guard its key")
		}
	}
	return g.change(ctx, true, revive, func(files []*file) error {
		for i := range ss {
			p, _ := g.store.place(ss[i].Key.Name)
			made, err := g.store.write(p, files[at[i]], &ss[i], revive)
			if err != nil && i > 0 {
				return doubt(err) // some are written
			}
			if err != nil {
				return err
			}
			made.close()
		}
		return nil
	})
}

// Bury removes the session and leaves a tombstone.
func (g *guard) Bury(ctx context.Context, ttl time.Duration) error {
	if err := g.store.enter(ctx); err != nil {
		return err
	}
	return g.change(ctx, false, false, func(files []*file) error {
		p, err := g.store.place(g.recs[0].Key.Name)
		if err == nil {
			err = g.store.own.dig(p.id, ttl)
		}
		if err != nil {
			return err
		}
		return doubt(g.store.remove(p, files[0]))
	})
}

// change runs f if nothing was modified. A write (and no burial) is refused by a
// tombstone, but for the one that revive clears, which must stand yet.
func (g *guard) change(ctx context.Context, write, revive bool, f func(files []*file) error) error {
	ks := make([]backends.Key, len(g.recs))
	for i, r := range g.recs {
		ks[i] = r.Key
	}
	_, err := do(ctx, g.store, names(ks), func(a *attempt) (none struct{}, err error) {
		files, err := g.store.findAll(ks)
		defer closeAll(files)
		if err != nil {
			return none, err
		}
		now := time.Now()
		if now.After(g.notAfter) {
			return none, backends.ErrConflict
		}
		for i, file := range files {
			if file == nil || versionOf(&file.st) != g.versions[i] || g.recs[i].Found && !g.store.live(&file.st, now) {
				return none, backends.ErrConflict
			}
			stone, err := g.store.own.grave(ks[i].Name, now)
			switch {
			case err != nil:
				return none, err
			case stone.Nonce != g.graves[i].Nonce: // also one that has run out
				return none, backends.ErrConflict
			case write && stone.stands() && !revive:
				return none, backends.ErrConflict
			}
		}
		if err := a.begin(); err != nil {
			return none, err
		}
		return none, f(files)
	})
	return err
}

// Release has nothing to give back: a claim ends at notAfter, and until then it
// is missing for everybody.
func (g *guard) Release() {}

type manyGuard struct{ *guard }

// Records are what stood, in the order of the keys.
func (g manyGuard) Records() []backends.Record { return g.recs }

// Swap writes all or none. Where the disk fails in the middle the error is an
// Unknown whose doubt is over: look again.
func (g manyGuard) Swap(ctx context.Context, ss []backends.Session) error {
	if len(ss) == 0 {
		return nil
	}
	return g.swap(ctx, ss, false)
}
