package phptest

import (
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestClientFlags: flags that a memcached client has set (php-memcached says by
// them that a value is compressed or igbinary) come through Redis, which has
// none, back to a memcached client: copied by the backfill, or written on the
// way. A phpredis that overwrites a session knows of none, and ends them.
func TestClientFlags(t *testing.T) {
	t.Parallel()
	mc, rd := memcachedServer(t), redisServer(t)
	f := newFleet(t, 1, setting{sessions: memcachedKeys, old: memcachedAt(mc), new: redisAt(rd)})
	w := dial(t, f.agents[0].memcached)
	data := "\x00binary\r\n"
	set := func(id string, flags int) {
		t.Helper()
		ok, err := w.oneOf("set memc.sess.key."+id+" "+strconv.Itoa(flags)+" 600 "+strconv.Itoa(len(data))+"\r\n"+data+"\r\n", "STORED", "NOT_STORED")
		if !ok || err != nil {
			t.Fatalf("set: %v, %v", ok, err)
		}
	}
	flags := func(id string) string {
		t.Helper()
		if err := w.send("get memc.sess.key." + id + "\r\n"); err != nil {
			t.Fatal(err)
		}
		head, err := w.line()
		words := strings.Fields(head)
		if err != nil || len(words) != 4 {
			t.Fatalf("get %s: %q, %v", id, head, err)
		}
		n, _ := strconv.Atoi(words[3])
		if got, err := w.bytes(n); err != nil || len(got) != n {
			t.Fatal(err)
		}
		if end, err := w.line(); end != "END" {
			t.Fatal(end, err)
		}
		return words[2]
	}
	want := map[string]string{"before0": "0", "before2": "2", "mirror2": "2", "mirror4294967295": "4294967295", "cutover2": "2", "cutover0": "0", "again": "0"}
	set("before0", 0)
	set("before2", 2)
	set("again", 2)
	f.crossfade("ramp", "mirror", "100")
	set("mirror2", 2)
	set("mirror4294967295", 4294967295)
	f.crossfade("backfill")
	f.crossfade("verify")
	f.crossfade("ramp", "read-new", "100")
	set("again", 0)
	f.crossfade("ramp", "cutover", "100")
	set("cutover2", 2)
	set("cutover0", 0)
	for id, flag := range want {
		if got := flags(id); got != flag {
			t.Errorf("%s: got flags %s, want %s", id, got, flag)
		}
	}
	// As phpredis does, past the agent: other bytes, then the same bytes again.
	native := redis.New(redis.Options{Addr: rd.Addr(), Migration: "other"})
	defer native.Close()
	k := backends.Key{Name: "PHPREDIS_SESSION:cutover2"}
	if _, found, err := native.Get(t.Context(), k); err != nil || !found {
		t.Fatalf("the session has another name: %v, %v", found, err)
	}
	if err := native.Set(t.Context(), backends.Session{Key: k, Data: []byte("other")}); err != nil {
		t.Fatal(err)
	}
	if got := flags("cutover2"); got != "0" {
		t.Errorf("after a native overwrite: got flags %s, want 0", got)
	}
}
