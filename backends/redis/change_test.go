package redis_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

func key(name string) backends.Key { return backends.Key{Name: name} }

func session(name, data string) backends.Session {
	return backends.Session{Key: key(name), Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

// patient gives the making of a connection the time that it takes on a busy
// machine, TLS and all.
func patient(opts redis.Options) redis.Options {
	opts.Migration = "test"
	if opts.DialTimeout == 0 {
		opts.DialTimeout = 15 * time.Second
	}
	return opts
}

func open(t testing.TB, opts redis.Options) *redis.Store {
	t.Helper()
	s := redis.New(patient(opts))
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// direct is a client without the store, as an administrator has one.
func direct(t testing.TB, addr string) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: addr})
	t.Cleanup(func() { c.Close() })
	return c
}

// timeOut makes a Set that does not arrive, and gives its Unknown. What a busy
// machine has not sent in time is tried again, with more.
func timeOut(t *testing.T, s *redis.Store, name string) *backends.Unknown {
	t.Helper()
	return unsure(t, func(ctx context.Context) error { return s.Set(ctx, session(name, "HELD")) })
}

func unsure(t *testing.T, change func(context.Context) error) *backends.Unknown {
	t.Helper()
	var err error
	for _, d := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 10 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		err = change(ctx)
		cancel()
		if u, unknown := backends.IsUnknown(err); unknown {
			return u
		}
	}
	t.Fatalf("got %v, want an Unknown", err)
	return nil
}

// TestSettleKillsTheConnection: the call is on its way and would still arrive;
// once Settle has answered it cannot.
func TestSettleKillsTheConnection(t *testing.T) {
	srv := backendtest.Redis(t)
	p := hold(t, srv.Addr(), "HELD")
	s := open(t, redis.Options{Addr: p.Addr().String()})
	if err := s.Set(t.Context(), session("a", "before")); err != nil {
		t.Fatal(err)
	}
	u := timeOut(t, s, "a")
	select {
	case <-u.Done():
		t.Fatal("the doubt has ended while the call is on its way")
	default:
	}
	if err := u.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-u.Done()
	p.release()
	if err := s.Set(t.Context(), session("b", "after")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Get(t.Context(), key("a")); err != nil || string(got.Data) != "before" {
		t.Errorf("got %q, %v: a settled call has arrived", got.Data, err)
	}
}

// TestLostConnectionStaysInDoubt: the connection is gone on this side, and the
// call still on its way on the other.
func TestLostConnectionStaysInDoubt(t *testing.T) {
	srv := backendtest.Redis(t)
	p := hold(t, srv.Addr(), "HELD")
	s := open(t, redis.Options{Addr: p.Addr().String()})
	if err := s.Set(t.Context(), session("a", "before")); err != nil {
		t.Fatal(err)
	}
	u := timeOut(t, s, "a")
	p.hangUp()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		if h, err := s.Health(t.Context()); err == nil && h.Parked == 0 {
			break // the store has noticed
		}
		if time.Now().After(end) {
			t.Fatal("a lost connection is parked for ever")
		}
	}
	select {
	case <-u.Done():
		t.Fatal("the doubt has ended with the connection; the call may still arrive")
	default:
	}
	if err := u.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.release()
	if err := s.Set(t.Context(), session("b", "after")); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Get(t.Context(), key("a")); err != nil || string(got.Data) != "before" {
		t.Errorf("got %q, %v: a settled call has arrived", got.Data, err)
	}
}

func TestSettleByName(t *testing.T) {
	srv := backendtest.Redis(t)
	s := open(t, redis.Options{Addr: srv.Addr()})
	for conn, ok := range map[string]bool{"id:123456": true, "": false, "id:": false, "127.0.0.1:80": false} {
		if err := s.Settle(t.Context(), conn, ""); (err == nil) != ok {
			t.Errorf("connection %q: got %v", conn, err)
		}
	}
	if err := s.Settle(t.Context(), "id:1", "a server of before"); err != nil {
		t.Errorf("another run id settles: got %v", err)
	}
}

