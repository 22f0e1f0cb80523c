package backendtest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var sessionCases = []testCase{
	{"session/missing", func(e *env) {
		e.wantMissing(e.key("a"))
	}},
	{"session/set and get", func(e *env) {
		a, b := e.key("a"), e.key("b")
		e.set(a, "one")
		e.set(b, "two")
		e.wantData(a, "one")
		e.wantData(b, "two")
		e.set(a, "three")
		e.wantData(a, "three")
		e.wantData(b, "two")
	}},
	{"session/flags", func(e *env) {
		for _, flags := range []uint32{1, 768, 1<<32 - 1, 0} {
			s := e.session(e.key("a"), "data")
			s.Flags = flags
			e.must(e.store.Set(e.ctx, s))
			got, _, err := e.store.Get(e.ctx, s.Key)
			e.must(err)
			if want := e.flags(flags); got.Flags != want {
				e.Errorf("got flags %d, want %d", got.Flags, want)
			}
		}
	}},
	{"session/usual flags", func(e *env) {
		// Flags are kept whether or not they are the usual ones of the key.
		k := e.key("a")
		for _, k.Usual = range []uint32{0, 768} {
			for _, flags := range []uint32{768, 2, 0} {
				s := e.session(k, "data")
				s.Flags = flags
				e.must(e.store.Set(e.ctx, s))
				e.wantFlags(k, e.flags(flags))
			}
		}
	}},
	{"session/flags of every write", func(e *env) {
		if e.flags(1) == 0 {
			e.Skip("the store keeps no flags")
		}
		for name, write := range e.flagWrites() {
			for _, flags := range []uint32{2, 0} {
				k := e.key(fmt.Sprint(name, flags))
				k.Usual = 1
				s := e.session(k, "data")
				s.Flags = flags
				e.must(write(s))
				e.wantFlags(k, flags)
			}
		}
	}},
	{"session/flags outlive no session", func(e *env) {
		if e.flags(1) == 0 {
			e.Skip("the store keeps no flags")
		}
		usual := e.key("a")
		odd := e.session(usual, "same")
		odd.Flags = 7
		e.must(e.store.Set(e.ctx, odd))
		e.set(usual, "same") // with flags 0, and the very bytes
		e.wantFlags(usual, 0)
		e.must(e.store.Set(e.ctx, odd))
		e.delete(usual)
		e.set(usual, "same")
		e.wantFlags(usual, 0)
		if b, ok := e.store.(backends.Tombstoner); ok {
			e.must(e.store.Set(e.ctx, odd))
			_, err := b.Bury(e.ctx, usual, time.Minute)
			e.must(err)
			e.set(usual, "same")
			e.wantFlags(usual, 0)
		}
		t, ok := e.store.(backends.Toucher)
		if !ok {
			return
		}
		touches, d := e.before(func(k backends.Key, d time.Time) error {
			odd.Key, odd.Deadline = k, d
			e.must(e.store.Set(e.ctx, odd))
			found, err := t.Touch(e.ctx, k, time.Now().Add(time.Hour))
			if err == nil && !found {
				err = errors.New("touch: missing")
			}
			return err
		})
		e.eventually("the first deadline passes", func() bool { return time.Now().After(d.Add(e.opts.Exactness)) })
		e.wantFlags(touches, 7)
		_, err := t.Touch(e.ctx, touches, time.Time{})
		e.must(err)
		e.wantFlags(touches, 7)
	}},
	{"session/route", func(e *env) {
		// A route chooses the server and is no part of the name there.
		k := backends.Key{Name: e.prefix + "a", Route: "bare"}
		e.set(k, "data")
		e.wantData(k, "data")
	}},
	{"session/slice reused after set", func(e *env) {
		s := e.session(e.key("a"), "original")
		e.must(e.store.Set(e.ctx, s))
		copy(s.Data, "XXXXXXXX")
		e.wantData(s.Key, "original")
	}},
	{"session/returned slice belongs to the caller", func(e *env) {
		k := e.key("a")
		e.set(k, "original")
		s, _, err := e.store.Get(e.ctx, k)
		e.must(err)
		copy(s.Data, "XXXXXXXX")
		s.Data = append(s.Data, "more"...)
		e.wantData(k, "original")
		if r, ok := e.store.(backends.Reader); ok {
			rec, err := r.Read(e.ctx, k)
			e.must(err)
			copy(rec.Data, "YYYYYYYY")
			e.wantData(k, "original")
		}
	}},
	{"session/delete", func(e *env) {
		k := e.key("a")
		e.set(k, "data")
		for i, want := range []bool{true, false, false} {
			found, err := e.store.Delete(e.ctx, k)
			e.must(err)
			if found != want {
				e.Errorf("delete number %d: got found %v, want %v", i+1, found, want)
			}
			e.wantMissing(k)
		}
		e.set(k, "again")
		e.wantData(k, "again")
	}},
	{"session/concurrent", func(e *env) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				k := e.key(fmt.Sprint(i))
				for n := range 20 {
					data := fmt.Sprint(i, " ", n)
					if err := e.store.Set(e.ctx, e.session(k, data)); err != nil {
						e.Errorf("set: %v", err)
						return
					}
					if s, found, err := e.store.Get(e.ctx, k); err != nil || !found || string(s.Data) != data {
						e.Errorf("get: got %q, %v, %v, want %q", s.Data, found, err, data)
						return
					}
				}
			})
		}
		wg.Wait()
	}},
	{"session/close", func(e *env) {
		e.set(e.key("a"), "data")
		e.must(e.store.Close())
		e.must(e.store.Close())
		for _, c := range e.calls() {
			if err := c.do(e.ctx, e.key("a")); err == nil {
				e.Errorf("%s after Close: got nil, want ErrClosed", c.name)
			} else {
				e.wantErr(fmt.Errorf("%s: %w", c.name, err), backends.ErrClosed)
			}
		}
	}},
}

