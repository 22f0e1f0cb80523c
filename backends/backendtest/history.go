package backendtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// step is one random call on both stores.
func (h *history) step() {
	k := pick(h, h.keys...)
	switch n := h.rng.IntN(100); {
	case n < 10:
		h.both("get", func(_ int, s Full, a *answer) {
			sess, found, err := s.Get(h.ctx, k)
			if a.say(found, err); found {
				h.session(a, sess)
			}
		})
	case n < 18:
		h.both("read", func(_ int, s Full, a *answer) {
			r, err := s.Read(h.ctx, k)
			a.err(err)
			h.record(a, r)
		})
	case n < 20:
		h.both("read many", func(_ int, s Full, a *answer) {
			rs, err := s.ReadMany(h.ctx, h.keys)
			a.err(err)
			for _, r := range rs {
				h.record(a, r)
			}
		})
	case n < 30:
		sess := h.random(k, h.sure(k, nil))
		h.both("set "+k.Name, func(_ int, s Full, a *answer) { a.err(s.Set(h.ctx, sess)) })
	case n < 36:
		if h.sure(k, nil) {
			h.both("delete "+k.Name, func(_ int, s Full, a *answer) { a.say(s.Delete(h.ctx, k)) })
		}
	case n < 42:
		h.touch(k)
	case n < 48:
		sess := h.random(k, h.sure(k, nil))
		h.both("add "+k.Name, func(_ int, s Full, a *answer) { a.say(s.Add(h.ctx, sess)) })
	case n < 52:
		ho, sess := &hold{keys: []backends.Key{k}}, h.random(k, false)
		h.both("add undo "+k.Name, func(i int, s Full, a *answer) {
			stored, u, err := s.AddUndo(h.ctx, sess)
			a.say(stored, err)
			if stored && u != nil {
				ho.undos[i] = u
			} else {
				release(u)
			}
		})
		h.keep(ho, ho.undos[0] != nil)
	case n < 60:
		ho := &hold{keys: []backends.Key{k}}
		h.both("guard "+k.Name, func(i int, s Full, a *answer) {
			g, err := s.Guard(h.ctx, k, time.Now().Add(19*time.Second))
			if a.err(err); err == nil {
				ho.guards[i] = g
				h.record(a, g.Record())
			}
		})
		h.keep(ho, ho.guards[0] != nil)
	case n < 62:
		h.guardMany()
	case n < 76:
		h.use()
	case n < 81:
		h.both("bury "+k.Name, func(_ int, s Full, a *answer) { a.say(s.Bury(h.ctx, k, time.Minute)) })
	case n < 85:
		sess := h.random(k, h.sure(k, nil))
		h.both("revive "+k.Name, func(_ int, s Full, a *answer) { a.err(s.Revive(h.ctx, sess)) })
	case n < 93:
		h.marks(k)
	case n < 99:
		h.lock()
	default:
		h.scan()
	}
}

// touch: one that takes away a deadline where there is none changes nothing.
func (h *history) touch(k backends.Key) {
	if !h.sure(k, nil) {
		return
	}
	d := h.deadline(true)
	if d.IsZero() && h.held(k, nil) {
		return
	}
	h.both(fmt.Sprint("touch ", k.Name, " ", d), func(_ int, s Full, a *answer) { a.say(s.Touch(h.ctx, k, d)) })
}

// keep keeps a hold; few, since each may hold a connection.
func (h *history) keep(ho *hold, ok bool) {
	if !ok || h.Failed() {
		ho.release()
		return
	}
	h.holds = append(h.holds, ho)
	if len(h.holds) > 4 {
		h.end(h.holds[0])
	}
}

