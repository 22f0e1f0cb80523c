package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/prove"
)

func proveConfig(t *testing.T, old, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "crossfade.yaml")
	text := fmt.Sprintf(`migration: m
sessions: [{name: php, keys: ["sess_{id: [a-z0-9]+}"], locks: ["lock_{id}"]}]
old: %s
new: {redis: {addrs: ["127.0.0.1:1"]}}
%s
`, old, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const asked = `flags: {file: flags.json, agents: ["127.0.0.1:9311"]}`

// TestProve: the exit code, the report and nothing else on standard output.
// Session files are the quickest setup that has all promises.
func TestProve(t *testing.T) {
	files := "{files: {dir: /nonexistent, max_lifetime: 24m}}" // no server is asked, nor the folder
	for _, c := range []struct {
		name, old, more string
		args            []string
		code            int
		says            []string
	}{
		{"good", files, asked, nil, Done, []string{"P1 no logout            held", "locks: one holder       held", "each host has its own"}},
		{"two flags", files, asked, []string{"--suppose", "two-flags"}, Failed, []string{"P4 new never hurts old  NOT HELD", "   5. a client reads at web-1, in new: answered value 1, overwritten since", "what would hold it: one flag for both"}},
		{"nobody is asked", files, "flags: {file: flags.json}", []string{"--faults", "none"}, Failed, []string{"flags: unacknowledged", "NOT HELD", "what would hold it: flags.file with flags.agents"}},
		{"a wrong fault", files, asked, []string{"--faults", "fire"}, Usage, nil},
		{"a wrong supposition", files, asked, []string{"--suppose", "luck"}, Usage, nil},
	} {
		var out, errOut bytes.Buffer
		args := append([]string{"prove", "--quick", "--config", proveConfig(t, c.old, c.more)}, c.args...)
		if code := Run(t.Context(), args, nil, &out, &errOut); code != c.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", c.name, code, c.code, out.String(), errOut.String())
		}
		for _, s := range c.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%s: no %q in\n%s", c.name, s, out.String())
			}
		}
	}
}

func TestProveJSON(t *testing.T) {
	for _, suppose := range []string{"", "two-flags"} {
		var out, errOut bytes.Buffer
		args := []string{"prove", "--quick", "--json", "--config", proveConfig(t, "{files: {dir: /nonexistent, max_lifetime: 24m}}", asked)}
		if suppose != "" {
			args = append(args, "--suppose", suppose)
		}
		code := Run(t.Context(), args, nil, &out, &errOut)
		var got struct {
			Held     bool `json:"held"`
			Walks    int  `json:"walks"`
			Promises []struct {
				Promise string   `json:"promise"`
				Held    bool     `json:"held"`
				History []string `json:"history"`
				Setting string   `json:"setting"`
			} `json:"promises"`
		}
		dec := json.NewDecoder(&out)
		if err := dec.Decode(&got); err != nil || dec.More() {
			t.Fatalf("%v, or more than one document", err)
		}
		if got.Held != (code == Done) || got.Held != (suppose == "") || len(got.Promises) != 5 || got.Walks == 0 {
			t.Errorf("%q: code %d, %+v", suppose, code, got)
		}
		for _, p := range got.Promises {
			if p.Held != (len(p.History) == 0 && p.Setting == "") {
				t.Errorf("%+v", p)
			}
		}
	}
}

// TestSetupOf: what the configuration and the stores' declarations say.
func TestSetupOf(t *testing.T) {
	for _, c := range []struct {
		old, more string
		want      prove.Setup
	}{
		{`{memcached: {servers: ["127.0.0.1:1"]}}`, asked + "\nread_new: {unconfirmed: refuse}\ncutover: {keep_old: 0s}",
			prove.Setup{Old: prove.Store{Name: "memcached", Evicts: true, Marks: true}, RefuseUnconfirmed: true}},
		{`{hybrid: {memcached: {servers: ["127.0.0.1:1"]}, mysql: {hosts: ["127.0.0.1:2"], database: d, user: u}}}`, asked,
			prove.Setup{Old: prove.Store{Name: "hybrid", Evicts: true, Tiers: true, Marks: true}, KeepOld: true}},
		{`{files: {dir: /x, max_lifetime: 1h}}`, "flags: {file: flags.json}",
			prove.Setup{Old: prove.Store{Name: "files", HostScoped: true, Marks: true}, KeepOld: true, Flags: prove.Unacknowledged}},
	} {
		conf, err := config.Load(proveConfig(t, c.old, c.more))
		if err != nil {
			t.Fatal(err)
		}
		c.want.Locks, c.want.New = true, prove.Store{Name: "redis", Marks: true}
		if got, err := setupOf(conf); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v, want %+v", c.old, got, err, c.want)
		}
	}
}
