package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestDeadlineKept: whoever reads a session under a guard and writes it with the
// same deadline, again and again, does not move it by a millisecond; its flags
// end with it. One without an end keeps none.
func TestDeadlineKept(t *testing.T) {
	srv := backendtest.Redis(t)
	s := open(t, redis.Options{Addr: srv.Addr(), KeepFlags: true})
	c := direct(t, srv.Addr())
	ends := func(name string) int64 {
		t.Helper()
		ms, err := c.Do(t.Context(), "pexpiretime", name).Int64()
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	for _, tt := range []struct {
		name     string
		deadline time.Time
	}{{"kept.end", time.Now().Add(time.Hour)}, {"kept.never", time.Time{}}} {
		first := backends.Session{Key: key(tt.name), Data: []byte("0"), Flags: 7, Deadline: tt.deadline}
		if err := s.Set(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		want := ends(tt.name)
		beside := backends.FlagsKey("test", first.Key).Name
		for i := range 200 {
			g, err := s.Guard(t.Context(), key(tt.name), time.Now().Add(10*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			next := g.Record().Session
			next.Data = fmt.Append(nil, i)
			if err := g.Swap(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		}
		if got := ends(tt.name); got != want {
			t.Errorf("%s: the end moved by %d ms in 200 edits", tt.name, got-want)
		}
		if got := ends(beside); got != want {
			t.Errorf("%s: its flags end %d ms after it", tt.name, got-want)
		}
		if got, found, err := s.Get(t.Context(), key(tt.name)); err != nil || !found || string(got.Data) != "199" || got.Flags != 7 {
			t.Errorf("%s: %q, flags %d, %v, %v", tt.name, got.Data, got.Flags, found, err)
		}
	}
}

// TestDeadlineKeptByTheServer: such an edit leaves the end to the server. The time
// left, read and written again, is another one only where the clock goes on in
// between, which hardly ever happens in a test.
func TestDeadlineKeptByTheServer(t *testing.T) {
	srv := backendtest.Redis(t)
	s := open(t, redis.Options{Addr: srv.Addr(), KeepFlags: true})
	first := backends.Session{Key: key("kept"), Data: []byte("0"), Flags: 7, Deadline: time.Now().Add(time.Hour)}
	if err := s.Set(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	g, err := s.Guard(t.Context(), first.Key, time.Now().Add(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	lines := bufio.NewScanner(nc)
	if _, err := nc.Write([]byte("MONITOR\r\n")); err != nil || !lines.Scan() {
		t.Fatal(err, lines.Err())
	}
	next := g.Record().Session
	next.Data = []byte("1")
	if err := g.Swap(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	for sets := 0; sets < 2; { // of the session, and of its flags
		if !lines.Scan() {
			t.Fatalf("%d writes were seen: %v", sets, lines.Err())
		}
		if line := lines.Text(); strings.Contains(line, ` lua] "SET"`) {
			sets++
			if !strings.HasSuffix(line, `"KEEPTTL"`) {
				t.Errorf("an end is written: %s", line)
			}
		}
	}
}
