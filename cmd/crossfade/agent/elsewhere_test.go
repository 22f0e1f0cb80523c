package agent

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/certs"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// source is a server that gives flags, until it does something else.
type source struct {
	page  atomic.Pointer[func(http.ResponseWriter)]
	asked atomic.Int64 // with the right token
	known atomic.Int64 // of those, answered 304
}

func (s *source) say(f func(http.ResponseWriter)) { s.page.Store(&f) }
func (s *source) give(text string)                { s.say(func(w http.ResponseWriter) { io.WriteString(w, text) }) }

func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer a-token-of-nobody" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	s.asked.Add(1)
	if r.Header.Get("If-None-Match") == `"always"` {
		s.known.Add(1)
	}
	(*s.page.Load())(w)
}

// TestFlagsFromElsewhere: a real agent, led by an address over TLS that gives
// definitions, breaks, lies and goes back.
func TestFlagsFromElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := certstest.NewCA(t)
	cert, key := ca.Sign(t, dir, "127.0.0.1")
	tc, err := certs.Server(certs.Files{CertFile: cert, KeyFile: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := &source{}
	src.say(func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	server := httptest.NewUnstartedServer(src)
	server.TLS = tc
	server.StartTLS()
	defer server.Close()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("a-token-of-nobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	mc, admin := backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	c, err := config.Parse("crossfade.yaml", []byte(fmt.Sprintf(`
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: [%[2]s], admin: %[3]s}
sessions:
  - {name: php, keys: ["s.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {memory: {}}
flags: {url: "%[4]s/flags.json", ca_file: %[5]s, token_file: %[1]s/token}
`, dir, mc, admin, server.URL, ca.File)))
	if err != nil {
		t.Fatal(err)
	}
	explain := func() string {
		p, err := http.Post("http://"+admin+"/v1/explain", "application/json", strings.NewReader(`{"hash":"c6baf1b464990c4738cc1003de32daad"}`))
		if err != nil {
			return err.Error()
		}
		defer p.Body.Close()
		b, _ := io.ReadAll(p.Body)
		return string(b)
	}
	defer http.DefaultClient.CloseIdleConnections()
	contact := func() float64 {
		_, text := ask(t, "http://"+admin+"/metrics")
		m := regexp.MustCompile(`crossfade_flag_last_contact_timestamp_seconds\{[^}]*\} (\S+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatal("no such series")
		}
		v, _ := strconv.ParseFloat(m[1], 64)
		return v
	}
	ready := func() bool { code, _ := ask(t, "http://"+admin+"/readyz"); return code == 200 }
	at := func(p position.Position) func() bool {
		return func() bool { return strings.Contains(explain(), `"position":"`+p.String()+`"`) }
	}
	status := func(text string) func() bool {
		return func() bool { _, s := ask(t, "http://"+admin+"/v1/status"); return strings.Contains(s, text) }
	}
	heard := func(n int64) { // so many questions more have been answered
		t.Helper()
		from := src.asked.Load()
		eventually(t, "it asks on", func() bool { return src.asked.Load() >= from+n })
	}
	ours := func(epoch uint64, p position.Position) string {
		d := flags.Definition{Migration: "sessions", Epoch: epoch, Default: p}
		d.Weights[p] = flags.Buckets
		b, err := d.MarshalFlagd()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	theirs := func(p string) string {
		return `{"flags": {"crossfade-stage": {"state": "ENABLED", "variants": {"a": "` + p + `", "b": "off"}, "defaultVariant": "b", "targeting": {"fractional": [["a", 1], ["b", 0]]}}}}`
	}

	stop := started(t, c)
	heard(2)
	if ready() {
		t.Error("ready, and nothing is known")
	}
	src.give(theirs("mirror"))
	eventually(t, "it is ready, in mirror", func() bool { return ready() && at(position.Mirror)() })
	if !status(`"flags_elsewhere":true`)() || !status(`"epoch":0`)() {
		t.Error("the status does not say that the flags were made elsewhere")
	}
	before := contact()
	eventually(t, "contact moves on", func() bool { return contact() > before })

	// It breaks, and lies: nothing changes, and contact stands.
	for name, page := range map[string]func(http.ResponseWriter){
		"a page": func(w http.ResponseWriter) { io.WriteString(w, "<html>sign in</html>") },
		"broken": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"jumps":  func(w http.ResponseWriter) { io.WriteString(w, ours(9, position.ReadNew)) },
	} {
		src.say(page)
		heard(2)
		was := contact()
		if heard(1); !at(position.Mirror)() || !ready() || contact() != was || !status(`"flags_error"`)() {
			t.Errorf("%s: contact %v, then %v: %s", name, was, contact(), explain())
		}
	}
	src.give(theirs("cutover")) // more than they may
	heard(2)
	if !at(position.Mirror)() {
		t.Errorf("theirs: %s", explain())
	}

	// Ours comes the same way, step by step; what goes back does not.
	src.give(ours(1, position.Mirror))
	eventually(t, "revision 1", func() bool { return status(`"epoch":1`)() && !status(`"flags_elsewhere"`)() })
	src.say(func(w http.ResponseWriter) {
		w.Header().Set("ETag", `"always"`)
		io.WriteString(w, ours(2, position.Fenced))
	})
	eventually(t, "revision 2", func() bool { return at(position.Fenced)() && src.known.Load() > 0 })
	src.give(ours(1, position.Mirror))
	heard(2)
	if !at(position.Fenced)() || !status("older file")() {
		t.Errorf("it went back: %s", explain())
	}
	stop()

	// A restart with nobody there.
	src.say(func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) })
	stop = started(t, c)
	defer stop()
	eventually(t, "it serves what it had", func() bool { return ready() && at(position.Fenced)() })
}
