package redis_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

const (
	theKey  = "sess:0123456789abcdef"
	theData = "user_id|i:42;"
	thePass = "correct-horse"
)

// TestErrorReplies: what the server refuses is an error, never a miss, changes
// nothing, and names no session.
func TestErrorReplies(t *testing.T) {
	ctx := t.Context()
	for _, tt := range []struct {
		name  string
		args  []string
		setup [][]any
		opts  redis.Options
		code  string
		reads bool // reads fail too
	}{
		{name: "no password", args: []string{"--requirepass", thePass}, code: "NOAUTH", reads: true},
		{name: "wrong password", args: []string{"--requirepass", thePass}, opts: redis.Options{Password: thePass + "2"}, code: "WRONGPASS", reads: true},
		{name: "wrong user", args: []string{"--requirepass", thePass}, opts: redis.Options{Username: "nobody", Password: thePass}, code: "WRONGPASS", reads: true},
		{name: "full", args: []string{"--maxmemory", "1", "--maxmemory-policy", "noeviction"}, code: "OOM"},
		{name: "replica", setup: [][]any{{"REPLICAOF", "127.0.0.1", "1"}}, code: "READONLY"},
		{name: "replica without data", setup: [][]any{{"CONFIG", "SET", "replica-serve-stale-data", "no", "replica-read-only", "no"}, {"REPLICAOF", "127.0.0.1", "1"}}, code: "MASTERDOWN", reads: true},
		{name: "not allowed", setup: [][]any{{"ACL", "SETUSER", "default", "resetkeys", "~other:*"}}, code: "NOPERM", reads: true},
		{name: "command renamed", args: []string{"--rename-command", "SET", "", "--rename-command", "GET", "", "--rename-command", "EVALSHA", ""}, code: "ERR", reads: true},
		{name: "no session", setup: [][]any{{"LPUSH", theKey, "x"}}, code: "WRONGTYPE", reads: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := backendtest.Redis(t, tt.args...)
			c := direct(t, srv.Addr())
			for _, cmd := range tt.setup {
				if err := c.Do(ctx, cmd...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			opts := tt.opts
			opts.Addr = srv.Addr()
			s := open(t, opts)
			check := func(what string, err error) {
				t.Helper()
				var reply *redis.ReplyError
				if !errors.As(err, &reply) || reply.Code != tt.code {
					t.Errorf("%s: got %v, want an answer %s", what, err, tt.code)
				}
				if _, unknown := backends.IsUnknown(err); unknown {
					t.Errorf("%s: a refusal has no unknown outcome", what)
				}
				for _, secret := range []string{theKey, "sess:", theData, "user_id", thePass} {
					if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), secret) {
						t.Errorf("%s: the error names %q: %v", what, secret, err)
					}
				}
			}
			if tt.code != "WRONGTYPE" { // SET replaces anything
				check("set", s.Set(ctx, session(theKey, theData)))
			}
			if tt.code != "WRONGTYPE" {
				_, err := s.Add(ctx, session(theKey, theData))
				check("add", err)
			}
			if tt.reads {
				_, found, err := s.Get(ctx, key(theKey))
				check("get", err)
				_, err = s.Read(ctx, key(theKey))
				check("read", err)
				if found {
					t.Error("found and an error")
				}
				_, err = s.ReadMany(ctx, []backends.Key{key(theKey)})
				check("read many", err)
				_, err = s.Guard(ctx, key(theKey), time.Now().Add(time.Second))
				check("guard", err)
			} else {
				if _, found, err := s.Get(ctx, key(theKey)); err != nil || found {
					t.Errorf("get: %v, %v, want missing", found, err)
				}
				g, err := s.Guard(ctx, key(theKey), time.Now().Add(time.Second))
				if err != nil {
					t.Fatal(err)
				}
				check("swap", g.Swap(ctx, session(theKey, theData)))
				g.Release()
			}
			if got := s.Set(ctx, session(strings.Repeat("k", 251), "x")); !errors.Is(got, backends.ErrKey) {
				t.Errorf("got %v, want ErrKey", got)
			}
		})
	}
}

func TestPassword(t *testing.T) {
	srv := backendtest.Redis(t, "--requirepass", thePass)
	s := open(t, redis.Options{Addr: srv.Addr(), Password: thePass, DB: 3})
	if err := s.Set(t.Context(), session("a", "x")); err != nil {
		t.Fatal(err)
	}
	if _, found, err := s.Get(t.Context(), key("a")); err != nil || !found {
		t.Errorf("get: %v, %v", found, err)
	}
	other := open(t, redis.Options{Addr: srv.Addr(), Password: thePass})
	if _, found, err := other.Get(t.Context(), key("a")); err != nil || found {
		t.Errorf("database 0 has what was written to 3: %v, %v", found, err)
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	opts := redis.Options{Password: thePass}
	j, err := json.Marshal(opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{fmt.Sprint(opts), fmt.Sprintf("%+v %#v %q %x %v", opts, opts, opts.Password, opts.Password, &opts), string(j)} {
		if strings.Contains(got, thePass) || strings.Contains(got, fmt.Sprintf("%x", thePass)) {
			t.Errorf("the password is in %s", got)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	srv := backendtest.Redis(t)
	addr := srv.Addr()
	if err := srv.Stop(); err != nil {
		t.Fatal(err)
	}
	s := open(t, redis.Options{Addr: addr})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	begin := time.Now()
	err := s.Set(ctx, session(theKey, theData))
	if _, unknown := backends.IsUnknown(err); err == nil || unknown {
		t.Errorf("got %v, want an error: nothing was sent", err)
	}
	if _, found, err := s.Get(ctx, key(theKey)); err == nil || found {
		t.Errorf("got %v, %v, want an error", found, err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("a refused connection took %v: somebody retries until the deadline", took)
	}
}

func TestHealthEvicts(t *testing.T) {
	srv := backendtest.Redis(t, "--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru")
	s := open(t, redis.Options{Addr: srv.Addr()})
	for i := range 60 {
		if err := s.Set(t.Context(), session(fmt.Sprint(i), strings.Repeat("x", 100_000))); err != nil {
			t.Fatal(err)
		}
	}
	h, err := s.Health(t.Context())
	if err != nil || !h.Evicts || h.Evictions == 0 || h.Product != "redis" || len(h.RunID) != 40 || !strings.Contains(h.Version, ".") {
		t.Errorf("got %+v, %v", h, err)
	}
}
