package storytest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// wire is one kept connection to an agent's memcached port, as PHP's client has
// it. One goroutine uses it.
type wire struct {
	addr string
	c    net.Conn
	r    *bufio.Reader
}

// errAnswer is an answer that is an error: nothing is known of the outcome.
var errAnswer = errors.New("the agent answered an error")

// patient is longer than any agent may take: its own calls have deadlines.
const patient = 30 * time.Second

// line sends a command and reads the first line of the answer. A connection on
// which something went wrong is not used again.
func (w *wire) line(format string, args ...any) (s string, err error) {
	if w.c == nil {
		if w.c, err = net.DialTimeout("tcp", w.addr, 2*time.Second); err != nil {
			w.c = nil
			return "", err
		}
		w.r = bufio.NewReader(w.c)
	}
	defer func() {
		if err != nil && !errors.Is(err, errAnswer) {
			w.close()
		}
	}()
	w.c.SetDeadline(time.Now().Add(patient))
	if _, err := fmt.Fprintf(w.c, format, args...); err != nil {
		return "", err
	}
	if s, err = w.r.ReadString('\n'); err != nil {
		return "", err
	}
	s = strings.TrimSuffix(s, "\r\n")
	if strings.HasPrefix(s, "SERVER_ERROR") || strings.HasPrefix(s, "ERROR") || strings.HasPrefix(s, "CLIENT_ERROR") {
		return s, errAnswer
	}
	return s, nil
}

func (w *wire) close() {
	if w.c != nil {
		w.c.Close()
		w.c = nil
	}
}

// lifetime of sessions, in seconds.
const lifetime = 1800

func (w *wire) lock(id string) (granted bool, err error) {
	s, err := w.line("add memc.sess.key.lock.%s 0 %d 1\r\n1\r\n", id, int(lockTTL.Seconds()))
	return s == "STORED", err
}

func (w *wire) unlock(id string) error {
	_, err := w.line("delete memc.sess.key.lock.%s\r\n", id)
	return err
}

func (w *wire) get(id string) (value string, found bool, err error) {
	s, err := w.line("get memc.sess.key.%s\r\n", id)
	if err != nil || s == "END" {
		return "", false, err
	}
	size, err := strconv.Atoi(s[strings.LastIndexByte(s, ' ')+1:])
	if err != nil || !strings.HasPrefix(s, "VALUE ") {
		w.close()
		return "", false, fmt.Errorf("get: %q", s[:min(len(s), 20)])
	}
	b := make([]byte, size+len("\r\nEND\r\n"))
	if _, err := io.ReadFull(w.r, b); err != nil {
		w.close()
		return "", false, err
	}
	return string(b[:size]), true, nil
}

func (w *wire) set(id, value string) error {
	s, err := w.line("set memc.sess.key.%s 0 %d %d\r\n%s\r\n", id, lifetime, len(value), value)
	if err == nil && s != "STORED" {
		err = errAnswer
	}
	return err
}

func (w *wire) touch(id string) error {
	_, err := w.line("touch memc.sess.key.%s %d\r\n", id, lifetime)
	return err
}

func (w *wire) delete(id string) error {
	s, err := w.line("delete memc.sess.key.%s\r\n", id)
	if err == nil && s != "DELETED" && s != "NOT_FOUND" {
		err = errAnswer
	}
	return err
}