var dataCases = []testCase{
	{"data/empty", func(e *env) {
		k := e.key("a")
		e.set(k, "full")
		for _, empty := range [][]byte{{}, nil} {
			s := e.session(k, "")
			s.Data = empty
			e.must(e.store.Set(e.ctx, s))
			e.wantData(k, "")
		}
	}},
	{"data/protocol bytes", func(e *env) {
		for i, data := range []string{"\r\n", "a\r\nb", "END\r\n", "\r\nVALUE x 0 1\r\n", "$-1\r\n", "*0\r\n", "\x00", "\x80\x00\x00\x01", "EN\r\n", allBytes()} {
			k := e.key(fmt.Sprint(i))
			e.set(k, data)
			e.wantData(k, data)
		}
	}},
	{"data/large", func(e *env) {
		k := e.key("a")
		data := strings.Repeat("0123456789abcdef", e.opts.MaxData/16+1)[:e.opts.MaxData]
		e.set(k, data)
		e.wantData(k, data)
	}},
	{"data/too large", func(e *env) {
		k := e.key("a")
		s := e.session(k, "")
		s.Data = make([]byte, 1<<20+1)
		e.wantErr(e.store.Set(e.ctx, s), backends.ErrTooLarge)
		e.wantMissing(k)
		e.set(k, "small")
		e.wantErr(e.store.Set(e.ctx, s), backends.ErrTooLarge)
		e.wantData(k, "small") // an error other than Unknown: nothing was changed
		if a, ok := e.store.(backends.Adder); ok {
			_, err := a.Add(e.ctx, backends.Session{Key: e.key("b"), Data: s.Data})
			e.wantErr(err, backends.ErrTooLarge)
			e.wantMissing(e.key("b"))
		}
		if r, ok := e.store.(backends.Tombstoner); ok {
			e.wantErr(r.Revive(e.ctx, s), backends.ErrTooLarge)
			e.wantData(k, "small")
		}
		if g, ok := e.store.(backends.Guarder); ok {
			guard := e.guard(g, k)
			e.wantErr(guard.Swap(e.ctx, s), backends.ErrTooLarge)
			e.wantData(k, "small")
		}
	}},
	{"data/longest key", func(e *env) {
		k := backends.Key{Name: e.prefix + strings.Repeat("k", 250-len(e.prefix))}
		e.set(k, "data")
		e.wantData(k, "data")
		if r, ok := e.store.(backends.Tombstoner); ok {
			_, err := r.Bury(e.ctx, k, time5s)
			e.must(err)
			e.wantMissing(k)
		}
		if m, ok := e.store.(backends.Marker); ok {
			e.must(m.PutMark(e.ctx, k, mark(1, 1), time5s))
			e.wantMarks(m, k, mark(1, 1))
		}
	}},
	{"data/unusual keys", func(e *env) {
		for i, name := range []string{"{tag}x", "a{tag}", "{}", "*", "?[a-z]\\", "\"'`$(;", "caf\xc3\xa9", "\x80\xfe\xff", "%41", "a:b/c|d"} {
			k := e.key(name)
			e.set(k, fmt.Sprint(i))
			e.wantData(k, fmt.Sprint(i))
		}
	}},
	{"data/malformed key", func(e *env) {
		for _, name := range []string{"", strings.Repeat("k", 251), "a b", "a\r\nflush_all", "a\x00", "a\x7f"} {
			for _, c := range e.calls() {
				if c.keyless {
					continue
				}
				if err := c.do(e.ctx, backends.Key{Name: name}); err == nil {
					e.Errorf("%s of key %q: got nil, want ErrKey", c.name, name)
				} else {
					e.wantErr(fmt.Errorf("%s of key %q: %w", c.name, name, err), backends.ErrKey)
				}
			}
		}
		e.set(e.key("a"), "data") // and the connection is not out of step
		e.wantData(e.key("a"), "data")
	}},
}

