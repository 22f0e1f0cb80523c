// Package parts makes what a configuration names: stores, kinds, the hash key,
// the flags. The agent serves with them; the verbs that copy use them too.
//
//	p, err := parts.Open(cfg, cfg.Agent.StateDir, nil)
//	defer p.Close()
//	layer, err := darklaunch.New(p.Options())
package parts

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/files"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Version of this binary: part of the digest that all agents must share.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

// OpenStore makes the store that the configuration names. Nothing is asked of
// its server yet; files are looked at, and their folder must be there. name is "old" or "new", for errors.
//
// A Redis keeps the client flags of sessions where an agent speaks memcached,
// whose clients have flags.
func OpenStore(name string, c config.Store, of *config.Config) (backends.Store, error) {
	migration, t := of.Migration, of.Timeouts
	switch {
	case c.Memory != nil:
		return memory.New(memory.Options{Migration: migration, Evict: false}), nil
	case c.Files != nil:
		return files.New(FilesOptions(c.Files, migration))
	case c.Memcached != nil:
		s, err := openMemcached(*c.Memcached, migration, t)
		if err != nil {
			return nil, fmt.Errorf("%s.memcached: %w", name, err)
		}
		return s, nil
	case c.Redis != nil:
		o, err := redisOptions(c.Redis)
		if err != nil {
			return nil, fmt.Errorf("%s.redis: %w", name, err)
		}
		o.Migration, o.DialTimeout, o.KeepFlags = migration, t.Dial.Std(), len(of.Listen.Memcached) > 0
		if c.Redis.Proxied {
			return redis.NewProxied(o), nil
		}
		return redis.New(o), nil
	case c.MySQL != nil:
		s, err := openMySQL(*c.MySQL, migration, t)
		if err != nil {
			return nil, fmt.Errorf("%s.mysql: %w", name, err)
		}
		return s, nil
	case c.Hybrid != nil:
		return openHybrid(name, c.Hybrid, of)
	}
	return nil, fmt.Errorf("%s: no store that this version has: accepted are memory, files, memcached, mysql, hybrid and redis", name)
}

// FilesOptions are those of the files store that the configuration names.
func FilesOptions(c *config.Files, migration string) files.Options {
	return files.Options{SavePath: c.Dir, MaxLifetime: c.MaxLifetime.Std(), Owner: c.Owner, Migration: migration}
}

// Evicts asks a store whether it may throw out live sessions. One that does
// not say, within a second, is taken to: a miss there then proves nothing.
func Evicts(s backends.Store) bool {
	h, ok := s.(backends.Healther)
	if !ok {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	health, err := h.Health(ctx)
	return err != nil || health.Evicts
}

// Parts are what a layer is made of, from one configuration: the agent serves
// with them, and what copies uses them too.
type Parts struct {
	Config *config.Config
	Kinds  *kinds.Set
	Hasher *flags.Hasher
	Flags  *flags.Kept
	// Local feeds Flags; nil where servers do.
	Local Local
	Old   darklaunch.Store
	New   darklaunch.Store
}

// Open makes the parts. stateDir is where the last good flags are kept; empty:
// nowhere. failed: see LocalFlags.
func Open(c *config.Config, stateDir string, failed func(error)) (*Parts, error) {
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		return nil, err
	}
	hasher, err := flags.LoadOrCreateKey(c.Agent.KeyFile)
	if err != nil {
		return nil, err
	}
	p := &Parts{Config: c, Kinds: set, Hasher: hasher}
	if p.Flags, p.Local, err = LocalFlags(c, stateDir, failed); err != nil {
		return nil, err
	}
	old, err := OpenStore("old", c.Old, c)
	if err != nil {
		return nil, err
	}
	p.Old = darklaunch.Store{Store: old, Timeout: c.Timeouts.Old.Std(), Evicts: Evicts(old)}
	store, err := OpenStore("new", c.New, c)
	if err != nil {
		return nil, errors.Join(err, old.Close())
	}
	p.New = darklaunch.Store{Store: store, Timeout: c.Timeouts.New.Std()}
	return p, nil
}

// Close closes the stores.
func (p *Parts) Close() error { return errors.Join(p.Old.Close(), p.New.Close()) }

// Options are those of a layer over the parts.
func (p *Parts) Options() darklaunch.Options {
	c := p.Config
	return darklaunch.Options{
		Migration: c.Migration, Kinds: p.Kinds, Flags: p.Flags, Hasher: p.Hasher, Old: p.Old, New: p.New,
		CopyTimeout:     c.Timeouts.Copy.Std(),
		BreakerFailures: c.Breaker.Failures, BreakerPeriod: c.Breaker.Period.Std(),
		DirtyMax: c.Dirty.Max, MirrorQueue: c.Mirror.Queue, MirrorBytes: int(c.Mirror.QueueBytes),
		CompareRatio: c.Compare.Ratio, CompareRecheck: c.Compare.Recheck.Std(),
		RefuseUnconfirmed: c.ReadNew.Unconfirmed == "refuse",
	}
}
