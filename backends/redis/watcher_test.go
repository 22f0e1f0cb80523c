package redis_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// watcher is a Sentinel that says what the test wants.
type watcher struct {
	net.Listener
	said atomic.Value // of saying
}

type saying struct {
	addr  string
	epoch int
	mute  bool
}

func watch(t *testing.T, s saying) *watcher {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{Listener: l}
	w.said.Store(s)
	var workers sync.WaitGroup
	workers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			workers.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close() })
	return w
}

func (w *watcher) serve(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		var words []string
		n := 0
		for fmt.Sscanf(line, "*%d", &n); n > 0; n-- {
			r.ReadString('\n') // its length
			word, err := r.ReadString('\n')
			if err != nil {
				return
			}
			words = append(words, strings.ToLower(strings.TrimSpace(word)))
		}
		s := w.said.Load().(saying)
		host, port, _ := net.SplitHostPort(s.addr)
		switch command := strings.Join(words, " "); {
		case s.mute:
			return
		case strings.HasPrefix(command, "sentinel master"):
			fmt.Fprintf(c, "*2\r\n$12\r\nconfig-epoch\r\n$%d\r\n%d\r\n", len(fmt.Sprint(s.epoch)), s.epoch)
		case strings.HasPrefix(command, "sentinel get-master"):
			fmt.Fprintf(c, "*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", len(host), host, len(port), port)
		default:
			fmt.Fprint(c, "-ERR unknown\r\n")
		}
	}
}

// TestOldEpochIsPassedOver: a Sentinel that has slept names a primary of before.
// It is not followed, and what it and no majority says ends no doubt.
func TestOldEpochIsPassedOver(t *testing.T) {
	one, two := backendtest.Redis(t), backendtest.Redis(t)
	where := func() string {
		for name, addr := range map[string]string{"one": one.Addr(), "two": two.Addr()} {
			if direct(t, addr).Exists(t.Context(), "a").Val() > 0 {
				return name
			}
		}
		return ""
	}
	w := []*watcher{watch(t, saying{addr: one.Addr(), epoch: 1}), watch(t, saying{addr: one.Addr(), epoch: 1}), watch(t, saying{addr: one.Addr(), epoch: 1})}
	var addrs []string
	for _, w := range w {
		addrs = append(addrs, w.Addr().String())
	}
	s := open(t, redis.Options{Sentinel: redis.Sentinel{Addrs: addrs, Master: "m"}})
	put := func(want string) {
		t.Helper()
		if err := s.Set(t.Context(), session("a", "x")); err != nil {
			t.Fatal(err)
		}
		if got := where(); got != want {
			t.Errorf("written to %q, want %q", got, want)
		}
		if _, err := s.Delete(t.Context(), key("a")); err != nil {
			t.Fatal(err)
		}
	}
	put("one")
	first, err := s.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// One Sentinel has heard of a failover: the others' word is older. The old
	// primary still answers, and is followed no longer than a second.
	w[0].said.Store(saying{addr: two.Addr(), epoch: 2})
	w[1].said.Store(saying{addr: two.Addr(), epoch: 2})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if h, err := s.Health(t.Context()); err == nil && h.RunID != first.RunID {
			break
		}
		if time.Now().After(end) {
			t.Fatal("not followed")
		}
	}
	put("two")
	if err := s.Settle(t.Context(), "id:1", first.RunID); err != nil {
		t.Errorf("a call to the old primary: %v", err)
	}
	w[0].said.Store(saying{mute: true})
	w[1].said.Store(saying{mute: true})
	if err := s.Settle(t.Context(), "id:1", first.RunID); err == nil {
		t.Error("settled by the word of one Sentinel of three, which is old")
	}
	time.Sleep(1200 * time.Millisecond) // until they are asked again
	for range 3 {
		put("two")
		time.Sleep(100 * time.Millisecond)
	}
}
