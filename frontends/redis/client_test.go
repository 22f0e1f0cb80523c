package redis_test

import (
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

// TestGoRedis tries the client with its defaults: HELLO 3.
func TestGoRedis(t *testing.T) {
	f := frontendtest.New(t, web)
	c := goredis.NewClient(&goredis.Options{Addr: frontendtest.Start(t, redis.New(f, redis.Options{Password: "secret"})), Password: "secret", MaxRetries: -1})
	defer c.Close()
	ctx := t.Context()
	do := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	do(c.Ping(ctx).Err(), nil)
	do(c.Get(ctx, "s.a").Err(), goredis.Nil)
	do(c.Set(ctx, "s.a", "abc", time.Hour).Err(), nil)
	stored, err := c.SetNX(ctx, "s.a", "x", time.Hour).Result()
	do(err, nil)
	if stored {
		t.Error("SETNX over a session")
	}
	if got, err := c.Get(ctx, "s.a").Result(); got != "abc" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := c.TTL(ctx, "s.a").Result(); got != time.Hour || err != nil {
		t.Errorf("TTL %v, %v", got, err)
	}
	if got, err := c.Expire(ctx, "s.a", time.Minute).Result(); !got || err != nil {
		t.Errorf("EXPIRE %v, %v", got, err)
	}
	cmds, err := c.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for range 1000 {
			p.Get(ctx, "s.a")
		}
		return nil
	})
	do(err, nil)
	if got := cmds[999].(*goredis.StringCmd).Val(); got != "abc" {
		t.Errorf("pipelined: %q", got)
	}
	if got, err := c.MGet(ctx, "s.a", "s.b").Result(); err != nil || got[0] != "abc" || got[1] != nil {
		t.Errorf("MGET %v, %v", got, err)
	}
	unlock := goredis.NewScript(script)
	locked, err := c.SetNX(ctx, "l.a", "me", time.Minute).Result()
	do(err, nil)
	if n, err := unlock.Run(ctx, c, []string{"l.a"}, "you").Int(); !locked || n != 0 || err != nil {
		t.Errorf("a lock of mine, unlocked by you: %v, %d, %v", locked, n, err)
	}
	if n, err := unlock.Run(ctx, c, []string{"l.a"}, "me").Int(); n != 1 || err != nil {
		t.Errorf("unlocked by me: %d, %v", n, err)
	}
	cmds, err = c.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		p.Append(ctx, "s.a", "d")
		p.Get(ctx, "s.a")
		p.Incr(ctx, "s.n")
		return nil
	})
	do(err, nil)
	if got := cmds[1].(*goredis.StringCmd).Val(); got != "abcd" || cmds[2].(*goredis.IntCmd).Val() != 1 {
		t.Errorf("in a transaction: %q, %v", got, cmds[2])
	}
	if err := c.Watch(ctx, func(*goredis.Tx) error { return nil }, "s.a"); err == nil || !strings.Contains(err.Error(), "WATCH") {
		t.Errorf("WATCH: %v", err)
	}
	if got, err := c.SetArgs(ctx, "s.a", "x", goredis.SetArgs{Mode: "XX", Get: true, KeepTTL: true}).Result(); got != "abcd" || err != nil {
		t.Errorf("SET XX GET KEEPTTL %q, %v", got, err)
	}
	if got, err := c.Info(ctx).Result(); !strings.Contains(got, "loading:0") || strings.Contains(got, "txt:") || err != nil {
		t.Errorf("INFO %q, %v", got, err)
	}
	if info, err := c.Conn().Hello(ctx, 3, "", "", "").Result(); info["proto"] != int64(3) || err != nil {
		t.Errorf("HELLO %v, %v", info, err)
	}
	if n, err := c.Del(ctx, "s.a", "s.b").Result(); n != 1 || err != nil {
		t.Errorf("DEL %d, %v", n, err)
	}
	calls := f.Calls()
	if !slices.Equal(calls[:3], []string{"get s.a", `set s.a 0 "abc" 3600s`, `add s.a 0 "x" 3600s`}) {
		t.Errorf("calls %q", calls[:3])
	}
}

// TestTools tries redis-cli and redis-benchmark.
func TestTools(t *testing.T) {
	web := web
	web.Keys = append(web.Keys, "key:{id: [0-9_a-z]+}")
	host, port, _ := strings.Cut(frontendtest.Start(t, redis.New(frontendtest.New(t, web), redis.Options{})), ":")
	run := func(name string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, name, append([]string{"-h", host, "-p", port}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v (apt-get install redis-tools)\n%s", name, err, out)
		}
		return string(out)
	}
	if got := run("redis-cli", "SETEX", "s.a", "100", "abc") + run("redis-cli", "GET", "s.a") + run("redis-cli", "TTL", "s.a") + run("redis-cli", "DEL", "s.a"); got != "OK\nabc\n100\n1\n" {
		t.Errorf("redis-cli: %q", got)
	}
	if got := run("redis-benchmark", "-t", "set,get", "-n", "2000", "-c", "10", "-P", "8", "-r", "100", "--csv"); strings.Count(got, "\n") < 3 || strings.Contains(got, "Error") {
		t.Errorf("redis-benchmark: %s", got)
	}
}
