package clientstest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 30 * time.Second

// lines is a script that reads questions from its input and writes answers, a
// line of JSON each, in any order; what it says besides goes to its errors. It
// ends when its input does.
type lines struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	said said
	done chan struct{} // closed: it has ended
	dir  string        // of its own, removed when it ends; "": none
	// install is what it may miss when it ends by itself.
	install string

	mu   sync.Mutex // guards what follows, and writes to in
	next int
	open map[int]chan answer
}

// call is a question on its way.
type call struct {
	Seq  int `json:"seq"`
	Conn int `json:"conn"`
	question
}

func startLines(t testing.TB, install, program string, args ...string) *lines {
	t.Helper()
	l := &lines{install: install, cmd: exec.Command(program, args...), done: make(chan struct{}), open: map[int]chan answer{}}
	l.cmd.Stderr = &l.said
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var out io.ReadCloser
	var err error
	if l.in, err = l.cmd.StdinPipe(); err == nil {
		if out, err = l.cmd.StdoutPipe(); err == nil {
			err = l.cmd.Start()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	go l.read(out)
	return l
}

func (l *lines) read(out io.Reader) {
	defer close(l.done)
	for r := bufio.NewScanner(out); r.Scan(); {
		var a struct {
			Seq int `json:"seq"`
			answer
		}
		if err := json.Unmarshal(r.Bytes(), &a); err != nil {
			fmt.Fprintf(&l.said, "not an answer: %s\n", r.Text())
			continue
		}
		l.mu.Lock()
		if c := l.open[a.Seq]; c != nil {
			delete(l.open, a.Seq)
			c <- a.answer
		}
		l.mu.Unlock()
	}
	l.cmd.Wait()
}

func (l *lines) ask(conn int, q question) (answer, error) {
	c := make(chan answer, 1)
	l.mu.Lock()
	l.next++
	l.open[l.next] = c
	b, err := json.Marshal(call{l.next, conn, q})
	if err == nil {
		_, err = l.in.Write(append(b, '\n'))
	}
	l.mu.Unlock()
	if err != nil {
		<-l.done // its input is closed: it says why on its way out
		return answer{}, fmt.Errorf("%w: it has ended (%s, if that is not installed): %s", err, l.install, l.said.String())
	}
	select {
	case a := <-c:
		if a.Error != "" {
			return a, errors.New(a.Error)
		}
		return a, nil
	case <-l.done:
		return answer{}, fmt.Errorf("it has ended (%s, if that is not installed): %s", l.install, l.said.String())
	case <-time.After(patience):
		return answer{}, fmt.Errorf("no answer in %v: %s", patience, l.said.String())
	}
}

func (l *lines) warnings() []string {
	if s := strings.TrimSpace(l.said.String()); s != "" {
		return strings.Split(s, "\n")
	}
	return nil
}

func (l *lines) stop() (err error) {
	l.in.Close()
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
		err = fmt.Errorf("%s does not end: %s", l.cmd.Path, l.said.String())
		syscall.Kill(-l.cmd.Process.Pid, syscall.SIGKILL)
		<-l.done
	}
	if l.dir != "" {
		err = errors.Join(err, os.RemoveAll(l.dir))
	}
	return err
}

// said is what a process has printed; the first 64 KB.
type said struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

func (o *said) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b = append(o.b, p[:min(len(p), 64<<10-min(len(o.b), 64<<10))]...)
	return len(p), nil
}

func (o *said) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.b)
}

// python, ruby and node each have one file with all their clients.

func python(t testing.TB, c client, addr string) script {
	// Debian's own: its packages are not another Python's.
	dir, err := os.MkdirTemp("", "crossfade-clients-")
	if err != nil {
		t.Fatal(err)
	}
	l := startLines(t, installPython, program(t, "/usr/bin/python3", installPython), testFile(t, "clients.py"), c.name, addr, dir)
	l.dir = dir
	return l
}

func ruby(t testing.TB, c client, addr string) script {
	return startLines(t, installRuby, program(t, "ruby", installRuby), testFile(t, "clients.rb"), c.name, addr)
}

func node(t testing.TB, c client, addr string) script {
	modules := nodeModules(t)
	return startLines(t, installNode, "env", "NODE_PATH="+modules, program(t, "node", installNode), testFile(t, "node/clients.js"), c.name, addr)
}

const (
	installPython = "apt-get install python3-django python3-django-redis python3-redis python3-pymemcache, or make deps deps-clients"
	installNode   = "Node 20 or later, and make deps-clients (npm ci of testdata/node/package-lock.json into the user's cache folder)"
	installRuby   = "apt-get install ruby ruby-redis-rack ruby-dalli ruby-rack ruby-connection-pool, or make deps-clients"
)

// nodeModules is where make deps-clients has put them: outside of the repository.
func nodeModules(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := cache + "/crossfade-clientstest/node_modules"
	if _, err := os.Stat(dir + "/express-session"); err != nil {
		t.Fatal("the Node clients are not installed: " + installNode)
	}
	return dir
}
