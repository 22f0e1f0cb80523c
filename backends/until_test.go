package backends

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type word string

// TestUntil: whoever asks gets what package context would give.
func TestUntil(t *testing.T) {
	for name, ends := range map[string]func(cancel func()){
		"at its moment": func(func()) { time.Sleep(time.Minute) },
		"with its base": func(cancel func()) { cancel() },
	} {
		for _, asked := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				base, cancel := context.WithCancel(context.WithValue(t.Context(), word("a"), "b"))
				defer cancel()
				at := time.Now().Add(time.Minute)
				std, stop := context.WithDeadline(base, at)
				defer stop()
				var u Until
				u.Begin(base, at)
				if d, ok := u.Deadline(); !ok || !d.Equal(at) || u.Err() != nil || u.Value(word("a")) != "b" {
					t.Errorf("%s: got %v, %v, %v, %v", name, d, ok, u.Err(), u.Value(word("a")))
				}
				var waited sync.WaitGroup
				if asked {
					for range 4 { // at the same time
						waited.Go(func() { <-u.Done() })
					}
					child, cancel := context.WithCancel(&u)
					defer cancel()
					defer func() {
						if <-child.Done(); !errors.Is(child.Err(), std.Err()) {
							t.Errorf("%s: a child ends with %v, want %v", name, child.Err(), std.Err())
						}
					}()
				}
				ends(cancel)
				waited.Wait()
				synctest.Wait()
				if u.Err() != std.Err() || asked && context.Cause(&u) != context.Cause(std) {
					t.Errorf("%s: got %v because of %v, want %v", name, u.Err(), context.Cause(&u), std.Err())
				}
				if unused := u.End(); unused == asked {
					t.Errorf("%s: End says that it is unused: %v, and Done was asked: %v", name, unused, asked)
				}
			})
		}
	}
	var u Until
	if n := testing.AllocsPerRun(100, func() {
		u.Begin(context.Background(), time.Now().Add(time.Minute))
		u.Err()
		u.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
