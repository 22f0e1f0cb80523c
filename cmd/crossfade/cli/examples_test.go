package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/access"
)

// planted are secrets of a rig: none may come out anywhere.
var planted = []string{id, "data-of-alice-0451", "pw-of-new-9f3a", "a-token-of-the-fleet-77", "hook-secret-5150", "hook-path-1984"}

// rig is a memcached with a session in it, a Redis with a password, a server and
// one agent, in a folder that the test works in.
type exampleRig struct {
	t      *testing.T
	config string
	dir    string
	out    buffer // what server and agent log
}

// buffer is a bytes.Buffer that may be read meanwhile.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{} // closed at the first byte; nil: nobody waits
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.written != nil && b.b.Len() == 0 && len(p) > 0 {
		close(b.written)
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newExampleRig(t *testing.T) *exampleRig {
	t.Helper()
	r := &exampleRig{t: t, dir: t.TempDir()}
	t.Chdir(r.dir)
	old, err := localserver.Memcached(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { old.Stop() })
	store, err := localserver.Redis(t.Context(), localserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Stop() })
	rule := redis.ACLRule("sessions", []string{"PHPREDIS_SESSION:"})
	if got := say(t, store.Addr(), "ACL SETUSER app on >"+planted[2]+" "+rule+" -client|kill +client|kill\r\n"); got != "+OK\r\n" {
		t.Fatal(got)
	}
	say(t, old.Addr(), "set memc.sess.key."+id+" 0 3600 18\r\n"+planted[1]+"\r\n")
	for name, text := range map[string]string{"new.secret": planted[2], "token": planted[3], "hook.secret": planted[4]} {
		if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := flags.LoadOrCreateKey("hash.key"); err != nil {
		t.Fatal(err)
	}
	if err := access.EditRoll("people.yaml", func(*access.Roll) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r.config = filepath.Join(r.dir, "crossfade.yaml")
	control, admin := backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	if err := os.WriteFile(r.config, []byte(fmt.Sprintf(`
migration: sessions
agent: {name: web-01, state_dir: state, key_file: hash.key}
listen: {memcached: [%q], admin: %q}
sessions:
  - {name: php, keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}"], locks: ["memc.sess.key.lock.{id}"], new_key: "PHPREDIS_SESSION:{id}", lock_ttl: 1s}
old: {memcached: {servers: [%q]}}
new: {redis: {addrs: [%q], user: app, password_file: new.secret}}
flags: {server: [%q]}
timeouts: {old: 5s, new: 5s}
server: {name: ctl, listen: %q, token_file: token, users_file: people.yaml, state_dir: server, synthetic: 0s,
  webhooks: [{url: "http://127.0.0.1:9/%s?key=%s", secret_file: hook.secret, events: [complete]}]}
`, backendtest.FreeAddr(t), admin, old.Addr(), store.Addr(), control, control, planted[5], planted[5])), 0o600); err != nil {
		t.Fatal(err)
	}
	r.serve("server", "http://"+control+"/readyz")
	r.serve("agent", "http://"+admin+"/readyz")
	return r
}

// serve runs a verb that does not end, until the test does.
func (r *exampleRig) serve(verb, ready string) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- Run(ctx, []string{verb, "--config", r.config, "--json", "--log-level", "warn"}, strings.NewReader(""), &r.out, &r.out)
	}()
	r.t.Cleanup(func() {
		cancel()
		if code := <-done; code != Done {
			r.t.Errorf("crossfade %s: exit code %d: %s", verb, code, r.out.String())
		}
	})
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		p, err := http.Get(ready)
		if err == nil {
			p.Body.Close()
			if p.StatusCode == 200 {
				http.DefaultClient.CloseIdleConnections()
				return
			}
		}
		if time.Now().After(end) {
			r.t.Fatalf("crossfade %s is not ready: %s", verb, r.out.String())
		}
	}
}

// example is one line of a help text, and what comes of it on a rig that the lines
// before it have left.
type example struct {
	line string
	code int
	want string // in what is printed
	more string // appended, so that it ends soon: what it does is the same
	cut  bool   // it goes on until it is stopped: after its first output it is
	once bool   // not with --json a second time
	// again is the exit code of the second time, where it is another one: what was
	// to be done is done.
	again int
	// or are other codes that may come of it, by how busy the machine is: a proof or
	// a demo that is cut short, connections that are not closed yet, an agent that
	// nobody has asked for a while.
	or []int
}

