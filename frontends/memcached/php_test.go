package memcached_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

var php = kinds.Kind{Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, Locks: []string{"memc.sess.key.lock.{id}"}}

// TestPHP runs PHP's own session functions with the memcached handler, and
// looks at what reaches the layer, in the protocol that it takes by itself and
// in ASCII. K is the session, L its lock.
func TestPHP(t *testing.T) {
	for _, protocol := range []string{"1", "0"} {
		t.Run("binary="+protocol, func(t *testing.T) { testPHP(t, protocol) })
	}
}

func testPHP(t *testing.T, protocol string) {
	f := frontendtest.New(t, php)
	addr := frontendtest.Start(t, memcached.New(f, memcached.Options{}))
	ini := []string{"session.save_handler=memcached", "session.save_path=" + addr, "memcached.sess_binary_protocol=" + protocol}
	for _, tt := range []struct {
		name, ini, code, out string
		calls                []string
	}{
		{"a new session", "", `session_start(); $_SESSION['n'] = 1; echo session_id();`, "ID",
			[]string{`add K 0 "" 30s`, "lock L 30s", "get K", `set K 0 "n|i:1;" 1440s`, "unlock L"}},
		{"an id that the client brings", "", `session_id(id()); session_start(); $_SESSION['n'] = 1; echo session_id();`, "ID",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:1;" 1440s`, "unlock L"}},
		{"read and change", "", `session_id(id()); session_start(); echo $_SESSION['n']++;`, "1",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:2;" 1440s`, "unlock L"}},
		{"touch", "", `session_id(id()); session_start(); echo $_SESSION['n'];`, "2",
			[]string{"lock L 30s", "get K", "touch K 1440s", "unlock L"}},
		{"regenerate", "", `session_id(id()); session_start(); session_regenerate_id(true); echo $_SESSION['n'];`, "2",
			[]string{"lock L 30s", "get K", "delete K", "unlock L", `add N 0 "" 30s`, "lock NL 30s", "get N", `set N 0 "n|i:2;" 1440s`, "unlock NL"}},
		{"the old id is gone", "", `session_id(id()); session_start(); echo json_encode($_SESSION); $_SESSION['n'] = 7;`, "[]",
			[]string{"lock L 30s", "get K", `set K 0 "n|i:7;" 1440s`, "unlock L"}},
		{"destroy", "", `session_id(id()); session_start(); session_destroy(); echo "done";`, "done",
			[]string{"lock L 30s", "get K", "delete K", "unlock L"}},
		{"strict mode, an id that nobody has", "session.use_strict_mode=1", `session_id(id()); session_start(); $_SESSION['n'] = 1; echo session_id() === id() ? "taken over" : "new";`, "new",
			nil},
		{"a large session", "", `session_id(id()); session_start(); $_SESSION['n'] = str_repeat("x\r\n", 50000); session_write_close(); session_start(); echo strlen($_SESSION['n']);`, "150000",
			nil},
		{"no locks", "memcached.sess_locking=0", `session_id(id()); session_start(); $_SESSION['n'] = 1;`, "",
			[]string{"get K", `set K 0 "n|i:1;" 1440s`}},
		{"strict mode, an id that is there", "session.use_strict_mode=1", `session_id(id()); session_start(); echo $_SESSION['n'];`, "1",
			[]string{`add K 0 "" past`, "lock L 30s", "get K", "touch K 1440s", "unlock L"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := frontendtest.PHP(t, append(strings.Fields(tt.ini), ini...), tt.code)
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
		switch {
		case name == "memc.sess.key."+id:
			name = "K"
		case name == "memc.sess.key.lock."+id:
			name = "L"
		case strings.HasPrefix(name, "memc.sess.key.lock."):
			name = "NL"
		default:
			name = "N"
		}
		// A lock's life counts down from when it was asked for.
		if op == "lock" && strings.HasPrefix(rest, "29.9") {
			rest = "30s"
		}
		calls[i] = strings.TrimSpace(op + " " + name + " " + rest)
	}
	return calls
}

// TestPHPLocks has two requests for one session at once: the second waits,
// gives up, and comes in when the first has ended.
func TestPHPLocks(t *testing.T) {
	f := frontendtest.New(t, php)
	addr := frontendtest.Start(t, memcached.New(f, memcached.Options{}))
	ini := []string{"session.save_handler=memcached", "session.save_path=" + addr, // binary, as it is by default
		"memcached.sess_lock_wait_min=20", "memcached.sess_lock_wait_max=20"}
	release := frontendtest.HeldPHP(t, ini, `session_id(id()); session_start(); $_SESSION['n'] = 1; echo "in\n"; fgets(STDIN);`)
	f.Calls()
	const second = `session_id(id()); var_export(@session_start()); echo json_encode($_SESSION ?? null);`
	if got := frontendtest.PHP(t, ini, second); !strings.HasPrefix(got, "false") {
		t.Errorf("the second request printed %q, want false", got)
	}
	if got, want := named(f.Calls(), ""), slices.Repeat([]string{"lock L 30s"}, 6); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := release(); got != "" {
		t.Errorf("the first request printed %q", got)
	}
	if got := frontendtest.PHP(t, ini, second); got != `true{"n":1}` {
		t.Errorf("the third request printed %q", got)
	}
}

// TestPHPMemcache runs the older extension, which asks for a lock with an incr
// and an add in one packet, and gives it back by a set of 0.
func TestPHPMemcache(t *testing.T) {
	kind := kinds.Kind{Name: "php", Keys: []string{"{id: [A-Za-z0-9,-]+}"}, Locks: []string{"{id}.lock"}}
	f := frontendtest.New(t, kind)
	addr := frontendtest.Start(t, memcached.New(f, memcached.Options{}))
	ini := []string{"session.save_handler=memcache", "session.save_path=tcp://" + addr}
	for _, tt := range []struct {
		name, code, out string
		calls           []string
	}{
		{"a new session", `session_id(id()); session_start(); $_SESSION['n'] = 1;`, "", []string{"lock 15s", "get", `set 0 "n|i:1;" 1440s`, "unlock"}},
		{"read and change", `session_id(id()); session_start(); echo $_SESSION['n']++;`, "1", []string{"lock 15s", "get", `set 0 "n|i:2;" 1440s`, "unlock"}},
		{"regenerate", `session_id(id()); session_start(); session_regenerate_id(); echo $_SESSION['n'];`, "2", nil},
		{"destroy", `session_id(id()); session_start(); session_destroy(); echo "done";`, "done", []string{"lock 15s", "get", "delete", "unlock"}},
	} {
		out := frontendtest.PHP(t, ini, tt.code)
		var calls []string
		for _, c := range f.Calls() {
			op, rest, _ := strings.Cut(c, " ")
			_, rest, _ = strings.Cut(rest+" ", " ")
			rest = strings.NewReplacer("1439s", "1440s", "14.99", "15s#").Replace(rest) // counted down since
			rest, _, _ = strings.Cut(rest, "#")
			calls = append(calls, strings.TrimSpace(op+" "+rest))
		}
		if out != tt.out {
			t.Errorf("%s: printed %q, want %q", tt.name, out, tt.out)
		}
		if tt.calls != nil && !slices.Equal(calls, tt.calls) {
			t.Errorf("%s: got %q, want %q", tt.name, calls, tt.calls)
		}
	}
	release := frontendtest.HeldPHP(t, ini, `session_id(id()); session_start(); $_SESSION['n'] = 1; echo "in\n"; fgets(STDIN);`)
	f.Calls()
	waiting := make(chan string)
	go func() {
		waiting <- frontendtest.PHP(t, ini, `session_id(id()); session_start(); echo json_encode($_SESSION);`)
	}()
	refused := func() bool { return strings.Count(strings.Join(f.Calls(), " "), "lock") > 0 }
	for begun := time.Now(); !refused() && time.Since(begun) < 10*time.Second; {
		time.Sleep(5 * time.Millisecond)
	}
	if got := release(); got != "" {
		t.Errorf("the first request printed %q", got)
	}
	if got := <-waiting; got != `{"n":1}` {
		t.Errorf("the second request, which waited for the lock, printed %q", got)
	}
}