// TestBusy: with half of the pool parked, changes are refused at once, and
// there is still a way to ask the server.
func TestBusy(t *testing.T) {
	srv := backendtest.Redis(t)
	p := hold(t, srv.Addr(), "HELD")
	s := open(t, redis.Options{Addr: p.Addr().String(), Conns: 4})
	unknowns := []*backends.Unknown{timeOut(t, s, "a"), timeOut(t, s, "b")}
	begin := time.Now()
	if err := s.Set(t.Context(), session("c", "x")); !errors.Is(err, backends.ErrBusy) {
		t.Errorf("got %v, want ErrBusy", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	if _, _, err := s.Get(t.Context(), key("c")); err != nil {
		t.Errorf("get: %v", err)
	}
	h, err := s.Health(t.Context())
	if err != nil || h.Parked != 2 {
		t.Errorf("health: got %d parked, %v, want 2", h.Parked, err)
	}
	for _, u := range unknowns {
		if err := u.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(30 * time.Second); s.Set(t.Context(), session("c", "x")) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("changes are refused for ever")
		}
	}
}

// TestOneCommandEach counts what the server has run: one command for a call,
// and no change twice.
func TestOneCommandEach(t *testing.T) {
	srv := backendtest.Redis(t)
	s := open(t, redis.Options{Addr: srv.Addr()})
	c := direct(t, srv.Addr())
	ctx := t.Context()
	const n = 10
	for _, tt := range []struct {
		cmd  string
		call func(k backends.Key) error
	}{
		{"set", func(k backends.Key) error { return s.Set(ctx, session(k.Name, "x")) }},
		{"get", func(k backends.Key) error { _, _, err := s.Get(ctx, k); return err }},
		{"del", func(k backends.Key) error { _, err := s.Delete(ctx, k); return err }},
		{"pexpireat", func(k backends.Key) error { _, err := s.Touch(ctx, k, time.Now().Add(time.Hour)); return err }},
		{"set", func(k backends.Key) error { _, err := s.Lock(ctx, k, "v", time.Minute); return err }},
		{"evalsha", func(k backends.Key) error { _, err := s.Unlock(ctx, k, "v"); return err }},
		{"evalsha", func(k backends.Key) error { _, err := s.Add(ctx, session(k.Name, "x")); return err }},
		{"evalsha", func(k backends.Key) error { _, err := s.Bury(ctx, k, time.Minute); return err }},
		{"evalsha", func(k backends.Key) error { return s.Revive(ctx, session(k.Name, "x")) }},
		{"evalsha", func(k backends.Key) error { return s.PutMark(ctx, k, backends.Mark{Agent: "a"}, 0) }},
	} {
		if err := tt.call(key("warm")); err != nil {
			t.Fatal(err)
		}
		if err := c.ConfigResetStat(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := tt.call(key(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		stats := c.Info(ctx, "commandstats").Val()
		if want := fmt.Sprintf("cmdstat_%s:calls=%d,", tt.cmd, n); !strings.Contains(stats, want) {
			t.Errorf("want %s in\n%s", want, stats)
		}
		if tt.cmd != "evalsha" { // whose own commands are counted too
			for line := range strings.Lines(stats) {
				name, _, _ := strings.Cut(line, ":")
				if strings.HasPrefix(name, "cmdstat_") && name != "cmdstat_"+tt.cmd && name != "cmdstat_config|resetstat" && name != "cmdstat_info" {
					t.Errorf("%s costs another command: %s", tt.cmd, line)
				}
			}
		}
	}
}

func TestForgottenScripts(t *testing.T) {
	srv := backendtest.Redis(t)
	s := open(t, redis.Options{Addr: srv.Addr()})
	c := direct(t, srv.Addr())
	ctx := t.Context()
	for i := range 2 {
		name := fmt.Sprint(i)
		if stored, err := s.Add(ctx, session("a"+name, "x")); err != nil || !stored {
			t.Errorf("add: %v, %v", stored, err)
		}
		stored, u, err := s.AddUndo(ctx, session("b"+name, "x"))
		if err != nil || !stored {
			t.Fatalf("add with undo: %v, %v", stored, err)
		}
		if err := u.Undo(ctx); err != nil {
			t.Error(err)
		}
		g, err := s.Guard(ctx, key("c"+name), time.Now().Add(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		if err := g.Swap(ctx, session("c"+name, "x")); err != nil {
			t.Error(err)
		}
		if found, err := s.Bury(ctx, key("c"+name), time.Second); err != nil || !found {
			t.Errorf("bury: %v, %v", found, err)
		}
		if err := c.ScriptFlush(ctx).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseEndsGoroutines closes a store with an idle, a guarding and a parked
// connection.
func TestCloseEndsGoroutines(t *testing.T) {
	srv := backendtest.Redis(t)
	p := hold(t, srv.Addr(), "HELD")
	s := redis.New(patient(redis.Options{Addr: p.Addr().String()}))
	if err := s.Set(t.Context(), session("a", "x")); err != nil {
		t.Fatal(err)
	}
	g, err := s.Guard(t.Context(), key("a"), time.Now().Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	timeOut(t, s, "b")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	g.Release()
	b := make([]byte, 1<<20)
	if stacks := string(b[:runtime.Stack(b, true)]); strings.Contains(stacks, "redis.(*line)") {
		t.Errorf("a goroutine outlives the store:\n%s", stacks)
	}
}
