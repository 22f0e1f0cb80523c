package systemd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd are clients of two protocols, and what they met with.
type crowd struct {
	memcached, redis string
	requests         atomic.Int64
	reconnects       atomic.Int64

	mu      sync.Mutex
	slowest time.Duration // guarded by mu
	failed  []failure     // guarded by mu
}

// failure is one request that was not answered as it must be.
type failure struct {
	began   time.Time
	refused bool
	err     error
}

// worst is the longest that a request took until now.
func (c *crowd) worst() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slowest
}

func (c *crowd) note(began time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests.Add(1)
	c.slowest = max(c.slowest, time.Since(began))
	if err != nil {
		c.failed = append(c.failed, failure{began, errors.Is(err, syscall.ECONNREFUSED), err})
	}
}

// taken gives what failed since the last call.
func (c *crowd) taken() []failure {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.failed
	c.failed = nil
	return f
}

// wire is one connection.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func connect(addr string) (*wire, error) {
	c, err := net.DialTimeout("tcp", addr, 60*time.Second)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return &wire{c, bufio.NewReader(c)}, nil
}

// ask sends one command and wants this answer.
func (w *wire) ask(send, want string) error {
	if _, err := io.WriteString(w, send); err != nil {
		return err
	}
	got := make([]byte, len(want))
	n, err := io.ReadFull(w.r, got)
	if string(got[:n]) != want[:n] || err != nil {
		return fmt.Errorf("sent %.60q, got %q, want %q: %w", send, got[:n], want, err)
	}
	return nil
}

// speech is what a client says in its protocol.
type speech struct {
	lock, read, write, unlock, quit func(id, v string) (send, want string)
}

var memcachedSpeech = speech{
	lock: func(id, _ string) (string, string) {
		return "add memc.sess.key.lock." + id + " 0 30 1\r\n1\r\n", "STORED\r\n"
	},
	read: func(id, v string) (string, string) {
		if v == "" {
			return "get memc.sess.key." + id + "\r\n", "END\r\n"
		}
		return "get memc.sess.key." + id + "\r\n", fmt.Sprintf("VALUE memc.sess.key.%s 0 %d\r\n%s\r\nEND\r\n", id, len(v), v)
	},
	write: func(id, v string) (string, string) {
		return fmt.Sprintf("set memc.sess.key.%s 0 1440 %d\r\n%s\r\n", id, len(v), v), "STORED\r\n"
	},
	unlock: func(id, _ string) (string, string) {
		return "delete memc.sess.key.lock." + id + "\r\n", "DELETED\r\n"
	},
	quit: func(string, string) (string, string) { return "quit\r\n", "" },
}

func resp(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

var redisSpeech = speech{
	lock: func(id, _ string) (string, string) {
		return resp("SET", "memc.sess.key.lock."+id, "host|"+id, "NX", "PX", "30000"), "+OK\r\n"
	},
	read: func(id, v string) (string, string) {
		if v == "" {
			return resp("GET", "memc.sess.key."+id), "$-1\r\n"
		}
		return resp("GET", "memc.sess.key."+id), fmt.Sprintf("$%d\r\n%s\r\n", len(v), v)
	},
	write: func(id, v string) (string, string) {
		return resp("SETEX", "memc.sess.key."+id, "1440", v), "+OK\r\n"
	},
	unlock: func(id, _ string) (string, string) {
		return resp("EVALSHA", "b70c2384248f88e6b75b9f89241a180f856ad852", "1", "memc.sess.key.lock."+id, "host|"+id), ":1\r\n"
	},
	quit: func(string, string) (string, string) { return "", "" },
}

func newID() string { return strconv.FormatUint(rand.Uint64(), 36) + "x" }

// young is how long a server that stops waits for the first command of a client
// that has just connected (frontends.Options.Young).
const young = time.Second

// errLate is a first command that was not answered, and came later than that: the
// machine was too busy to show anything.
var errLate = errors.New("the client was late")

// request is one page of PHP's: connect, lock, read, work, write, unlock.
func (c *crowd) request(addr string, s speech, id, was, now string) error {
	began := time.Now()
	w, err := connect(addr)
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.ask(s.lock(id, "")); err != nil {
		if time.Since(began) >= young {
			return errLate
		}
		return err
	}
	if err := w.ask(s.read(id, was)); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond) // the page
	if err := w.ask(s.write(id, now)); err != nil {
		return err
	}
	if err := w.ask(s.unlock(id, "")); err != nil {
		return err
	}
	send, _ := s.quit("", "")
	io.WriteString(w, send) // nobody waits for an answer to that
	return nil
}

// visitor connects for each request, until quit.
func (c *crowd) visitor(quit <-chan struct{}, addr string, s speech) {
	id, was := newID(), ""
	for n := 1; pause(quit, 100+rand.IntN(200)); n++ {
		now, began := strconv.Itoa(n), time.Now()
		err := c.request(addr, s, id, was, now)
		if err != errLate {
			c.note(began, err)
		}
		if was = now; err != nil { // what became of its write and its lock is not known
			id, was = newID(), ""
		}
	}
}

// keeper keeps its connection, and asks once more on a new one where the old
// one has ended.
func (c *crowd) keeper(quit <-chan struct{}, addr string, s speech) {
	id := newID()
	var w *wire
	defer func() {
		if w != nil {
			w.Close()
		}
	}()
	for n := 1; pause(quit, 50+rand.IntN(100)); n++ {
		now, began := strconv.Itoa(n), time.Now()
		err := errors.New("no connection yet")
		dialled := began
		for try := 0; try < 2 && err != nil; try++ {
			if w == nil {
				dialled = time.Now()
				if w, err = connect(addr); err != nil {
					break
				}
			}
			w.SetDeadline(time.Now().Add(60 * time.Second))
			if err = w.ask(s.write(id, now)); err == nil {
				err = w.ask(s.read(id, now))
			}
			if err != nil {
				c.reconnects.Add(1)
				w.Close()
				w = nil
			}
		}
		if err == nil || w != nil || time.Since(dialled) < young || errors.Is(err, syscall.ECONNREFUSED) {
			c.note(began, err)
		}
	}
}

// pause waits some milliseconds; false: it is over.
func pause(quit <-chan struct{}, ms int) bool {
	select {
	case <-quit:
		return false
	case <-time.After(time.Duration(ms) * time.Millisecond):
		return true
	}
}
