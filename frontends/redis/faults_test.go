package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

var errStore = errors.New("store is away")

// TestFaults lets each call of Sessions fail: never a miss, and the connection
// lives on.
func TestFaults(t *testing.T) {
	const away = "-ERR store is away\r\n"
	for _, tt := range []struct {
		op, in string
		err    error
		want   string
	}{
		{"get", "GET s.a", errStore, away}, {"get", "STRLEN s.a", errStore, away}, {"get", "MGET s.a s.b", errStore, away}, {"get", "EXISTS s.a", errStore, away},
		{"read", "TTL s.a", errStore, away}, {"read", "PTTL s.a", errStore, away},
		{"set", "SET s.a v", errStore, away}, {"set", "SETEX s.a 1 v", errStore, away},
		{"add", "SET s.a v NX", errStore, away}, {"add", "SETNX s.a v", errStore, away},
		{"get", "GETRANGE s.a 0 1", errStore, away}, {"get", "TYPE s.a", errStore, away}, {"get", "TOUCH s.a", errStore, away}, {"get", "GETEX s.a", errStore, away},
		{"read", "EXPIRETIME s.a", errStore, away}, {"read", "PEXPIRETIME s.a", errStore, away},
		{"edit", "SET s.a v XX", errStore, away}, {"edit", "SET s.a v GET", errStore, away}, {"edit", "SET s.a v KEEPTTL", errStore, away},
		{"edit", "GETSET s.a v", errStore, away}, {"edit", "GETDEL s.a", errStore, away}, {"edit", "GETEX s.a EX 9", errStore, away}, {"edit", "GETEX s.a PERSIST", errStore, away},
		{"edit", "PERSIST s.a", errStore, away}, {"edit", "EXPIRE s.a 9 NX", errStore, away}, {"edit", "EXPIRE s.a -1 LT", errStore, away},
		{"edit", "APPEND s.a v", errStore, away}, {"edit", "INCR s.a", errStore, away}, {"edit", "DECRBY s.a 5", errStore, away},
		{"edit", "APPEND s.a v", backends.ErrTooLarge, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
		{"touch", "EXPIRE s.a 9", errStore, away}, {"delete", "EXPIRE s.a -1", errStore, away}, {"delete", "DEL s.b s.a", errStore, away},
		{"lock", "SET l.a t NX PX 5", errStore, away}, {"lock", "SETNX l.a t", errStore, away},
		{"unlock", "EVALSHA " + sha + " 1 l.a t", errStore, away}, {"unlock", "DEL l.a", errStore, away},
		{"set", "SET s.a v", fmt.Errorf("set: %w", backends.ErrTooLarge), "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"},
		{"set", "SET s.a v", backends.ErrKey, "-ERR key cannot be a session's: crossfade takes 1 to 250 bytes without spaces or control characters\r\n"},
		{"get", "GET s.a", context.DeadlineExceeded, "-ERR session store did not answer in time\r\n"},
		{"get", "GET s.secret", errors.New("duplicate entry 'secret'"), "-ERR session store failed\r\n"},
		{"get", "GET s.a", errors.New("a\r\n+OK\r\n"), "-ERR a  +OK  \r\n"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			f := frontendtest.New(t, web)
			f.Fault = func(op string, _ kinds.Ref) error {
				if op == tt.op {
					return tt.err
				}
				return nil
			}
			if got, want := frontendtest.Play(t, redis.New(f, redis.Options{}), lines(tt.in, "PING")), tt.want+"+PONG\r\n"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// TestFaultAmongKeys fails the i-th key of an MGET, for all i: one error is
// the whole answer, and where too much has gone out, the connection ends.
func TestFaultAmongKeys(t *testing.T) {
	for _, hold := range []int{1 << 20, 2000} {
		for i := range 10 {
			f := frontendtest.New(t, web)
			args := []string{"MGET"}
			for n := range 10 {
				args = append(args, fmt.Sprintf("s.%d", n))
				r, _ := f.Resolve([]byte(args[n+1]))
				f.Set(t.Context(), r, backends.Session{Data: []byte(strings.Repeat("x", 500))})
			}
			f.Fault = func(op string, r kinds.Ref) error {
				if op == "get" && r.ID == fmt.Sprint(i) {
					return errStore
				}
				return nil
			}
			got := frontendtest.Play(t, redis.New(f, redis.Options{Server: frontends.Options{Hold: hold, Output: 1000}}), cmd(args...)+cmd("PING"))
			if whole := "-ERR store is away\r\n+PONG\r\n"; i < 4 || hold > 2000 {
				if got != whole {
					t.Errorf("key %d: got %.100q, want %q", i, got, whole)
				}
			} else if strings.Contains(got, "ERR") || strings.Contains(got, "PONG") {
				t.Errorf("key %d: got …%q, want the connection to end", i, got[max(0, len(got)-200):])
			}
		}
	}
}

// TestCalls is what reaches the layer.
func TestCalls(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Now = noon
	frontendtest.Play(t, redis.New(f, redis.Options{Server: frontends.Options{Now: noon}}), lines(
		"SET s.a v", "SETEX s.a 1440 v", "PSETEX s.a 5000 v", "SET s.a v EXAT 4102444800", "SET s.a v PXAT 1", "SET s.b v NX EX 9", "SETNX s.b v",
		"EXPIRE s.b 1440", "EXPIREAT s.b 4102444800", "EXPIRE s.b 0", "GET s.b", "GET l.b", "TTL s.b", "UNLINK s.b",
		"SET l.a t NX PX 30000", "SETNX l.a t", "EVALSHA "+sha+" 1 l.a t", "DEL l.a", "GET other", "DEL s.a other"))
	want := []string{`set s.a 0 "v" 0s`, `set s.a 0 "v" 1440s`, `set s.a 0 "v" 5s`, `set s.a 0 "v" 2307182400s`, `set s.a 0 "v" past`, `add s.b 0 "v" 9s`, `add s.b 0 "v" 0s`,
		"touch s.b 1440s", "touch s.b 2307182400s", "delete s.b", "get s.b", "read s.b", "delete s.b",
		"lock l.a 30s", "lock l.a 0s", "unlock l.a", "unlock l.a"}
	if got := f.Calls(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestUnknownDeadline: no store says how long, so -1 (for ever) would be wrong.
func TestUnknownDeadline(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Blind = true
	got := frontendtest.Play(t, redis.New(f, redis.Options{}), lines("TTL s.a", "SETEX s.a 900 v", "TTL s.a", "PTTL s.a", "EXPIRETIME s.a", "EXPIRE s.a 5 GT", "PERSIST s.a", "EXPIRE s.b 5 NX",
		"INCR s.c", "APPEND s.a w", "SET s.a v KEEPTTL", "GET s.a"))
	const cannot = "-ERR session store cannot say how long this session still lives: set or touch it, or ask again later\r\n"
	if want := ":-2\r\n" + ok + strings.Repeat(cannot, 5) + ":0\r\n:1\r\n:2\r\n" + ok + str("v"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Blind = false // what was kept is what was there
	r, _ := f.Resolve([]byte("s.a"))
	if got, _, _ := f.Read(t.Context(), r); time.Until(got.Deadline) < 800*time.Second {
		t.Errorf("a change and a KEEPTTL made the deadline %v", got.Deadline)
	}
}
