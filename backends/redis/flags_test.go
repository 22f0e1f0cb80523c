package redis_test

import (
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestNativeOverwrite: flags beside a session are those of its bytes. A native
// client knows nothing of them, and what it writes has the usual ones.
func TestNativeOverwrite(t *testing.T) {
	srv := backendtest.Redis(t)
	s, native := open(t, redis.Options{Addr: srv.Addr(), KeepFlags: true}), direct(t, srv.Addr())
	ctx := t.Context()
	odd := session("a", "data")
	odd.Key.Usual, odd.Flags = 1, 2
	flags := func(want uint32) {
		t.Helper()
		got, found, err := s.Get(ctx, odd.Key)
		rec, err2 := s.Read(ctx, odd.Key)
		if err != nil || err2 != nil || !found || got.Flags != want || rec.Flags != want {
			t.Errorf("got flags %d and %d, %v, %v, want %d", got.Flags, rec.Flags, err, err2, want)
		}
	}
	if err := s.Set(ctx, odd); err != nil {
		t.Fatal(err)
	}
	flags(2)
	if err := native.Set(ctx, "a", "other", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	flags(1)
	beside := backends.FlagsKey("test", odd.Key).Name
	for _, kept := range []string{"", "1", "1 2", "2 2 x", "1 4294967296 x", "1 x y"} { // of other versions, or spoilt
		if err := native.Set(ctx, beside, kept, 0).Err(); err != nil {
			t.Fatal(err)
		}
		flags(1)
	}
}

// TestFlagsHaveTheSessionsLife, and the usual ones have no key at all.
func TestFlagsHaveTheSessionsLife(t *testing.T) {
	srv := backendtest.Redis(t)
	s, native := open(t, redis.Options{Addr: srv.Addr(), KeepFlags: true}), direct(t, srv.Addr())
	ctx := t.Context()
	count := func(want int64, what string) {
		t.Helper()
		if got := native.DBSize(ctx).Val(); got != want {
			t.Errorf("%s: %d keys, want %d", what, got, want)
		}
	}
	usual := session("a", "data")
	usual.Flags, usual.Key.Usual = 2, 2
	odd := session("a", "data")
	odd.Flags = 5
	beside := backends.FlagsKey("test", odd.Key).Name
	same := func(what string) {
		t.Helper()
		a, b := native.PExpireTime(ctx, "a").Val(), native.PExpireTime(ctx, beside).Val()
		if a != b {
			t.Errorf("%s: the session ends at %v, its flags at %v", what, a, b)
		}
	}
	for _, step := range []struct {
		what string
		do   func() error
		want int64
	}{
		{"usual", func() error { return s.Set(ctx, usual) }, 1},
		{"odd", func() error { return s.Set(ctx, odd) }, 2},
		{"touch", func() error { _, err := s.Touch(ctx, odd.Key, time.Now().Add(time.Minute)); return err }, 2},
		{"for ever", func() error { _, err := s.Touch(ctx, odd.Key, time.Time{}); return err }, 2},
		{"usual again", func() error { return s.Set(ctx, usual) }, 1},
		{"odd again", func() error { return s.Set(ctx, odd) }, 2},
		{"delete", func() error { _, err := s.Delete(ctx, odd.Key); return err }, 0},
		{"add and undo", func() error {
			_, u, err := s.AddUndo(ctx, odd)
			if err != nil {
				return err
			}
			count(2, "add")
			return u.Undo(ctx)
		}, 0},
		{"bury", func() error {
			if err := s.Set(ctx, odd); err != nil {
				return err
			}
			_, err := s.Bury(ctx, odd.Key, time.Minute)
			return err
		}, 1}, // the tombstone
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		count(step.want, step.what)
		if step.want == 2 {
			same(step.what)
		}
	}
}

// TestFlagsAreGuarded: who changes flags alone has modified the session.
func TestFlagsAreGuarded(t *testing.T) {
	srv := backendtest.Redis(t)
	s, native := open(t, redis.Options{Addr: srv.Addr(), KeepFlags: true}), direct(t, srv.Addr())
	if err := s.Set(t.Context(), session("a", "x")); err != nil {
		t.Fatal(err)
	}
	g, err := s.Guard(t.Context(), key("a"), time.Now().Add(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Release()
	if err := native.Set(t.Context(), backends.FlagsKey("test", key("a")).Name, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := g.Swap(t.Context(), session("a", "y")); err != backends.ErrConflict {
		t.Errorf("got %v, want ErrConflict", err)
	}
}