// end uses a hold once, or releases it.
func (h *history) end(ho *hold) {
	k := ho.keys[0]
	switch {
	case ho.undos[0] != nil:
		h.both("undo "+k.Name, func(i int, _ Full, a *answer) { a.err(ho.undos[i].Undo(h.ctx)) })
	case ho.many[0] != nil:
		var ss []backends.Session
		for _, k := range ho.keys[:h.rng.IntN(len(ho.keys)+1)] {
			ss = append(ss, h.random(k, h.sure(k, ho)))
		}
		h.both(fmt.Sprint("swap of ", len(ss)), func(i int, _ Full, a *answer) { a.err(ho.many[i].Swap(h.ctx, ss)) })
	default:
		// Two guards of an absent key may share a claim; it goes with the first
		// that is given back unused, or refused for its tombstone.
		sure := h.sure(k, ho)
		sess := h.random(k, sure)
		switch n := h.rng.IntN(10); {
		case n < 4 && (sure || !ho.guards[1].Record().Gone):
			h.both("swap "+k.Name, func(i int, _ Full, a *answer) { a.err(ho.guards[i].Swap(h.ctx, sess)) })
		case n < 7:
			h.both("guarded revive "+k.Name, func(i int, _ Full, a *answer) { a.err(ho.guards[i].Revive(h.ctx, sess)) })
		case n < 9 || !sure:
			h.both("guarded bury "+k.Name, func(i int, _ Full, a *answer) { a.err(ho.guards[i].Bury(h.ctx, time.Minute)) })
		}
	}
	ho.release()
	h.holds = slices.DeleteFunc(h.holds, func(other *hold) bool { return other == ho })
}

func (h *history) use() {
	if len(h.holds) > 0 {
		h.end(pick(h, h.holds...))
	}
}

func (h *history) guardMany() {
	if _, ok := h.stores[0].(backends.BatchGuarder); !ok {
		return
	}
	ho := &hold{keys: h.keys}
	h.both("guard many", func(i int, s Full, a *answer) {
		g, err := s.(backends.BatchGuarder).GuardMany(h.ctx, h.keys, time.Now().Add(19*time.Second))
		if a.err(err); err == nil {
			ho.many[i] = g
			for _, r := range g.Records() {
				h.record(a, r)
			}
		}
	})
	h.keep(ho, ho.many[0] != nil)
}

func (h *history) marks(k backends.Key) {
	m := mark(h.rng.IntN(3), uint64(h.rng.IntN(3)))
	switch h.rng.IntN(4) {
	case 0, 1:
		h.both("put mark "+k.Name, func(_ int, s Full, a *answer) { a.err(s.PutMark(h.ctx, k, m, time.Minute)) })
	case 2:
		ms := []backends.Mark{m, mark(h.rng.IntN(3), 0)}
		h.both("drop marks "+k.Name, func(_ int, s Full, a *answer) { a.err(s.DropMarks(h.ctx, k, ms)) })
	default:
		h.both("marks "+k.Name, func(_ int, s Full, a *answer) {
			ms, err := s.Marks(h.ctx, k)
			slices.SortFunc(ms, compareMarks)
			a.say(len(ms), ms, err)
		})
	}
}

func (h *history) lock() {
	k, value := pick(h, h.locks...), pick(h, "one", "two")
	switch h.rng.IntN(3) {
	case 0:
		h.both("lock", func(_ int, s Full, a *answer) { a.say(s.Lock(h.ctx, k, value, time.Minute)) })
	case 1:
		h.both("unlock", func(_ int, s Full, a *answer) { a.say(s.Unlock(h.ctx, k, value)) })
	default:
		h.both("lock value", func(_ int, s Full, a *answer) { a.say(s.LockValue(h.ctx, k)) })
	}
}

// scan: claims may come too.
func (h *history) scan() {
	h.both("scan", func(_ int, s Full, a *answer) {
		var names []string
		err := s.Scan(h.ctx, h.prefix, func(some []string) error {
			names = append(names, some...)
			return nil
		})
		names = slices.DeleteFunc(names, func(name string) bool {
			k := backends.Key{Name: name}
			return h.held(k, nil) && !h.stands(k)
		})
		slices.Sort(names)
		a.say(strings.Join(slices.Compact(names), " "), err)
	})
}
