package phptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// host is a PHP server with four workers.
type host struct {
	name     string
	url      string
	cmd      *exec.Cmd
	alive    io.Closer // closed: the whole group ends
	done     chan error
	said     output
	inflight atomic.Int64
	// jar, of a balancer that keeps each browser on one host, has its cookie for
	// each login.
	jar *sync.Map
}

// supervise ends the whole process group when its standard input closes: also
// when this test is killed, PHP's workers do not stay behind.
const supervise = `"$@" & read line; trap "" TERM; kill -TERM 0; wait`

// throughMemcached are PHP's settings today, throughRedis those after the
// move.
func throughMemcached(addr string) []string {
	return []string{"session.save_handler=memcached", "session.save_path=" + addr, "memcached.sess_locking=1"}
}

func throughRedis(addr string, locking bool) []string {
	s := []string{"session.save_handler=redis", "session.save_path=tcp://" + addr}
	if locking {
		s = append(s, "redis.session.locking_enabled=1")
	}
	return s
}

func newHost(t testing.TB, name string, ini []string) *host {
	t.Helper()
	return newHostOf(t, name, testFile(t, "session.php"), ini)
}

func testFile(t testing.TB, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// newHostOf is PHP with a script that answers as testdata/session.php does.
func newHostOf(t testing.TB, name, script string, ini []string) *host {
	t.Helper()
	php := program(t, "php", "php-cli php-memcached php-redis")
	addr := backendtest.FreeAddr(t)
	args := []string{"-c", supervise, "sh", php, "-q"}
	for _, s := range append([]string{"session.gc_maxlifetime=1440", "display_errors=1", "html_errors=0", "log_errors=1", "error_reporting=-1", "max_execution_time=30"}, ini...) {
		args = append(args, "-d", s)
	}
	h := &host{name: name, url: "http://" + addr + "/", cmd: exec.Command("sh", append(args, "-S", addr, script)...), done: make(chan error, 1)}
	h.cmd.Env = append(h.cmd.Environ(), "PHP_CLI_SERVER_WORKERS=4")
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.cmd.Stdout, h.cmd.Stderr = &h.said, &h.said
	var err error
	if h.alive, err = h.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { h.done <- h.cmd.Wait() }()
	t.Cleanup(func() { h.stop(t) })
	poll(t, 10*time.Second, "PHP at "+addr+": "+h.said.String(), func() bool {
		_, err := h.ask("read", "", "")
		return err == nil
	})
	return h
}

// stop ends PHP and its workers. It may be called twice.
func (h *host) stop(t testing.TB) {
	if h.done == nil {
		return
	}
	h.alive.Close()
	select {
	case <-h.done:
	case <-time.After(5 * time.Second):
		t.Errorf("%s: PHP does not end", h.name)
	}
	// Whoever of the group is left.
	if err := syscall.Kill(-h.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	h.done = nil
}

// warnings are the lines in PHP's log that say that something is wrong.
func (h *host) warnings() (lines []string) {
	for line := range strings.Lines(h.said.String()) {
		if strings.Contains(line, "PHP ") && !strings.Contains(line, "Development Server") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// reply is what a page answered.
type reply struct {
	User    string `json:"user"`
	N       int    `json:"n"`
	Missing bool   `json:"missing"`
	Error   string `json:"error"`
	cookie  string // the last that was set
	before  string // the one before: an id that was changed at once
}

func (r reply) value() string { return fmt.Sprintf("%s:%d", r.User, r.N) }

var web = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// ask asks for a page. An error is one that a user would see.
func (h *host) ask(op, cookie, user string) (r reply, err error) {
	q, err := http.NewRequest("GET", h.url+"?"+url.Values{"op": {op}, "user": {user}}.Encode(), nil)
	if err != nil {
		return r, err
	}
	if cookie != "" {
		q.AddCookie(&http.Cookie{Name: "PHPSESSID", Value: cookie})
	}
	if h.jar != nil {
		if v, ok := h.jar.Load(user); ok {
			q.AddCookie(v.(*http.Cookie))
		}
	}
	a, err := web.Do(q)
	if err != nil {
		return r, err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return r, err
	}
	if a.StatusCode != http.StatusOK || json.Unmarshal(body, &r) != nil || r.Error != "" || r.User == "" && !r.Missing {
		return r, fmt.Errorf("%s answered %s to %s: %.300s", h.name, a.Status, op, body)
	}
	for _, c := range a.Cookies() {
		if c.Name == stickyCookie && h.jar != nil {
			h.jar.Store(user, c)
		}
		if c.Name == "PHPSESSID" && c.Value != r.cookie {
			r.before, r.cookie = r.cookie, c.Value
		}
	}
	return r, nil
}
