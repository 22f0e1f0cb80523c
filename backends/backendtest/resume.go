package backendtest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

var resumeCases = []testCase{
	{"resume/from each place", func(e *env) {
		s := ability[backends.Resumer](e)
		const n = 4000
		mine := map[string]bool{}
		for i := range n {
			// The order of ids is not that in which they come.
			k := e.key(fmt.Sprintf("%04x-and-what-is-secret", i*40503%65536))
			e.set(k, "x")
			mine[k.Name] = true
		}
		stop := errors.New("stop")
		seen := map[string]bool{}
		runs, place := 0, ""
		for ; runs < 1000; runs++ {
			next := place
			fresh, err := s.ScanFrom(e.ctx, place, func(names []string, after string) error {
				for _, name := range names {
					if mine[name] {
						seen[name] = true
					}
				}
				if after != "" && after != next {
					next = after
					return stop
				}
				return nil
			})
			if fresh {
				e.Fatalf("place %d no longer counts, and the server is the same", runs)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, stop) {
				e.Fatalf("scan from place %d: %v", runs, err)
			}
			for name := range mine {
				if strings.Contains(next, name) || strings.HasSuffix(next, name[len(name)-8:]) {
					e.Fatalf("a place holds a whole name")
				}
			}
			place = next
		}
		if len(seen) != n {
			e.Errorf("%d names in %d runs, want %d", len(seen), runs, n)
		}
	}},
	{"resume/size", func(e *env) {
		s := ability[backends.Sizer](e)
		for i := range 100 {
			e.set(e.key(fmt.Sprint(i)), "x")
		}
		// Statistics may be late, and others write here too.
		if n, err := s.Size(e.ctx); err != nil || n < 0 {
			e.Errorf("size: got %d, %v", n, err)
		}
	}},
}
