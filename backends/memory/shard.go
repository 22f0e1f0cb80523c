package memory

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
)

// shardCount is enough that 8 cores seldom meet (a call holds a shard for
// about 100 ns), and few enough that a scan or a guard of many keys locks
// them all cheaply.
const shardCount = 64

// overhead is what an entry costs besides its name and data: the struct and
// its place in the map.
const overhead = 128

// shard holds the names of one hash range. A session's tombstone and marks lie
// in its own entry, so one lock covers whatever must happen at once. No two
// shards are locked at once, except in rising order by a guard of many keys.
type shard struct {
	mu sync.Mutex
	// All below is guarded by mu.
	entries map[string]*entry
	watches map[string][]*watch // made when needed
	tick    uint64              // rises with each use
	writes  uint64
	_       [64]byte // the next shard's lock is on another cache line
}

// entry is all that is held for one name.
type entry struct {
	name     string
	data     []byte // ours alone
	flags    uint32
	has      bool   // there is a session; else only what follows the deadline
	deadline int64  // ms
	used     uint64 // tick of the last use
	gone     int64  // ms until which a tombstone stands
	marks    []backends.Mark
	marked   int64 // ms until which the marks stand
	size     int64 // as counted in Store.bytes
}

func (e *entry) live(now int64) bool   { return e != nil && e.has && e.deadline > now }
func (e *entry) buried(now int64) bool { return e != nil && e.gone > now }

// shard gives the shard of a name.
func (s *Store) shard(name string) *shard {
	return &s.shards[s.index(name)]
}

func (s *Store) index(name string) uint64 { return maphash.String(s.seed, name) % shardCount }

// look locks the shard of name and gives what is there: nil if nothing. The
// caller unlocks.
func (s *Store) look(name string) (*shard, *entry, int64) {
	sh := s.shard(name)
	now := s.clock()
	sh.mu.Lock()
	e := sh.entries[name]
	if e != nil {
		sh.tick++
		e.used = sh.tick
	}
	return sh, e, now
}

// room is look for a write of size bytes of data, and makes an entry if there
// is none. With an error nothing is locked.
func (s *Store) room(name string, size int) (*shard, *entry, int64, error) {
	for again := false; ; again = true {
		sh, e, now := s.look(name)
		if sh.writes++; sh.writes%4 == 0 { // beginning an iteration is what costs
			s.sweep(sh, now, 8)
		}
		if e != nil && sh.entries[name] == nil {
			e = nil // swept
		}
		var more, less int64
		if e == nil {
			more = 1
		} else {
			less = e.size
		}
		if s.opts.Evict || s.entries.Load()+more <= int64(s.opts.MaxSessions) &&
			s.bytes.Load()+cost(name, size)-less <= s.opts.MaxBytes {
			if e == nil {
				e = &entry{name: name}
				sh.entries[name] = e
				s.entries.Add(1)
			}
			return sh, e, now, nil
		}
		sh.mu.Unlock()
		if again || !s.sweepAll(now) {
			return nil, nil, 0, ErrFull
		}
	}
}

func cost(name string, size int) int64 { return int64(len(name)+size) + overhead }

// done counts what e holds now, drops it if that is nothing, and unlocks.
func (s *Store) done(sh *shard, e *entry, now int64) {
	s.count(sh, e, now)
	sh.mu.Unlock()
	if s.opts.Evict {
		s.trim()
	}
}

func (s *Store) count(sh *shard, e *entry, now int64) {
	if e.has && e.deadline <= now {
		e.has, e.data = false, nil
	}
	if e.gone <= now {
		e.gone = 0
	}
	if e.marked <= now {
		e.marks, e.marked = nil, 0
	}
	if !e.has && e.gone == 0 && len(e.marks) == 0 {
		if sh.entries[e.name] == e {
			delete(sh.entries, e.name)
			s.entries.Add(-1)
			s.bytes.Add(-e.size)
		}
		e.size = 0
		return
	}
	size := cost(e.name, len(e.data))
	for _, m := range e.marks {
		size += int64(len(m.Agent)+len(m.Conn)+len(m.RunID)) + 64
	}
	s.bytes.Add(size - e.size)
	e.size = size
}

// put makes data the session of e. Whoever watches it learns of it.
func (sh *shard) put(e *entry, data []byte, flags uint32, deadline int64) {
	e.has, e.data, e.flags, e.deadline = true, data, flags, deadline
	sh.modified(e.name)
}

// drop removes the session of e, not its tombstone and marks.
func (sh *shard) drop(e *entry) {
	e.has, e.data = false, nil
	sh.modified(e.name)
}

// sweep looks at n entries, wherever the map's iteration begins, and reclaims
// what has ended. Go begins at a random place, so writes clear the map in time
// without a goroutine that does it.
func (s *Store) sweep(sh *shard, now int64, n int) {
	for _, e := range sh.entries {
		if n--; n < 0 {
			break
		}
		s.count(sh, e, now)
	}
	for name, ws := range sh.watches {
		sh.watches[name] = unwatch(ws, func(w *watch) bool { return w.until < now })
		if len(sh.watches[name]) == 0 {
			delete(sh.watches, name)
		}
		break
	}
}

// sweepAll reclaims all that has ended, at most ten times a second: a store
// that is full of live sessions must not search itself for each refusal.
func (s *Store) sweepAll(now int64) bool {
	last := s.reclaim.Load()
	if now-last < 100 || !s.reclaim.CompareAndSwap(last, now) {
		return false
	}
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		s.sweep(sh, now, len(sh.entries))
		sh.mu.Unlock()
	}
	return true
}

// trim evicts until the bounds hold: of two shards the larger (so that none
// runs empty), of eight sessions seen in it the one that was not used the
// longest.
func (s *Store) trim() {
	for range 4 * shardCount {
		if s.entries.Load() <= int64(s.opts.MaxSessions) && s.bytes.Load() <= s.opts.MaxBytes {
			return
		}
		sh, other := &s.shards[rand.IntN(shardCount)], &s.shards[rand.IntN(shardCount)]
		if other.len() > sh.len() {
			sh = other
		}
		now := s.clock()
		sh.mu.Lock()
		var oldest *entry
		n := 8
		for _, e := range sh.entries {
			if n--; n < 0 {
				break
			}
			if e.has && (oldest == nil || e.used < oldest.used) {
				oldest = e
			}
		}
		if oldest != nil {
			if oldest.live(now) {
				s.evicted.Add(1)
			}
			sh.drop(oldest)
			s.count(sh, oldest, now)
		}
		sh.mu.Unlock()
	}
}

func (sh *shard) len() int {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return len(sh.entries)
}
