package phptest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// commandsOf are the commands of a page's sh blocks, in order.
func commandsOf(t testing.TB, page string) (commands []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../docs", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(m[1]) {
			if line = strings.TrimSpace(line); line != "" {
				commands = append(commands, line)
			}
		}
	}
	return commands
}

// TestTuesday runs every command of docs/tuesday.md, in its order, under
// clicking users.
func TestTuesday(t *testing.T) {
	s := newShop(t, "sync_every: 1s|app", false)
	agents := func(i int) *host { return s.page(i, "agent and MySQL", "own.php", s.fleet.agents[i].memcached, "") }
	s.use(agents)
	s.crowd.at("off")
	idle := s.crowd.loginMany(20)
	s.crowd.start(15)
	commands := commandsOf(t, "tuesday.md")
	if len(commands) < 30 {
		t.Fatalf("the page has %d commands: it was not read", len(commands))
	}
	for _, c := range commands {
		args, ok := strings.CutPrefix(c, "crossfade ")
		if !ok {
			t.Fatalf("%q: the page shows commands that are not crossfade's", c)
		}
		s.crowd.at(c)
		stdin, want := "", 0
		switch args {
		case "observe 10m":
			args = "observe 3s"
		case "explain -":
			stdin = "sess:" + idle[0].cookie + "\n"
		case "declare-down old":
			if err := s.mc.Kill(); err != nil {
				t.Fatal(err)
			}
			s.crowd.until(s.crowd.place.Load().clicks.Load() + 20)
		case "recover old":
			if err := s.mc.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		out, code := s.fleet.runWith(0, stdin, strings.Fields(args)...)
		if code != want {
			t.Fatalf("%s: exit code %d, want %d\n%s", c, code, want, out)
		}
		if strings.Contains(out, idle[0].cookie) {
			t.Errorf("%s shows a session id", c)
		}
		s.crowd.until(s.crowd.place.Load().clicks.Load() + 40)
		time.Sleep(100 * time.Millisecond)
	}
	each(4, idle, func(u *user) { s.crowd.click(u, "click"); s.crowd.look(u) })
	s.end()
}
