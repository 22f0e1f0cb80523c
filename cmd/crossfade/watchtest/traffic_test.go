package watchtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// conn speaks memcached's ASCII or Redis' inline commands, one at a time.
type conn struct {
	addr string
	c    net.Conn
	r    *bufio.Reader
}

// say sends a command, and returns the first line of the answer.
func (c *conn) say(command string) (string, error) {
	var err error
	if c.c == nil {
		if c.c, err = net.DialTimeout("tcp", c.addr, time.Second); err != nil {
			return "", err
		}
		c.r = bufio.NewReader(c.c)
	}
	c.c.SetDeadline(time.Now().Add(30 * time.Second))
	line := ""
	if _, err = io.WriteString(c.c, command+"\r\n"); err == nil {
		line, err = c.r.ReadString('\n')
	}
	if err == nil && strings.HasPrefix(line, "VALUE") {
		for rest := ""; err == nil && rest != "END\r\n"; {
			rest, err = c.r.ReadString('\n')
		}
	}
	if err != nil {
		c.c.Close()
		c.c = nil
	}
	return strings.TrimSpace(line), err
}

func (c *conn) close() {
	if c.c != nil {
		c.c.Close()
	}
}

func oldKey(id string) string { return "memc.sess.key." + id }
func newKey(id string) string { return "PHPREDIS_SESSION:" + id }

func set(id, value string) string {
	return fmt.Sprintf("set %s 0 1800 %d\r\n%s", oldKey(id), len(value), value)
}

// traffic is users of both agents: some read and write, each his own session, and
// some only read.
type traffic struct {
	f *fleet
	// followed are sessions that agents follow for would-be logouts and do not
	// compare; compared the other way round. They are only read.
	followed, compared []string

	// reading: users only read. A write that is cut off behind a proxy stays of
	// unknown outcome: its connection has another name at the server.
	reading atomic.Bool

	wg   sync.WaitGroup
	stop context.CancelFunc
}

func newTraffic(f *fleet) *traffic {
	t := &traffic{f: f}
	for i := 0; len(t.followed) < 6 || len(t.compared) < 12; i++ {
		id := fmt.Sprintf("r%d", i)
		h := f.parts.Hasher.SumString(id)
		switch follows, compares := census.Takes(h, census.Rate), compares(h); {
		case follows && !compares && len(t.followed) < 6:
			t.followed = append(t.followed, id)
		case !follows && compares && len(t.compared) < 12:
			t.compared = append(t.compared, id)
		}
	}
	return t
}

// compares tells whether a session is in the comparator's half.
func compares(h flags.Hash) bool { return h[14] < 128 }

const users = 6

func (t *traffic) start() {
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	c := conn{addr: t.f.agents[0].memcached}
	defer c.close()
	for _, id := range append(append([]string(nil), t.followed...), t.compared...) {
		if got, err := c.say(set(id, "x")); err != nil || got != "STORED" {
			t.f.t.Fatalf("a session to read: %q %v", got, err)
		}
	}
	for u := range users {
		t.wg.Go(func() { t.user(ctx, u) })
	}
	t.wg.Go(func() { t.reader(ctx) })
}

func (t *traffic) end() {
	t.stop()
	t.wg.Wait()
}

// user reads and writes sessions that nobody else does, at the agents in turn.
func (t *traffic) user(ctx context.Context, u int) {
	var cs []*conn
	for _, a := range t.f.agents {
		c := &conn{addr: a.memcached}
		defer c.close()
		cs = append(cs, c)
	}
	for n := 0; ctx.Err() == nil; n++ {
		c, id := cs[n%len(cs)], fmt.Sprintf("u%dx%d", u, n%9)
		_, err := c.say("get " + oldKey(id))
		if err == nil && !t.reading.Load() {
			_, err = c.say(set(id, fmt.Sprintf("v%d", n)))
		}
		wait(ctx, 8*time.Millisecond)
		if err != nil {
			wait(ctx, 50*time.Millisecond)
		}
	}
}

// reader reads the sessions that nobody writes.
func (t *traffic) reader(ctx context.Context) {
	c := &conn{addr: t.f.agents[0].memcached}
	defer c.close()
	for ctx.Err() == nil {
		for _, id := range append(append([]string(nil), t.followed...), t.compared...) {
			c.say("get " + oldKey(id))
			wait(ctx, 5*time.Millisecond)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// again does something again and again until the function that it returns is
// called.
func (f *fleet) again(addr string, every time.Duration, commands func(n int) []string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		c := &conn{addr: addr}
		defer c.close()
		for n := 0; ctx.Err() == nil; n++ {
			for _, command := range commands(n) {
				c.say(command)
			}
			wait(ctx, every)
		}
	})
	return func() { cancel(); wg.Wait() }
}
