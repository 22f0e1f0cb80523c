package phptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wire is one connection that speaks as PHP's extension does, byte for byte
// (as captured from it). Not for concurrent use.
type wire struct {
	c net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) wire {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return wire{c, bufio.NewReader(c)}
}

func (w wire) send(text string) error {
	if err := w.c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	_, err := io.WriteString(w.c, text)
	return err
}

func (w wire) line() (string, error) {
	s, err := w.r.ReadString('\n')
	return strings.TrimSuffix(s, "\r\n"), err
}

// bytes reads n bytes and the end of the line.
func (w wire) bytes(n int) (string, error) {
	b := make([]byte, n+2)
	_, err := io.ReadFull(w.r, b)
	return string(b[:n]), err
}

// oneOf asks, and tells whether the answer was yes or no.
func (w wire) oneOf(ask, yes, no string) (bool, error) {
	if err := w.send(ask); err != nil {
		return false, err
	}
	got, err := w.line()
	if err == nil && got != yes && got != no {
		err = fmt.Errorf("answered %q", got)
	}
	return got == yes, err
}

// locker is a PHP request's way to one session.
type locker interface {
	lock() (granted bool, err error)
	get() (value string, found bool, err error)
	set(value string) error
	unlock() (released bool, err error)
}

// memcachedLocker is php-memcached's, ASCII.
type memcachedLocker struct {
	wire
	id string
}

func (m memcachedLocker) lock() (bool, error) {
	return m.oneOf("add memc.sess.key.lock."+m.id+" 0 30 1\r\n1\r\n", "STORED", "NOT_STORED")
}

func (m memcachedLocker) get() (string, bool, error) {
	if err := m.send("get memc.sess.key." + m.id + "\r\n"); err != nil {
		return "", false, err
	}
	head, err := m.line()
	if err != nil || head == "END" {
		return "", false, err
	}
	f := strings.Fields(head)
	if len(f) != 4 || f[0] != "VALUE" {
		return "", false, fmt.Errorf("answered %q", head)
	}
	n, err := strconv.Atoi(f[3])
	if err != nil {
		return "", false, err
	}
	value, err := m.bytes(n)
	if end, e := m.line(); err == nil && (e != nil || end != "END") {
		err = fmt.Errorf("answered %q, %v", end, e)
	}
	return value, true, err
}

func (m memcachedLocker) set(value string) error {
	_, err := m.oneOf(fmt.Sprintf("set memc.sess.key.%s 0 1440 %d\r\n%s\r\n", m.id, len(value), value), "STORED", "STORED")
	return err
}

func (m memcachedLocker) unlock() (bool, error) {
	return m.oneOf("delete memc.sess.key.lock."+m.id+"\r\n", "DELETED", "NOT_FOUND")
}

// redisLocker is phpredis's.
type redisLocker struct {
	wire
	id, token string
}

// unlockScript is phpredis's own (redis_session.c), and its SHA-1.
const (
	unlockScript = `if redis.call("get",KEYS[1]) == ARGV[1] then return redis.call("del",KEYS[1]) else return 0 end`
	unlockSHA    = "b70c2384248f88e6b75b9f89241a180f856ad852"
)

func command(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

func (r redisLocker) key() string { return "PHPREDIS_SESSION:" + r.id }

func (r redisLocker) lock() (bool, error) {
	return r.oneOf(command("SET", r.key()+"_LOCK", r.token, "NX", "PX", "30000"), "+OK", "$-1")
}

func (r redisLocker) get() (string, bool, error) {
	if err := r.send(command("GET", r.key())); err != nil {
		return "", false, err
	}
	head, err := r.line()
	if err != nil || head == "$-1" {
		return "", false, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(head, "$"))
	if err != nil {
		return "", false, fmt.Errorf("answered %q", head)
	}
	value, err := r.bytes(n)
	return value, true, err
}

func (r redisLocker) set(value string) error {
	_, err := r.oneOf(command("SETEX", r.key(), "1440", value), "+OK", "+OK")
	return err
}

func (r redisLocker) unlock() (bool, error) {
	if err := r.send(command("EVALSHA", unlockSHA, "1", r.key()+"_LOCK", r.token)); err != nil {
		return false, err
	}
	got, err := r.line()
	if err == nil && strings.HasPrefix(got, "-NOSCRIPT") {
		return r.oneOf(command("EVAL", unlockScript, "1", r.key()+"_LOCK", r.token), ":1", ":0")
	}
	if err == nil && got != ":1" && got != ":0" {
		err = fmt.Errorf("answered %q", got)
	}
	return got == ":1", err
}
