package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
)

const phpKind = `{name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}"], locks: ["memc.sess.key.lock.{id}"]}`

// passConfig is a configuration in dir.
func passConfig(t *testing.T, dir, listen, admin, kind, old string) *config.Config {
	t.Helper()
	c, err := config.Parse("crossfade.yaml", fmt.Appendf(nil, `
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {%[2]s, admin: "%[3]s"}
sessions: [%[4]s]
old: {%[5]s}
new: {memory: {}}
flags: {file: %[1]s/flags.json, agents: ["%[3]s"]}
`, dir, listen, admin, kind, old))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFlags(t *testing.T, dir string, epoch uint64, at position.Position, change func(*flags.Definition)) {
	t.Helper()
	d := flags.Definition{Migration: "sessions", Epoch: epoch, Default: at}
	d.Weights[at] = flags.Buckets
	if change != nil {
		change(&d)
	}
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flags.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPassthroughRefused: by name, with what to do, wherever passing by would
// lose something.
func TestPassthroughRefused(t *testing.T) {
	const mc, rd = `memcached: ["127.0.0.1:1"]`, `redis: ["127.0.0.1:1"]`
	const oldMC, oldRD = `memcached: {servers: ["127.0.0.1:2"]}`, `redis: {addrs: ["127.0.0.1:2"]}`
	off := func(t *testing.T, dir string) { writeFlags(t, dir, 1, position.Off, nil) }
	for _, tt := range []struct {
		name, listen, kind, old string
		flags                   func(*testing.T, string)
		want                    string
	}{
		{"no flags", mc, phpKind, oldMC, func(*testing.T, string) {}, "no revision of the flags is known"},
		{"damaged flags", mc, phpKind, oldMC, func(t *testing.T, dir string) { os.WriteFile(filepath.Join(dir, "flags.json"), []byte("{"), 0o600) }, "put the flag file right"},
		{"mirror", mc, phpKind, oldMC, func(t *testing.T, dir string) { writeFlags(t, dir, 1, position.Mirror, nil) }, "crossfade rollback --to off"},
		{"one percent", mc, phpKind, oldMC, func(t *testing.T, dir string) {
			writeFlags(t, dir, 1, position.Off, func(d *flags.Definition) {
				d.Weights[position.Off], d.Weights[position.Mirror], d.Default = 9900, 100, position.Mirror
			})
		}, "sessions are in mirror"},
		{"a pin", mc, phpKind, oldMC, func(t *testing.T, dir string) {
			writeFlags(t, dir, 1, position.Off, func(d *flags.Definition) {
				d.Pins = map[flags.Hash]position.Position{{1}: position.Mirror}
			})
		}, "crossfade unpin"},
		{"mirror was the last good", mc, phpKind, oldMC, func(t *testing.T, dir string) {
			writeFlags(t, dir, 7, position.Mirror, nil)
			os.Mkdir(filepath.Join(dir, "state"), 0o700)
			os.Rename(filepath.Join(dir, "flags.json"), filepath.Join(dir, "state", flags.LastGood))
		}, "sessions are in mirror (revision 7)"},
		{"a ring", mc, phpKind, `memcached: {servers: ["127.0.0.1:2", "127.0.0.1:3"]}`, off, "a ring of 2"},
		{"another protocol", rd, phpKind, oldMC, off, "listen.redis: old is memcached"},
		{"one of two protocols", mc + ", " + rd, phpKind, oldMC, off, "listen.redis: old is memcached"},
		{"memcached in front of Redis", mc, phpKind, oldRD, off, "listen.memcached: old is Redis"},
		{"memory", mc, phpKind, `memory: {}`, off, "not a server"},
		{"a cluster", rd, phpKind, `redis: {addrs: ["127.0.0.1:2"], cluster: true}`, off, "cluster"},
		{"a database", rd, phpKind, `redis: {addrs: ["127.0.0.1:2"], database: 2}`, off, "a password, TLS or a database"},
		{"a password of the clients", rd + ", redis_password_file: x", phpKind, oldRD, off, "clients give the agent a password"},
		{"a name that is not old's", mc, `{name: php, keys: ["memc.sess.key.{id: [a-z0-9]+}", "PHPREDIS_SESSION:{id}"]}`, oldMC, off, "kind php"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.flags(t, dir)
			err := RunPassthrough(context.Background(), passConfig(t, dir, tt.listen, "127.0.0.1:3", tt.kind, tt.old), Options{})
			var no *migrate.Refusal
			if !errors.As(err, &no) || no.Gate != gatePassthrough || no.Do == "" || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want a refusal with %q", err, tt.want)
			}
		})
	}
}

