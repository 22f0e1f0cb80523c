package backendtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-41165957/crossfade/backends"
)

var scanCases = []testCase{
	{"scan/every key", func(e *env) {
		s := ability[backends.Scanner](e)
		const n = 5000
		var wg sync.WaitGroup
		for part := range 4 {
			wg.Go(func() {
				for i := part; i < n; i += 4 {
					if err := e.store.Set(e.ctx, e.session(e.key(fmt.Sprint(i)), "x")); err != nil {
						e.Errorf("set: %v", err)
						return
					}
				}
			})
		}
		wg.Wait()
		seen := e.scan(s, e.prefix)
		for i := range n {
			if !seen[e.key(fmt.Sprint(i)).Name] {
				e.Fatalf("key %d of %d was not listed; %d were", i, n, len(seen))
			}
		}
		if len(seen) != n {
			e.Errorf("%d names were listed, want %d", len(seen), n)
		}
	}},
	{"scan/prefix", func(e *env) {
		// A prefix is bytes, not a pattern.
		s := ability[backends.Scanner](e)
		names := []string{"*a", "?a", "[a]a", "\\a", "%41a", "{t}a", "^a", "xa", "a*", "caf\xc3\xa9", "\x80\xffa", "\"'`a", "a&b=c+d", "-a"}
		for _, name := range names {
			e.set(e.key(name), "x")
		}
		for _, name := range names {
			for _, prefix := range []string{name, name[:1]} {
				seen := e.scan(s, e.prefix+prefix)
				for _, other := range names {
					if want := strings.HasPrefix(other, prefix); seen[e.prefix+other] != want {
						e.Errorf("prefix %q: %q listed is %v, want %v", prefix, other, !want, want)
					}
				}
			}
		}
	}},
	{"scan/nothing", func(e *env) {
		if seen := e.scan(ability[backends.Scanner](e), e.prefix+"none"); len(seen) > 0 {
			e.Errorf("got %d names, want none", len(seen))
		}
	}},
	{"scan/an error ends it", func(e *env) {
		s := ability[backends.Scanner](e)
		for i := range 50 {
			e.set(e.key(fmt.Sprint(i)), "x")
		}
		enough := errors.New("enough")
		calls := 0
		err := s.Scan(e.ctx, e.prefix, func([]string) error { calls++; return enough })
		if !errors.Is(err, enough) || calls != 1 {
			e.Errorf("got %v after %d calls, want the error of fn after 1", err, calls)
		}
		e.wantData(e.key("0"), "x") // and the store is as before
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		err = s.Scan(ctx, e.prefix, func([]string) error { cancel(); return ctx.Err() })
		e.wantErr(err, context.Canceled)
	}},
	{"scan/fn may use the store", func(e *env) {
		s := ability[backends.Scanner](e)
		for i := range 50 {
			e.set(e.key(fmt.Sprint(i)), "x")
		}
		e.must(s.Scan(e.ctx, e.prefix, func(names []string) error {
			for _, name := range names {
				if _, err := e.store.Delete(e.ctx, backends.Key{Name: name}); err != nil {
					return err
				}
			}
			return nil
		}))
		if seen := e.scan(s, e.prefix); len(seen) > 0 {
			e.Errorf("%d are left", len(seen))
		}
	}},
}

// scan collects what is listed, and fails for a name without the prefix.
func (e *env) scan(s backends.Scanner, prefix string) map[string]bool {
	e.Helper()
	seen := map[string]bool{}
	e.must(s.Scan(e.ctx, prefix, func(names []string) error {
		for _, name := range names {
			if !strings.HasPrefix(name, prefix) {
				e.Errorf("prefix %q: got %q", prefix, name)
			}
			seen[name] = true
		}
		return nil
	}))
	return seen
}

var healthCases = []testCase{
	{"health", func(e *env) {
		h := ability[backends.Healther](e)
		e.set(e.key("a"), "x")
		first, err := h.Health(e.ctx)
		e.must(err)
		if first.Product == "" || first.Version == "" || first.RunID == "" {
			e.Errorf("got product %q, version %q, run id %q, want all three", first.Product, first.Version, first.RunID)
		}
		if first.Parked != 0 {
			e.Errorf("got %d parked connections, want none", first.Parked)
		}
		if e.opts.Server != nil && (first.Connections < 1 || first.Connections > e.opts.MaxConnections) {
			e.Errorf("got %d connections, want 1 to %d", first.Connections, e.opts.MaxConnections)
		}
		second, err := h.Health(e.ctx)
		e.must(err)
		if second.RunID != first.RunID {
			e.Errorf("the run id changes by itself: %q, %q", first.RunID, second.RunID)
		}
	}},
}