// examples are all of the help texts', in an order that makes sense.
var examples = []example{
	{line: "crossfade init", code: Usage, want: "--client", more: "--config fresh.yaml"},
	{line: "crossfade init --client php-memcached --old memcached:10.0.0.1:11211 --new redis:10.0.0.2:6379", want: "fresh.yaml", more: "--config fresh.yaml", once: true},
	{line: "crossfade server --config /etc/crossfade/crossfade.yaml", code: Failed, want: "is another server running?"},
	{line: "crossfade agent --config /etc/crossfade/crossfade.yaml", code: Failed, want: "is another agent running?"},
	{line: "crossfade agent --keep-sockets --config /etc/crossfade/crossfade.yaml", code: Failed, want: "is another agent running?"},
	{line: "crossfade users add ada --role operator", want: "ada is operator", again: Failed},
	{line: "crossfade users add ci --role operator --no-password", want: "ci is operator", again: Failed},
	{line: "crossfade users token ada --name laptop", want: "shown this once", again: Usage},
	{line: "crossfade users token ada --revoke laptop", want: "counts no more", again: Failed},
	{line: "crossfade users token ada --name laptop > ada.token", again: Usage},
	{line: "crossfade users list", want: "token laptop"},
	{line: "crossfade demo", code: Inconclusive, want: "old p50/p99", more: "--users 50", cut: true, or: []int{Failed}},
	{line: "crossfade demo --real", code: Inconclusive, want: "old p50/p99", more: "--users 50", cut: true, or: []int{Failed}, once: true},
	{line: "crossfade demo --break new", code: Inconclusive, want: "old p50/p99", more: "--users 50", cut: true, or: []int{Failed}, once: true},
	{line: "crossfade demo --naive", code: Inconclusive, want: "old p50/p99", more: "--users 50", cut: true, or: []int{Failed}, once: true},
	{line: "crossfade agents list", want: "web-01"},
	{line: "crossfade agents forget web-17 --dry-run", want: "now it would be refused"},
	{line: "crossfade agents forget web-17", code: Refused, want: "web-17"},
	{line: "crossfade check --fleet", code: Refused, want: "old answers"},
	{line: "crossfade prove", want: "no logout", more: "--quick --time 500ms", or: []int{Failed}},
	{line: "crossfade prove --faults new,late --time 30s", want: "no logout", more: "--quick --time 500ms", or: []int{Failed}, once: true},
	{line: "crossfade prove --suppose two-flags", code: Failed, want: "NOT HELD", more: "--quick --time 30s"},
	{line: "crossfade ramp mirror 1 --agents web-01", want: "acknowledged by 1 agents"},
	{line: "crossfade ramp mirror 100", want: "mirror 100 %"},
	{line: "crossfade status", want: "mirror 100 %"},
	{line: "crossfade status -w", want: "mirror 100 %", cut: true},
	{line: "crossfade explain -", want: "position mirror"},
	{line: "crossfade backfill --dry-run", want: "read every session of old"},
	{line: "crossfade backfill", want: "1 sessions"},
	{line: "crossfade backfill status --json", want: `"job"`},
	{line: "crossfade backfill hold", code: Refused, want: "no backfill is running"},
	{line: "crossfade backfill release", code: Refused, want: "no backfill is running"},
	{line: "crossfade backfill cancel", code: Refused, want: "no backfill is running"},
	{line: "crossfade verify --json", want: `"job"`},
	{line: "crossfade verify --sample 5%", want: "a sample of 5 %"},
	{line: "crossfade verify status --json", want: `"job"`},
	{line: "crossfade verify hold", code: Refused, want: "no verify is running"},
	{line: "crossfade verify release", code: Refused, want: "no verify is running"},
	{line: "crossfade verify cancel", code: Refused, want: "no verify is running"},
	{line: "crossfade repair", want: "0 differ"},
	{line: "crossfade repair --yes --max 100", want: "0 differ"},
	{line: "crossfade repair undo repair-sessions-20260102T150405.000.undo", code: Failed, want: "no such file"},
	{line: "crossfade divergences --json", want: "{"},
	{line: "crossfade flags export > flags.json"},
	{line: "crossfade plan show", want: "ramp read-new"},
	{line: "crossfade plan show --yaml > plan.yaml"},
	{line: "crossfade plan lint plan.yaml", want: "ramp read-new"},
	{line: "crossfade hold --dry-run", want: "no ramp goes up"},
	{line: "crossfade release --dry-run", want: "nobody holds"},
	{line: `crossfade hold --reason "black friday"`},
	{line: `crossfade release --reason "black friday"`, again: Refused},
	{line: "crossfade advance", code: Refused, want: "gate"},
	{line: `crossfade advance --auto --reason "change 4711"`},
	{line: "crossfade advance --by-hand"},
	{line: `crossfade ramp read-new 5 --reason "first real readers"`, want: "read-new 5 %"},
	{line: `crossfade pin - --at read-new --reason "my own, first"`, want: "revision"},
	{line: "crossfade pin --hash 8f3a0c52b1de44079f6f2a0b6a1c9d3e --at fenced --dry-run", want: "held in fenced"},
	{line: "crossfade unpin -", want: "revision"},
	{line: "crossfade unpin --hash 8f3a0c52b1de44079f6f2a0b6a1c9d3e", want: "nothing to do"},
	{line: "crossfade ramp cutover 25 --dry-run", code: Refused, want: "let it soak"},
	{line: "crossfade declare-down old --dry-run", want: "new grants the locks"},
	{line: `crossfade declare-down old --reason "disk lost"`, want: "new grants the locks"},
	{line: "crossfade recover old", want: "old is whole"},
	{line: "crossfade complete --dry-run", want: "now it would be refused"},
	{line: `crossfade complete --reason "a week's soak is over"`, code: Refused, want: "cutover"},
	{line: "crossfade rollback --to read-new", want: "nothing to do"},
	{line: "crossfade rollback --to mirror --via-store", code: Inconclusive, want: "revision", more: "--wait 3s", once: true, or: []int{Done}},
	{line: `crossfade rollback --to off --reason "new is too slow at noon"`, want: "off 100 %"},
	{line: "crossfade reap --batch 500 --pause 100ms", code: Usage, want: "old is not hybrid"},
	{line: "crossfade bypass", want: "hosts past the agents", or: []int{Failed}},
	{line: "crossfade audit", want: "first real readers"},
	{line: "crossfade audit --verify", want: "none changed"},
	{line: "crossfade report > migration.md"},
	{line: "crossfade report --json", want: `"revisions"`},
	{line: "crossfade support-bundle", want: "made crossfade-sessions-"},
	{line: "crossfade support-bundle crossfade.tar.gz", want: "made crossfade.tar.gz", once: true},
	{line: "crossfade man man1"},
	{line: "crossfade observe 10m", code: Inconclusive, cut: true},
}

