package memcached_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

// TestGomemcache tries the client that reads with gets.
func TestGomemcache(t *testing.T) {
	f := frontendtest.New(t, web)
	c := memcache.New(frontendtest.Start(t, memcached.New(f, memcached.Options{})))
	defer c.Close()
	do := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
	do(c.Ping(), nil)
	_, err := c.Get("s.a")
	do(err, memcache.ErrCacheMiss)
	do(c.Add(&memcache.Item{Key: "s.a", Value: []byte("abc"), Flags: 7, Expiration: 1440}), nil)
	do(c.Add(&memcache.Item{Key: "s.a"}), memcache.ErrNotStored)
	item, err := c.Get("s.a")
	do(err, nil)
	if string(item.Value) != "abc" || item.Flags != 7 {
		t.Errorf("got %+v", item)
	}
	do(c.Set(&memcache.Item{Key: "s.b", Value: []byte(strings.Repeat("\r\nEND", 3000))}), nil)
	items, err := c.GetMulti([]string{"s.a", "s.b", "s.c"})
	do(err, nil)
	if len(items) != 2 || len(items["s.b"].Value) != 15_000 {
		t.Errorf("got %v", items)
	}
	do(c.Touch("s.a", 60), nil)
	do(c.Touch("s.c", 60), memcache.ErrCacheMiss)
	item, err = c.GetAndTouch("s.a", 90)
	do(err, nil)
	if string(item.Value) != "abc" {
		t.Errorf("got %+v", item)
	}
	item, err = c.Get("s.a")
	do(err, nil)
	stale := *item
	item.Value = []byte("41")
	do(c.CompareAndSwap(item), nil)
	do(c.CompareAndSwap(&stale), memcache.ErrCASConflict)
	if n, err := c.Increment("s.a", 1); n != 42 || err != nil {
		t.Errorf("incremented to %d, %v", n, err)
	}
	do(c.Replace(&memcache.Item{Key: "s.c"}), memcache.ErrNotStored)
	do(c.Append(&memcache.Item{Key: "s.a", Value: []byte("x")}), nil)
	if _, err := c.Increment("s.a", 1); err == nil {
		t.Error("incremented what is no number")
	}
	if _, err := c.Get("other"); err == nil || errors.Is(err, memcache.ErrCacheMiss) {
		t.Errorf("a key of no kind: %v", err)
	}
	do(c.Delete("s.a"), nil)
	do(c.Delete("s.a"), memcache.ErrCacheMiss)
	want := []string{"get s.a", `add s.a 7 "abc" 1440s`, `add s.a 0 "" 0s`, "get s.a"}
	if got := f.Calls(); !slices.Equal(got[:4], want) || got[len(got)-1] != "delete s.a" {
		t.Errorf("calls %q", got)
	}
}

// TestPymemcache plays what pymemcache and python-memcached send: noreply,
// several commands in a packet, spaces at the end.
func TestPymemcache(t *testing.T) {
	f := frontendtest.New(t, web)
	f.Now = noon
	got := frontendtest.Play(t, memcached.New(f, memcached.Options{}),
		"set s.a 0 60 3 noreply\r\nabc\r\nset s.b 0 60 1 noreply\r\nx\r\n", "get s.a s.b\r\n", "set s.c 16 60 1 \r\ny\r\n", "delete s.a 0\r\n", "delete s.b noreply\r\n", "version\r\n")
	want := "VALUE s.a 0 3\r\nabc\r\nVALUE s.b 0 1\r\nx\r\nEND\r\nSTORED\r\nDELETED\r\n" + v
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
