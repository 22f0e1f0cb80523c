package redis_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/redis"
)

var php = kinds.Kind{Name: "php", Keys: []string{"PHPREDIS_SESSION:{id: [A-Za-z0-9,-]+}"}, Locks: []string{"PHPREDIS_SESSION:{id}_LOCK"}}

// TestPHP runs PHP's own session functions with the redis handler and its
// locks, and looks at what reaches the layer. K is the session, L its lock.
func TestPHP(t *testing.T) {
	f := frontendtest.New(t, php)
	addr := frontendtest.Start(t, redis.New(f, redis.Options{Password: "secret"}))
	ini := []string{"session.save_handler=redis", `session.save_path="tcp://` + addr + `?auth=secret"`, "redis.session.locking_enabled=1"}
	for _, tt := range []struct {
		name, ini, code, out string
		calls                []string
	}{
		{"a new session", "", `session_start(); $_SESSION['n'] = 1; echo session_id();`, "ID",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:1;" 1440s`, "unlock L"}},
		{"an id that the client brings", "", `session_id(id()); session_start(); $_SESSION['n'] = 1; echo session_id();`, "ID",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:1;" 1440s`, "unlock L"}},
		{"read and change", "", `session_id(id()); session_start(); echo $_SESSION['n']++;`, "1",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:2;" 1440s`, "unlock L"}},
		{"touch", "", `session_id(id()); session_start(); echo $_SESSION['n'];`, "2",
			[]string{"lock L 30s", "get K", "touch K 1440s", "unlock L"}},
		{"regenerate", "", `session_id(id()); session_start(); session_regenerate_id(true); echo $_SESSION['n'];`, "2",
			[]string{"lock L 30s", "get K", "unlock L", "delete K", "lock NL 30s", "get N", `set N 0 "n|i:2;" 1440s`, "unlock NL"}},
		{"the old id is gone", "", `session_id(id()); session_start(); echo json_encode($_SESSION); $_SESSION['n'] = 7;`, "[]",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:7;" 1440s`, "unlock L"}},
		{"destroy", "", `session_id(id()); session_start(); session_destroy(); echo "done";`, "done",
			[]string{"lock L 30s", "get K", "unlock L", "delete K"}},
		{"strict mode, an id that nobody has", "session.use_strict_mode=1", `session_id(id()); session_start(); $_SESSION['n'] = 1; echo session_id() === id() ? "taken over" : "new";`, "new",
			nil},
		{"a large session", "", `session_id(id()); session_start(); $_SESSION['n'] = str_repeat("x\r\n", 50000); session_write_close(); session_start(); echo strlen($_SESSION['n']);`, "150000",
			nil},
		{"no locks", "redis.session.locking_enabled=0", `session_id(id()); session_start(); $_SESSION['n'] = 1;`, "",
			[]string{"get K", `set K 0 "n|i:1;" 1440s`}},
		{"strict mode, an id that is there", "session.use_strict_mode=1", `session_id(id()); session_start(); echo $_SESSION['n'];`, "1",
			[]string{"get K", "lock L 30s", "get K", "touch K 1440s", "unlock L"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := frontendtest.PHP(t, append(slices.Clone(ini), strings.Fields(tt.ini)...), tt.code)
			calls := named(f.Calls(), out)
			if tt.out == "ID" {
				out, tt.out = fmt.Sprint(len(out)), "26"
			}
			if out != tt.out {
				t.Errorf("printed %q, want %q", out, tt.out)
			}
			if tt.calls != nil && !slices.Equal(calls, tt.calls) {
				t.Errorf("got  %q\nwant %q", calls, tt.calls)
			}
		})
	}
}

// named puts K and L for the session of a test and its lock, N and NL for
// those of another.
func named(calls []string, printed string) []string {
	id := "q9pr2r6v3vsl9c1n2v3hm1b7gd"
	if len(printed) == 26 {
		id = printed
	}
	for i, c := range calls {
		op, rest, _ := strings.Cut(c, " ")
		name, rest, _ := strings.Cut(rest+" ", " ")
		short := "N"
		if strings.HasPrefix(name, "PHPREDIS_SESSION:"+id) {
			short = "K"
		}
		if strings.HasSuffix(name, "_LOCK") {
			short = map[string]string{"K": "L", "N": "NL"}[short]
		}
		// A lock's life is told less what has passed since it was read.
		calls[i] = strings.Replace(strings.TrimSpace(op+" "+short+" "+rest), "29.999s", "30s", 1)
	}
	return calls
}

// TestPHPLocks has two requests for one session at once: the second does not
// get the lock, reads nevertheless, and its write is dropped: phpredis's way.
func TestPHPLocks(t *testing.T) {
	f := frontendtest.New(t, php)
	addr := frontendtest.Start(t, redis.New(f, redis.Options{}))
	ini := []string{"session.save_handler=redis", "session.save_path=tcp://" + addr, "redis.session.locking_enabled=1"}
	release := frontendtest.HeldPHP(t, ini, `session_id(id()); session_start(); $_SESSION['n'] = 1; echo "in\n"; fgets(STDIN);`)
	f.Calls()
	const second = `session_id(id()); @session_start(); $_SESSION['m'] = 2; echo json_encode($_SESSION); @session_write_close();`
	if got := frontendtest.PHP(t, ini, second); got != `{"m":2}` {
		t.Errorf("the second request printed %q", got)
	}
	got := named(f.Calls(), "")
	locks := 0
	for _, c := range got {
		switch {
		case strings.HasPrefix(c, "lock L "): // 30s, less what has passed since it was read
			locks++
		case c == "get K":
		default:
			t.Errorf("a request without the lock came to %q", c)
		}
	}
	if locks < 11 {
		t.Errorf("%d tries to lock, want 11 or more: %q", locks, got)
	}
	if got := release(); got != "" {
		t.Errorf("the first request printed %q", got)
	}
	if got := frontendtest.PHP(t, ini, second); got != `{"n":1,"m":2}` {
		t.Errorf("the third request printed %q", got)
	}
}
