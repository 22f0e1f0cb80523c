package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// rosterConfig is a configuration whose server knows two agents.
func rosterConfig(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/agents" {
			io.WriteString(w, `[{"name":"web-1"},{"name":"cron-17"}]`)
		}
	}))
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "crossfade.yaml")
	text := fmt.Sprintf("migration: m\nsessions:\n  - {name: php, keys: [\"s.{id: .+}\"]}\nold: {memory: {}}\nnew: {memory: {}}\nflags: {server: [%q]}\n", server.Listener.Addr())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestComplete: what a shell is offered, by cobra's own protocol.
func TestComplete(t *testing.T) {
	config := rosterConfig(t)
	for typed, want := range map[string]string{
		"ramp ":                           "mirror read-new cutover",
		"ramp read-new ":                  "1 5 10 25 50 100",
		"ramp mirror 5 ":                  "",
		"rollback --to ":                  "read-new mirror off",
		"agents ":                         "list forget",
		"agents forget ":                  "web-1 cron-17",
		"agents forget web-1 ":            "",
		"explain ":                        "-",
		"declare-down ":                   "old",
		"status ":                         "",
		"server --log-level ":             "debug info warn error",
		"flags ":                          "export",
		"agents forget --config nowhere ": "",
	} {
		args := append([]string{"__complete", "--config", config}, strings.Split(typed, " ")...)
		var out, errs bytes.Buffer
		Run(t.Context(), args, strings.NewReader(""), &out, &errs)
		var got []string
		for line := range strings.Lines(out.String()) {
			if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); word != "" && !strings.HasPrefix(word, ":") {
				got = append(got, word)
			}
		}
		slices.Sort(got)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("crossfade %s: offered %v, want %v\n%s", typed, got, wanted, errs.String())
		}
	}
}

// shells are programs that complete three lines, each in its own way, and print
// the last word that came of it. $1 is the script, $2 a configuration.
var shells = map[string]string{
	"bash": `
# Without the package bash-completion: what of it the script needs.
declare -F _get_comp_words_by_ref >/dev/null || _get_comp_words_by_ref() { words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword-1]}; }
source "$1"
complete -p crossfade >&2 || exit 1
offer() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=(); __start_crossfade; echo "${COMPREPLY[@]}" | tr -s ' '; }
offer crossfade ramp r
offer crossfade --config "$2" agents forget c
offer crossfade back
`,
	// Its completions exist at a prompt alone: one on a terminal, where a tab and a
	// return are typed. What is run then says what it was given.
	"zsh": `
zmodload zsh/zpty && zpty sh "PS1='next> ' TERM=dumb zsh -f -i" || exit 1
answered() { zpty -r sh said "*$1*next> *" || exit 1; } # what is typed before the prompt is echoed into what runs
answered
zpty -w sh "autoload -U compinit; compinit -u -D; source '$1'; echo LOADED"
answered $'\nLOADED'
typed() { zpty -w sh "$1"$'\t'; answered $'\nRAN *\n'; said=${${said##*RAN}%%[[:cntrl:]]*}; print -r -- ${said##* }; }
typed 'crossfade ramp r'
typed "crossfade --config '$2' agents forget c"
typed 'crossfade back'
zpty -d sh
`,
	"fish": `
source $argv[1]
complete -C 'crossfade ramp r' | cut -f1
complete -C "crossfade --config $argv[2] agents forget c" | cut -f1
complete -C 'crossfade back' | cut -f1
`,
}

// TestCompletionInShells: the scripts complete in each shell.
func TestCompletionInShells(t *testing.T) {
	dir, config := t.TempDir(), rosterConfig(t)
	// The command that the scripts call, by a name that they know: this test.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stub := "#!/bin/sh\ncase $1 in __complete*) CROSSFADE_TEST_CLI=1 exec '" + self + "' \"$@\";; esac\necho \"RAN $*\"\n"
	if err := os.WriteFile(filepath.Join(dir, "crossfade"), []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	for shell, program := range shells {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Fatalf("%v: completions are tried in it: apt-get install %s, or make deps", err, shell)
			}
			var script, errs bytes.Buffer
			if code := Run(t.Context(), []string{"completion", shell}, strings.NewReader(""), &script, &errs); code != Done || script.Len() < 1000 {
				t.Fatalf("exit code %d, %d bytes: %s", code, script.Len(), errs.String())
			}
			file := filepath.Join(dir, "completion."+shell)
			if err := os.WriteFile(file, script.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"-c", program, shell, file, config}
			if shell == "fish" {
				args = []string{"-c", program, file, config}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a terminal on which nothing comes would wait for ever
			defer cancel()
			cmd := exec.CommandContext(ctx, path, args...)
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CACHE_HOME="+dir)
			cmd.Stderr = &errs
			cmd.WaitDelay = 10 * time.Second
			out, err := cmd.Output()
			if err != nil || strings.TrimSpace(string(out)) != "read-new\ncron-17\nbackfill" {
				t.Errorf("%v: offered %q\n%s", err, out, errs.String())
			}
		})
	}
}

// TestMan: a page for each verb, the same each time, without a date of today.
func TestMan(t *testing.T) {
	pages := func() map[string]string {
		dir := t.TempDir()
		var out, errs bytes.Buffer
		if code := Run(t.Context(), []string{"man", filepath.Join(dir, "man1")}, strings.NewReader(""), &out, &errs); code != Done {
			t.Fatal(errs.String())
		}
		got := map[string]string{}
		found, err := filepath.Glob(filepath.Join(dir, "man1", "*.1"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got[filepath.Base(f)] = string(b)
		}
		return got
	}
	got := pages()
	for _, v := range verbs {
		cmd := v(&app{})
		page := got["crossfade-"+cmd.Name()+".1"]
		if cmd.Hidden != (page == "") {
			t.Errorf("crossfade %s: hidden %v, a page of %d bytes", cmd.Name(), cmd.Hidden, len(page))
		}
		if !cmd.Hidden && (!strings.Contains(page, ".SH SYNOPSIS") || !strings.Contains(page, ".SH EXAMPLE")) {
			t.Errorf("crossfade %s: no synopsis or no example:\n%s", cmd.Name(), page)
		}
	}
	for name, page := range pages() {
		if page != got[name] {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
}
