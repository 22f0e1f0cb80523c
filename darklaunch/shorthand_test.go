package darklaunch_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

var bg = context.Background()

func hourly(v string) backends.Session {
	return backends.Session{Data: []byte(v), Deadline: time.Now().Add(time.Hour)}
}

func at(s backends.Session, k backends.Key) backends.Session { s.Key = k; return s }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantGet(t testing.TB, what string, d *darklaunch.Door, r kinds.Ref, want string) {
	t.Helper()
	s, found, err := d.Get(bg, r)
	if err != nil {
		t.Logf("%s: %v", what, err) // an error breaks no promise
		return
	}
	got := "missing"
	if found {
		got = string(s.Data)
	}
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// askedSource lets something happen while Status is being made.
type askedSource struct {
	*flags.Static
	mu sync.Mutex
	fn func()
}

func (s *askedSource) Status() flags.Status {
	s.mu.Lock()
	fn := s.fn
	s.mu.Unlock()
	if fn != nil {
		fn()
	}
	return s.Static.Status()
}

// noFlags is a store without room for flags, as Redis.
type noFlags struct{ *memory.Store }

func (noFlags) KeepsFlags() bool { return false }

func (s noFlags) Set(ctx context.Context, x backends.Session) error {
	x.Flags = 0
	return s.Store.Set(ctx, x)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
