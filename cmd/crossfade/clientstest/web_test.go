package clientstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// web is PHP's own web server with a worker for each connection: as in a real
// one, each request opens its connection to the agent and closes it.
type web struct {
	url   string
	cmd   *exec.Cmd
	alive io.Closer // closed: the whole group ends
	done  chan struct{}
	said  said
	http  http.Client
}

// supervise ends the whole process group when its standard input closes: also
// when this test is killed, PHP's workers do not stay behind.
const supervise = `"$@" & read line; trap "" TERM; kill -TERM 0; wait`

// cookie is what all of these sites call it.
const cookie = "PHPSESSID"

const installPHP = "apt-get install php-cli php-memcached php-memcache php-redis php-symfony-http-foundation php-illuminate-session php-illuminate-cache php-illuminate-redis, or make deps deps-clients"

// php is a script with settings; %s in them is the agent's address.
func php(file string, ini ...string) func(testing.TB, client, string) script {
	return func(t testing.TB, c client, addr string) script {
		t.Helper()
		at := backendtest.FreeAddr(t)
		args := []string{"-c", supervise, "sh", program(t, "php", installPHP), "-q"}
		for _, s := range append([]string{"session.gc_maxlifetime=1440", "display_errors=1", "html_errors=0", "log_errors=1", "error_reporting=-1",
			"max_execution_time=30"}, ini...) {
			args = append(args, "-d", strings.ReplaceAll(s, "%s", addr))
		}
		w := &web{url: "http://" + at + "/", done: make(chan struct{}), cmd: exec.Command("sh", append(args, "-S", at, testFile(t, file))...)}
		w.cmd.Env = append(w.cmd.Environ(), "PHP_CLI_SERVER_WORKERS="+strconv.Itoa(connections), "AGENT="+addr, "CLIENT="+c.name)
		w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		w.cmd.Stdout, w.cmd.Stderr = &w.said, &w.said
		w.http = http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		var err error
		if w.alive, err = w.cmd.StdinPipe(); err == nil {
			err = w.cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		go func() { w.cmd.Wait(); close(w.done) }()
		for end := time.Now().Add(20 * time.Second); !listens(at); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("PHP does not listen: %s %v", w.said.String(), w.stop())
			}
		}
		return w
	}
}

func (w *web) ask(_ int, q question) (a answer, err error) {
	req, err := http.NewRequest("GET", w.url+"?"+url.Values{"op": {q.Op}, "user": {q.User}, "hold": {strconv.Itoa(q.Hold)}}.Encode(), nil)
	if err != nil {
		return a, err
	}
	if q.ID != "" {
		req.AddCookie(&http.Cookie{Name: cookie, Value: q.ID})
	}
	res, err := w.http.Do(req)
	if err != nil {
		return a, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	// A warning stands in the answer, and spoils it; what came before it counts.
	line, rest, _ := bytes.Cut(body, []byte("\n"))
	if json.Unmarshal(line, &a) != nil || len(rest) > 0 {
		return a, fmt.Errorf("answered %s: %.300s", res.Status, body)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	for _, c := range res.Cookies() {
		if c.Name == cookie && c.Value != "deleted" {
			a.ID = c.Value
		}
	}
	return a, nil
}

func (w *web) warnings() (found []string) {
	for line := range strings.Lines(w.said.String()) {
		if strings.Contains(line, "PHP ") && !strings.Contains(line, "Development Server") {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}

func (w *web) stop() (err error) {
	w.alive.Close()
	select {
	case <-w.done:
	case <-time.After(10 * time.Second):
		err = errors.New("PHP does not end")
	}
	// Whoever of the group is left.
	if e := syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL); e != nil && !errors.Is(e, syscall.ESRCH) {
		err = errors.Join(err, e)
	}
	<-w.done
	return err
}
