package clientstest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// mixedFlags have sessions in all seven positions, and some pinned to where
// their buckets are not.
func mixedFlags(t testing.TB, pin func(i int) flags.Hash) []byte {
	t.Helper()
	d := flags.Definition{Migration: "clients", Epoch: 7, Bucketing: "clients-2026", CutoverFloor: flags.Buckets, Settled: 3000, Pins: map[flags.Hash]position.Position{}}
	d.Weights[position.Off] = flags.Buckets
	for i, p := range flags.Ladder[:6] {
		d.Weights[p] = 901 + 137*i
		d.Weights[position.Off] -= d.Weights[p]
	}
	d.Default = flags.DefaultOf(d.Weights)
	for i := range 70 {
		d.Pins[pin(i)] = flags.Ladder[i%7]
	}
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOFREPClients: what a server tells by OFREP is what a real agent does with
// the session, over ids of all positions, and pinned ones. Long: 10,000 ids by
// OpenFeature's own SDK and provider for Node; else 300 by a few lines of Go.
func TestOFREPClients(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keyFile := filepath.Join(dir, "hash.key")
	hasher, err := flags.LoadOrCreateKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	id := func(i int) string { return fmt.Sprintf("session-%d-é\xff", i) }
	data := mixedFlags(t, func(i int) flags.Hash { return hasher.SumString(id(3 * i)) })

	// The agent has the flags from a file, the server as its own.
	agent, server := backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	const body = "migration: clients\nagent: {name: web-1, state_dir: %q, key_file: %q}\nlisten: {memcached: [%q], admin: %q}\n" +
		"sessions:\n  - {name: web, keys: [\"s.{id: .+}\"]}\nold: {memory: {}}\nnew: {memory: {}}\n%s"
	token := file("token", "a-token-of-a-test\n")
	led := file("agent.yaml", fmt.Sprintf(body, dir+"/agent", keyFile, backendtest.FreeAddr(t), agent, fmt.Sprintf("flags: {file: %q}\n", file("flags.json", string(data)))))
	leads := file("server.yaml", fmt.Sprintf(body, dir+"/none", keyFile, backendtest.FreeAddr(t), backendtest.FreeAddr(t),
		fmt.Sprintf("flags: {server: [%q]}\nserver: {name: ctl, listen: %q, token_file: %q, state_dir: %q}\n", server, server, token, dir+"/server")))
	file("server/flags.json", string(data))
	for verb, config := range map[string]string{"agent": led, "server": leads} {
		var said said
		cmd := exec.Command(binarytest.Path(t, raceFlag), verb, "--config", config, "--log-level", "warn")
		cmd.Stdout, cmd.Stderr = &said, &said
		p, err := localserver.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(15 * time.Second); err != nil || strings.Contains(said.String(), "DATA RACE") {
				t.Errorf("%s: %v: %s", verb, err, said.String())
			}
		})
	}
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	t.Cleanup(c.CloseIdleConnections)
	get := func(path, etag string) (int, string, string) {
		q, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+server+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer a-token-of-a-test")
		q.Header.Set("If-None-Match", etag)
		p, err := c.Do(q)
		if err != nil {
			return 0, "", ""
		}
		defer p.Body.Close()
		b, _ := io.ReadAll(p.Body)
		return p.StatusCode, string(b), p.Header.Get("ETag")
	}
	var etag string
	poll(t, 20*time.Second, "the server to have flags", func() bool {
		code, got, tag := get("/flags.json", "")
		etag = tag
		return code == 200 && got == string(data)
	})
	if code, _, _ := get("/flags.json", etag); code != http.StatusNotModified {
		t.Errorf("what is known is answered with %d", code)
	}
	api, err := agentapi.NewClient(agent, agentapi.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	poll(t, 20*time.Second, "the agent to be ready", func() bool {
		st, err := api.Status(t.Context())
		return err == nil && st.State == agentapi.Ready
	})

	n, evaluate := 300, goOFREP
	if long {
		n, evaluate = 10_000, nodeOFREP
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = id(i)
	}
	told := evaluate(t, ids, keyFile, hasher, "http://"+server, token)
	if len(told) != n {
		t.Fatalf("%d answers to %d questions", len(told), n)
	}
	seen, pinned, differ := map[string]int{}, 0, 0
	for i, text := range told {
		h := hasher.SumString(ids[i])
		x, err := api.Explain(t.Context(), agentapi.Question{Hash: h.String()})
		if err != nil || len(x) != 1 {
			t.Fatalf("%v, %v", x, err)
		}
		if want := fmt.Sprintf("%s %s TARGETING_MATCH 7", h, x[0].Position); text != want {
			if differ++; differ < 5 {
				t.Errorf("told %q, the agent: %q", text, want)
			}
		}
		if seen[x[0].Position]++; x[0].Pinned {
			pinned++
		}
	}
	if len(seen) != position.Count || pinned != 70 {
		t.Errorf("%v and %d pinned: want all seven positions and 70", seen, pinned)
	}
	t.Logf("%d ids, %d of them pinned, %v: %d differences", n, pinned, seen, differ)
}

// goOFREP asks by net/http.
func goOFREP(t *testing.T, ids []string, _ string, hasher *flags.Hasher, base, tokenFile string) (told []string) {
	token, err := os.ReadFile(tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for _, id := range ids {
		h := hasher.SumString(id).String()
		q, err := http.NewRequestWithContext(t.Context(), "POST", base+"/ofrep/v1/evaluate/flags/"+flags.Key, strings.NewReader(`{"context":{"targetingKey":"`+h+`"}}`))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		p, err := c.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		var e struct {
			Value, Reason string
			Metadata      struct{ Epoch int }
		}
		err = json.NewDecoder(p.Body).Decode(&e)
		io.Copy(io.Discard, p.Body)
		p.Body.Close()
		told = append(told, fmt.Sprintf("%s %s %s %d", h, e.Value, e.Reason, e.Metadata.Epoch))
		if err != nil || p.StatusCode != 200 {
			t.Fatalf("%s, %v", p.Status, err)
		}
	}
	return told
}

// nodeOFREP asks by OpenFeature's packages, with the function of the docs.
func nodeOFREP(t *testing.T, ids []string, keyFile string, _ *flags.Hasher, base, tokenFile string) (told []string) {
	doc, err := os.ReadFile("../../../docs/flags.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(doc), "```js\n")
	code, _, _ = strings.Cut(code, "```")
	keys := filepath.Join(t.TempDir(), "keys.js")
	if err := os.WriteFile(keys, []byte(code+"\nmodule.exports = { targetingKey };\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var in, errs bytes.Buffer
	for _, id := range ids {
		in.WriteString(base64.StdEncoding.EncodeToString([]byte(id)) + "\n")
	}
	cmd := exec.CommandContext(t.Context(), program(t, "node", installNode), testFile(t, "node/ofrep.js"), keys, keyFile, base, tokenFile)
	cmd.Env = append(os.Environ(), "NODE_PATH="+nodeModules(t))
	cmd.Stdin, cmd.Stderr = &in, &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		told = append(told, lines.Text())
	}
	const refusals = "none INVALID_CONTEXT\nnone TARGETING_KEY_MISSING\nnone FLAG_NOT_FOUND\n"
	if !strings.HasSuffix(string(out), "\n"+refusals) {
		t.Fatalf("the last lines are %q, want %q", string(out[max(0, len(out)-200):]), refusals)
	}
	return told[:len(told)-3]
}
