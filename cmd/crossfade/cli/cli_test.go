package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

const id = "q9pr2r6v3vsl9c1n2v3hm1b7gd"

// host is a folder with a configuration, and one agent over stores in memory.
type host struct {
	t      *testing.T
	config string
	digest string // when set, another than the configuration's
	server *httptest.Server
	layer  *darklaunch.Layer
}

func newHost(t *testing.T) *host {
	return newHostOn(t, `{memcached: {servers: ["127.0.0.1:1"]}}`, `{redis: {addrs: ["127.0.0.1:1"]}}`, memory.New(memory.Options{}), memory.New(memory.Options{}))
}

// newHostOn has a configuration that names old and new, and an agent over them.
func newHostOn(t *testing.T, oldText, newText string, older, newer backends.Store) *host {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, config: filepath.Join(dir, "crossfade.yaml")}
	hasher, err := flags.LoadOrCreateKey(filepath.Join(dir, "hash.key"))
	if err != nil {
		t.Fatal(err)
	}
	src := flags.NewFile(filepath.Join(dir, "flags.json"), flags.FileOptions{Poll: 5 * time.Millisecond})
	var api *agentapi.Handler
	h.server = httptest.NewUnstartedServer(nil)
	addr := h.server.Listener.Addr().String()
	text := fmt.Sprintf(`
migration: m
agent: {name: web-1, key_file: %q, state_dir: %q}
sessions:
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}"]
    new_key: "PHPREDIS_SESSION:{id}"
old: %s
new: %s
flags: {file: %q, agents: [%q]}
`, filepath.Join(dir, "hash.key"), filepath.Join(dir, "state"), oldText, newText, filepath.Join(dir, "flags.json"), addr)
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(h.config)
	if err != nil {
		t.Fatal(err)
	}
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		t.Fatal(err)
	}
	h.layer, err = darklaunch.New(darklaunch.Options{Migration: "m", Kinds: set, Flags: src, Hasher: hasher,
		Old: darklaunch.Store{Store: older}, New: darklaunch.Store{Store: newer}})
	if err != nil {
		t.Fatal(err)
	}
	api = agentapi.New(h.layer, agentapi.Options{Name: "web-1", Flags: src, Kinds: set, Digest: func(b string) string {
		if h.digest != "" {
			return h.digest
		}
		return c.Digest(b, hasher.Digest(), parts.Version())
	}})
	h.server.Config.Handler = api
	h.server.Start()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { src.Run(ctx); done <- struct{}{} }()
	go func() { h.layer.Run(ctx); done <- struct{}{} }()
	t.Cleanup(func() {
		cancel()
		<-done
		<-done
		h.layer.Close()
		h.server.Close()
	})
	return h
}

func (h *host) run(stdin string, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = Run(context.Background(), append(args, "--config", h.config), strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

// TestExitCodes: one meaning each.
func TestExitCodes(t *testing.T) {
	h := newHost(t)
	for _, tt := range []struct {
		args string
		code int
		want string // in either output
	}{
		{"status", Done, "off 100 %"},
		{"ramp mirror 10 --reason trial", Done, "acknowledged by 1 agents: mirror 10 %, off 90 %"},
		{"ramp mirror 10", Done, "nothing to do"},
		{"ramp mirror 20 --dry-run", Done, "needs: every agent has acknowledged"},
		{"ramp cutover 0 --dry-run", Done, "taking it back"},
		{"ramp read-new 1", Refused, "crossfade ramp mirror 100"},
		{"backfill", Refused, "crossfade ramp mirror 100 first"},
		{"verify", Refused, "crossfade backfill"},
		{"declare-down old", Refused, "no session is in read-new"},
		{"divergences", Done, "none"},
		{"flags export", Done, `"crossfade-stage"`},
		{"flags", Done, "export"},
		{"status", Done, "web-1"},
		{"ramp mirror", Usage, "STAGE PERCENT"},
		{"ramp nowhere 1", Usage, "accepted are mirror, read-new and cutover"},
		{"ramp mirror 1.234", Usage, "two decimals"},
		{"rollback", Usage, "accepted are read-new, mirror and off"},
		{"rollback --to cutover", Usage, "accepted are"},
		{"recover new", Usage, "accepted is old"},
		{"explain " + id, Usage, "standard input"},
		{"status --what", Usage, "unknown flag"},
		{"nothing", Usage, "no verb"},
		{"rollback --to off", Done, "off 100 %"},
	} {
		code, out, errOut := h.run("", strings.Fields(tt.args)...)
		if code != tt.code || !strings.Contains(out+errOut, tt.want) {
			t.Errorf("crossfade %s: exit code %d, want %d and %q:\n%s%s", tt.args, code, tt.code, tt.want, out, errOut)
		}
		if strings.Contains(out+errOut, id) {
			t.Errorf("crossfade %s shows an id that was typed", tt.args)
		}
	}
	h.digest = "other"
	if code, _, errOut := h.run("", "ramp", "mirror", "5"); code != Refused || !strings.Contains(errOut, "web-1") {
		t.Errorf("another digest: exit code %d: %s", code, errOut)
	}
	h.digest = ""
	h.server.Close()
	code, out, _ := h.run("", "ramp", "mirror", "5", "--wait", "50ms", "--json")
	var f struct {
		Code   int               `json:"exit_code"`
		Agents []migrate.Lagging `json:"agents"`
	}
	if err := json.Unmarshal([]byte(out), &f); err != nil || code != Inconclusive || f.Code != Inconclusive || len(f.Agents) != 1 || f.Agents[0].Name != "web-1" {
		t.Errorf("no answer: exit code %d, %v: %s", code, err, out)
	}
}

// TestJSON: with --json standard output is one JSON value.
func TestJSON(t *testing.T) {
	h := newHost(t)
	for _, args := range []string{"ramp mirror 100", "status", "ramp mirror 50 --dry-run", "divergences", "ramp read-new 1", "ramp x 1", "explain -"} {
		_, out, _ := h.run(id+"\n", append(strings.Fields(args), "--json")...)
		if !json.Valid([]byte(out)) {
			t.Errorf("crossfade %s --json prints %q", args, out)
		}
	}
}

// TestExplain: from standard input; neither the id nor the data comes out.
func TestExplain(t *testing.T) {
	h := newHost(t)
	if code, _, errOut := h.run("", "ramp", "mirror", "100"); code != Done {
		t.Fatal(errOut)
	}
	d := h.layer.Door("library")
	ref, _ := d.ResolveString("memc.sess.key." + id)
	if err := d.Set(context.Background(), ref, backends.Session{Data: []byte("alice"), Deadline: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{id, "memc.sess.key." + id + "\n"} {
		code, out, errOut := h.run(in, "explain", "-")
		if code != Done || !strings.Contains(out, "position mirror") || !strings.Contains(out, "old: 5 bytes") || !strings.Contains(out, "old: set; after the answer: new") {
			t.Errorf("exit code %d\n%s%s", code, out, errOut)
		}
		if strings.Contains(out, id) || strings.Contains(out, "alice") {
			t.Errorf("shown:\n%s", out)
		}
	}
	if code, _, _ := h.run("\n", "explain", "-"); code != Usage {
		t.Errorf("nothing on standard input: exit code %d", code)
	}
}

// TestHelp: every verb has an example.
func TestHelp(t *testing.T) {
	for _, v := range verbs {
		cmd := v(&app{})
		if cmd.Short == "" || cmd.Example == "" {
			t.Errorf("crossfade %s: no short text or no example", cmd.Name())
		}
	}
}