// inHelp are the lines of all help texts.
func inHelp() (lines []string) {
	for _, cmd := range leaves() {
		lines = append(lines, exampleLines(cmd.Example)...)
	}
	for _, v := range verbs {
		lines = append(lines, exampleLines(v(&app{}).Example)...)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func exampleLines(text string) (lines []string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, " #") // a comment
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// words are what a shell makes of a line: quotes, and > FILE.
func shellWords(line string) (words []string, to string) {
	var word strings.Builder
	quote, any := rune(0), false
	end := func() {
		if any {
			words = append(words, word.String())
		}
		word.Reset()
		any = false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, any = r, true
		case quote == 0 && r == ' ':
			end()
		default:
			word.WriteRune(r)
			any = true
		}
	}
	end()
	if i := slices.Index(words, ">"); i >= 0 {
		return words[:i], words[i+1]
	}
	return words, ""
}

// do runs an example and looks at what came of it.
func (r *exampleRig) do(e example, asJSON bool) {
	r.t.Helper()
	words, to := shellWords(e.line)
	args := words[1:]
	path := strings.Join(args, " ")
	if !strings.Contains(e.more, "--config") {
		args = append(args, "--config", r.config)
	}
	args = append(args, strings.Fields(e.more)...)
	if asJSON {
		args = append(args, "--json")
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	var out, errs buffer
	if e.cut {
		out.written = make(chan struct{})
		first := out.written
		if e.want == "" { // it prints at its end
			first = make(chan struct{})
			time.AfterFunc(500*time.Millisecond, func() { close(first) })
		}
		if asJSON && strings.Contains(e.line, "demo") {
			errs.written, out.written, first = out.written, nil, out.written
		}
		go func() {
			select {
			case <-first:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	want := e.code
	if asJSON && e.again != 0 {
		want = e.again
	}
	began := time.Now()
	code := Run(ctx, args, strings.NewReader(id+"\n"), &out, &errs)
	all := out.String() + errs.String()
	r.t.Logf("%6d ms  %s", time.Since(began).Milliseconds(), e.line)
	if code != want && !slices.Contains(e.or, code) || !asJSON && !strings.Contains(all, e.want) {
		r.t.Errorf("%s (JSON %v): exit code %d, want %d and %q:\n%s", e.line, asJSON, code, want, e.want, all)
	}
	r.secret(e.line, []byte(all))
	if to != "" {
		if err := os.WriteFile(to, []byte(out.String()), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	if asJSON || slices.Contains(args, "--json") {
		r.shaped(path, code, out.String())
	}
}

// shaped looks whether what was printed is one value of a documented shape.
func (r *exampleRig) shaped(args string, code int, out string) {
	r.t.Helper()
	verb := ""
	for p := range shapes {
		if (args+" ") == p+" " || strings.HasPrefix(args+" ", p+" ") && len(p) > len(verb) {
			verb = p
		}
	}
	s := shapes[verb]
	types := append(slices.Clone(s.types), reflect.TypeFor[failed]())
	if code == Done {
		types = s.types
	}
	d := json.NewDecoder(strings.NewReader(out))
	n := 0
	for ; ; n++ {
		var v any
		if err := d.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			r.t.Errorf("crossfade %s --json prints %q: %v", args, out, err)
			return
		}
		if len(types) == 0 {
			continue
		}
		var bad []string
		for _, t := range types {
			why := conforms(t, v, verb)
			if why == "" {
				bad = nil
				break
			}
			bad = append(bad, why)
		}
		if bad != nil {
			r.t.Errorf("crossfade %s --json is of no documented shape: %s\n%s", args, strings.Join(bad, "; "), out)
		}
	}
	if n != 1 && !strings.Contains(args, "-w") && !strings.HasPrefix(args, "agent") && !strings.HasPrefix(args, "server") {
		r.t.Errorf("crossfade %s --json prints %d values: %q", args, n, out)
	}
}

// secret looks for what was planted, in clear and in the usual disguises.
func (r *exampleRig) secret(where string, data []byte) {
	r.t.Helper()
	for _, p := range planted {
		for _, form := range []string{p, base64.StdEncoding.EncodeToString([]byte(p)), hex.EncodeToString([]byte(p))} {
			if bytes.Contains(data, []byte(form)) {
				r.t.Errorf("%s shows %q", where, form)
			}
		}
	}
}

// TestExamples runs every example of every help text, on real stores, a real
// server and a real agent; each a second time with --json.
func TestExamples(t *testing.T) {
	var known []string
	for _, e := range examples {
		known = append(known, e.line)
	}
	slices.Sort(known)
	if help := inHelp(); !slices.Equal(slices.Compact(known), help) {
		for _, l := range help {
			if !slices.Contains(known, l) {
				t.Errorf("%s: is in a help text, and not tried here", l)
			}
		}
		for _, l := range known {
			if !slices.Contains(help, l) {
				t.Errorf("%s: is in no help text", l)
			}
		}
		t.FailNow()
	}
	r := newExampleRig(t)
	for _, e := range examples {
		r.do(e, false)
		if !e.once && !strings.Contains(e.line, "--json") && !strings.Contains(e.line, ">") {
			r.do(e, true)
		}
	}
	r.bundles()
	r.secret("the log", []byte(r.out.String()))
}

// bundles looks into what support-bundle has made.
func (r *exampleRig) bundles() {
	t := r.t
	t.Helper()
	found, err := filepath.Glob("*.tar.gz")
	if err != nil || len(found) < 2 {
		t.Fatalf("%v, %v", found, err)
	}
	for _, name := range found {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		gz, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		tr := tar.NewReader(gz)
		for {
			h, err := tr.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			_, base, _ := strings.Cut(h.Name, "/")
			texts[base] = string(b)
			r.secret(name+": "+base, b)
			if key, _ := os.ReadFile("hash.key"); bytes.Contains(b, bytes.TrimSpace(key)) {
				t.Errorf("%s: %s has the hash key", name, base)
			}
		}
		for base, want := range map[string]string{
			"configuration.yaml": "password_file: <secret>", "status.json": `"web-01"`, "plan.json": "ramp read-new", "divergences.json": "{", "flags.json": flags.Key,
			"audit.json": "first real readers", "check.json": "old answers", "versions.json": `"crossfade"`,
		} {
			if !strings.Contains(texts[base], want) {
				t.Errorf("%s: no %q in %s:\n%s", name, want, base, texts[base])
			}
		}
		metrics := ""
		for base, text := range texts {
			if strings.HasPrefix(base, "metrics/") {
				metrics += text
			}
		}
		for _, want := range []string{"crossfade_flag_revision{", "crossfade_agents{"} { // an agent's, and a server's
			if !strings.Contains(metrics, want) {
				t.Errorf("%s: no %s among the metrics", name, want)
			}
		}
		if !strings.Contains(texts["configuration.yaml"], "http://127.0.0.1:9/<secret>") {
			t.Errorf("%s: the webhook's address: %s", name, texts["configuration.yaml"])
		}
		if c, err := config.Parse("c", []byte(texts["configuration.yaml"])); c == nil && !strings.Contains(err.Error(), "accepted") {
			t.Errorf("%s: the configuration cannot be read: %v", name, err)
		}
	}
}
