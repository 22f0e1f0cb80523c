package phptest

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func handlerFile(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../../frontends/php/crossfade_session.php")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// handlerHost is PHP with the session handler of frontends/php, in strict mode.
func handlerHost(t testing.TB, a *sidecar) *host {
	t.Helper()
	script := filepath.Join(t.TempDir(), "page.php")
	text := fmt.Sprintf("<?php\nrequire %q;\nsession_set_save_handler(new CrossfadeSessionHandler(%q), true);\nrequire %q;\n",
		handlerFile(t), "unix://"+a.memcached[len("unix:"):], testFile(t, "session.php"))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return newHostOf(t, "handler", script, []string{"session.use_strict_mode=1"})
}

// TestPHPHandler moves sessions under PHP's session functions with the handler
// of frontends/php, one host in strict mode beside one with php-memcached.
func TestPHPHandler(t *testing.T) {
	t.Parallel()
	const users, quota = 20, 120
	f := newFleet(t, 2, setting{sessions: memcachedKeys + "    lock_ttl: 5s\n", old: memcachedAt(memcachedServer(t)), new: redisAt(redisServer(t)), sockets: true})
	c := &crowd{t: t, pause: thinking}
	hosts := []*host{
		handlerHost(t, f.agents[0]),
		newHost(t, "php-memcached", throughMemcached(f.agents[1].memcached[len("unix:"):]+":0")),
	}
	for i, h := range hosts {
		c.hosts[i].put(t, h)
	}
	c.at("off")
	idle := c.loginMany(users)
	c.start(users)
	for _, args := range []string{"", "ramp mirror 100", "backfill", "verify", "ramp read-new 100", "ramp cutover 100"} {
		if args != "" {
			c.at(args)
			f.crossfade(strings.Fields(args)...)
		}
		c.until(c.place.Load().clicks.Load() + quota)
		c.seance(50)
	}
	c.finish()
	each(8, idle, func(u *user) { c.click(u, "click"); c.look(u) })
	c.seance(math.MaxInt)
	c.judge(hosts...)
}

// agentOf is an agent that gives each line of a request the next answer.
type agentOf struct {
	net.Listener
	mu    sync.Mutex // guards asked
	asked []string
	wg    sync.WaitGroup
}

func newAgentOf(t testing.TB, answers ...string) *agentOf {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	a := &agentOf{Listener: l}
	a.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					break
				}
				a.mu.Lock()
				a.asked = append(a.asked, strings.TrimSpace(line))
				a.mu.Unlock()
				if words := strings.Fields(line); words[0] == "set" || words[0] == "add" {
					in.ReadString('\n') // one line of data
				}
				if len(answers) == 0 || answers[0] == "(hang up)" {
					answers = answers[min(1, len(answers)):]
					break
				}
				c.Write([]byte(answers[0]))
				answers = answers[1:]
			}
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); a.wg.Wait() })
	return a
}

// TestPHPFunctions: what the four functions say and give, also where the agent
// fails: an exception then, never a session that is missing.
func TestPHPFunctions(t *testing.T) {
	const hit = "VALUE sess:a 0 5\r\na\r\nbc\r\nEND\r\n"
	for _, c := range []struct {
		name, code string
		answers    []string
		want       string
		asked      string // the last line
	}{
		{"get", `var_export(crossfade_get("a"));`, []string{hit}, "'a\r\nbc'", "get sess:a"},
		{"get of none", `var_export(crossfade_get("a"));`, []string{"END\r\n"}, "NULL", "get sess:a"},
		{"get of an empty one", `var_export(crossfade_get("a"));`, []string{"VALUE sess:a 0 0\r\n\r\nEND\r\n"}, "''", "get sess:a"},
		{"get, error", `crossfade_get("a");`, []string{"SERVER_ERROR no store answers\r\n"}, "threw: crossfade: the agent answered: SERVER_ERROR no store answers", "get sess:a"},
		{"get, hung up", `crossfade_get("a");`, []string{"(hang up)"}, "threw: crossfade: the agent closed the connection", "get sess:a"},
		{"get, cut off", `crossfade_get("a");`, []string{"VALUE sess:a 0 50\r\nabc", "(hang up)"}, "threw: crossfade: the agent did not answer within 0.3 s", "get sess:a"},
		{"get, silent", `crossfade_get("a");`, []string{""}, "threw: crossfade: the agent did not answer within 0.3 s", "get sess:a"},
		{"get after an error", `try { crossfade_get("a"); } catch (CrossfadeException) {} var_export(crossfade_get("a") !== null);`, []string{"(hang up)", hit}, "true", "get sess:a"},
		{"set", `crossfade_set("a", "xy", 1440);`, []string{"STORED\r\n"}, "", "set sess:a 0 1440 2"},
		{"set, logged out by SQL", `crossfade_set("a", "xy", 1440);`, []string{"NOT_STORED\r\n"}, "threw: crossfade: the agent answered: NOT_STORED", "set sess:a 0 1440 2"},
		{"set for longer than 30 days", `crossfade_set("a", "xy", 2678400);`, []string{"STORED\r\n"}, "", fmt.Sprintf("set sess:a 0 %d", (time.Now().Unix()+2678400)/1000)},
		{"set for no time", `crossfade_set("a", "xy", 0);`, nil, "threw: crossfade: a life of 0 s: accepted is 1 or more", ""},
		{"touch", `var_export(crossfade_touch("a", 5)); var_export(crossfade_touch("a", 5));`, []string{"TOUCHED\r\n", "NOT_FOUND\r\n"}, "truefalse", "touch sess:a 5"},
		{"delete", `var_export(crossfade_delete("a")); var_export(crossfade_delete("a"));`, []string{"DELETED\r\n", "NOT_FOUND\r\n"}, "truefalse", "delete sess:a"},
		{"an id with a line end", `crossfade_delete("a\r\nflush_all");`, nil, "threw: crossfade: malformed session id: 1 to 250 bytes with its prefix, no space or control byte", ""},
		{"no id", `crossfade_get("");`, nil, "threw: crossfade: malformed session id: 1 to 250 bytes with its prefix, no space or control byte", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAgentOf(t, c.answers...)
			script := fmt.Sprintf("require %q; crossfade_connect(%q, timeout: 0.3); try { %s } catch (CrossfadeException $e) { echo 'threw: ', $e->getMessage(); }",
				handlerFile(t), "unix://"+a.Addr().String(), c.code)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, program(t, "php", "php-cli"), "-d", "display_errors=1", "-r", script).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != c.want {
				t.Errorf("got %q (%v), want %q", out, err, c.want)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			last := ""
			if len(a.asked) > 0 {
				last = a.asked[len(a.asked)-1]
			}
			if last != c.asked && (c.asked == "" || !strings.HasPrefix(last, c.asked)) {
				t.Errorf("asked %q, want %q", last, c.asked)
			}
		})
	}
	t.Run("no agent", func(t *testing.T) {
		script := fmt.Sprintf(`require %q; crossfade_connect("unix:///nowhere/agent.sock"); try { crossfade_get("a"); } catch (CrossfadeException $e) { echo $e->getMessage(); }`, handlerFile(t))
		out, err := exec.Command(program(t, "php", "php-cli"), "-r", script).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), "is it running?") {
			t.Errorf("got %q (%v)", out, err)
		}
	})
}