// wantFlags fails unless k is there with these flags, however it is read.
func (e *env) wantFlags(k backends.Key, flags uint32) {
	e.Helper()
	s, found, err := e.store.Get(e.ctx, k)
	e.must(err)
	if !found || s.Flags != flags {
		e.Errorf("get: got %v with flags %d, want %d", found, s.Flags, flags)
	}
	if r, ok := e.store.(backends.Reader); ok {
		rec, err := r.Read(e.ctx, k)
		e.must(err)
		if rec.Flags != flags {
			e.Errorf("read: got flags %d, want %d", rec.Flags, flags)
		}
	}
	if r, ok := e.store.(backends.BatchReader); ok {
		recs, err := r.ReadMany(e.ctx, []backends.Key{e.key("other"), k})
		e.must(err)
		if recs[1].Flags != flags {
			e.Errorf("read many: got flags %d, want %d", recs[1].Flags, flags)
		}
	}
	if g, ok := e.store.(backends.Guarder); ok {
		guard := e.guard(g, k)
		if rec := guard.Record(); rec.Flags != flags {
			e.Errorf("guard: got flags %d, want %d", rec.Flags, flags)
		}
		guard.Release()
	}
}

// flagWrites is every way to write a session.
func (e *env) flagWrites() map[string]func(backends.Session) error {
	writes := map[string]func(backends.Session) error{
		"set": func(s backends.Session) error { return e.store.Set(e.ctx, s) },
	}
	if a, ok := e.store.(backends.Adder); ok {
		writes["add"] = func(s backends.Session) error { _, err := a.Add(e.ctx, s); return err }
		writes["add with undo"] = func(s backends.Session) error {
			_, u, err := a.AddUndo(e.ctx, s)
			if err == nil {
				u.Release()
			}
			return err
		}
	}
	if b, ok := e.store.(backends.Tombstoner); ok {
		writes["revive"] = func(s backends.Session) error { return b.Revive(e.ctx, s) }
	}
	if g, ok := e.store.(backends.Guarder); ok {
		writes["swap"] = func(s backends.Session) error {
			guard := e.guard(g, s.Key)
			defer guard.Release()
			return guard.Swap(e.ctx, s)
		}
		if b, ok := e.store.(backends.Tombstoner); ok {
			writes["guarded revive"] = func(s backends.Session) error {
				if _, err := b.Bury(e.ctx, s.Key, time.Minute); err != nil {
					return err
				}
				guard := e.guard(g, s.Key)
				defer guard.Release()
				return guard.Revive(e.ctx, s)
			}
		}
	}
	if g, ok := e.store.(backends.BatchGuarder); ok {
		writes["swap many"] = func(s backends.Session) error {
			guard := e.guardMany(g, []backends.Key{s.Key})
			defer guard.Release()
			return guard.Swap(e.ctx, []backends.Session{s})
		}
	}
	return writes
}

// flags is what is left of flags in the store.
func (e *env) flags(flags uint32) uint32 {
	if k, ok := e.store.(backends.FlagKeeper); ok && !k.KeepsFlags() {
		return 0
	}
	return flags
}

func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(slices.Concat(b, b))
}