// TestPassthrough: clients speak with the real server, and what they say is not
// looked at; the fleet waits for this agent by the name of passthrough.
func TestPassthrough(t *testing.T) {
	for _, tt := range []struct {
		name  string
		start func(context.Context, localserver.Options) (*localserver.Server, error)
		old   string
		// talk is what an agent would not let pass.
		talk, want string
	}{
		{"memcached", localserver.Memcached, `memcached: {servers: ["%s"]}`,
			"set any.key 0 60 2\r\nhi\r\nincr none 1\r\nmg any.key v\r\nquit\r\n", "STORED\r\nNOT_FOUND\r\nVA 2\r\nhi\r\n"},
		{"redis", localserver.Redis, `redis: {addrs: ["%s"]}`,
			"LPUSH any.list a b\r\nLRANGE any.list 0 -1\r\nQUIT\r\n", ":2\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n+OK\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old, err := tt.start(t.Context(), localserver.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer old.Stop()
			dir, addr, admin := t.TempDir(), backendtest.FreeAddr(t), backendtest.FreeAddr(t)
			writeFlags(t, dir, 1, position.Off, nil)
			c := passConfig(t, dir, fmt.Sprintf(`%s: ["%s"]`, tt.name, addr), admin, phpKind, fmt.Sprintf(tt.old, old.Addr()))
			ctx, stop := context.WithCancel(context.Background())
			listening, done := make(chan struct{}), make(chan error, 1)
			go func() {
				done <- RunPassthrough(ctx, c, Options{Version: "test", Listening: func() { close(listening) }})
			}()
			select {
			case <-listening:
			case err := <-done:
				t.Fatal(err)
			}
			client, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(client, tt.talk)
			if got, err := io.ReadAll(client); err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}

			api, err := agentapi.NewClient(admin, agentapi.ClientOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer api.Close()
			st, err := api.Status(t.Context())
			if err != nil || st.State != agentapi.Passthrough || st.Acknowledged || len(st.Waiting) != 1 || !strings.HasPrefix(st.Waiting[0], "passthrough: ") || st.Epoch != 1 {
				t.Errorf("status %+v, %v", st, err)
			}
			if err := api.Barrier(t.Context()); err == nil || !strings.Contains(err.Error(), "passthrough") {
				t.Errorf("barrier: %v", err)
			}
			if code, body := ask(t, "http://"+admin+"/readyz"); code != http.StatusOK || body != "passthrough\n" {
				t.Errorf("readyz: %d %q", code, body)
			}
			set, err := kinds.Compile(c.Kinds())
			if err != nil {
				t.Fatal(err)
			}
			m, err := migrate.New(migrate.Options{Kinds: set, Migration: "sessions", Book: bookfiles.New(filepath.Join(dir, "flags.json")), Agents: []string{admin}, Wait: 300 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			before, _ := os.ReadFile(filepath.Join(dir, "flags.json"))
			_, err = m.Ramp(t.Context(), "mirror", 100, nil)
			var waiting *migrate.Waiting
			if !errors.As(err, &waiting) || !strings.Contains(err.Error(), "web-1") || !strings.Contains(err.Error(), "passthrough") {
				t.Errorf("ramp: %v, want that it waits for web-1, a passthrough", err)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "flags.json")); !bytes.Equal(before, after) {
				t.Error("the ramp published a step that this agent has not acknowledged the last one of")
			}

			// Somebody edits the file all the same: it goes on with old, and does
			// not say that it has taken it.
			writeFlags(t, dir, 2, position.Mirror, nil)
			eventually(t, "revision 2 is seen", func() bool { st, err = api.Status(t.Context()); return err == nil && st.Epoch == 2 })
			if st.Acknowledged {
				t.Error("acknowledged mirror")
			}
			// A request that has begun ends; then the agent.
			dialled := time.Now()
			page, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer page.Close()
			page.SetDeadline(time.Now().Add(10 * time.Second))
			r := bufio.NewReader(page)
			first, _, _ := strings.Cut(tt.talk, "\r\nincr") // one command
			first, _, _ = strings.Cut(first, "\r\nLRANGE")
			io.WriteString(page, first+"\r\n")
			if _, err := r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			stop()
			time.Sleep(50 * time.Millisecond)
			io.WriteString(page, first+"\r\n")
			if _, err := r.ReadString('\n'); err != nil && time.Since(dialled) < young { // else the machine was too slow to show it
				t.Errorf("a request under way was cut off: %v", err)
			}
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("it does not end")
			}
			// It would not start again now.
			var no *migrate.Refusal
			if err := RunPassthrough(context.Background(), c, Options{}); !errors.As(err, &no) {
				t.Errorf("started in mirror: %v", err)
			}
		})
	}
}
