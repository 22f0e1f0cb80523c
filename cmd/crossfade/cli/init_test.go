package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/setup"
)

// TestInit: by flags, without a terminal; what it makes loads, and check runs
// on it.
func TestInit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "crossfade.yaml")
	run := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := Run(context.Background(), append(args, "--config", path), strings.NewReader(""), &out, &out)
		return code, out.String()
	}
	if code, out := run("init", "--client", "php-memcached"); code != Usage || !strings.Contains(out, "missing are --old, --new") {
		t.Errorf("answers are missing: exit code %d: %s", code, out)
	}
	if code, out := run("init", "--client", "php-files", "--old", "files:"+dir, "--new", "redis:127.0.0.1:1"); code != Usage || !strings.Contains(out, "--max-lifetime") {
		t.Errorf("the lifetime is missing: exit code %d: %s", code, out)
	}
	args := []string{"init", "--client", "php-memcached", "--old", "memcached:127.0.0.1:1", "--new", "redis:127.0.0.1:1", "--state-dir", filepath.Join(dir, "state")}
	code, out := run(args...)
	if code != Done {
		t.Fatalf("exit code %d: %s", code, out)
	}
	for _, want := range []string{"made " + path, "ListenStream=127.0.0.1:11311, ListenStream=127.0.0.1:16379", "crossfade agent --config", "crossfade check --config", "crossfade ramp mirror 0 --config"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if _, err := config.Load(path); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if code, out := run("check"); code != Refused || !strings.Contains(out, "old answers") {
		t.Errorf("check: exit code %d: %s", code, out)
	}
	if code, out := run(args...); code != Usage || !strings.Contains(out, "not overwritten") {
		t.Errorf("twice: exit code %d: %s", code, out)
	}
}

// TestAsk: an empty answer takes what is proposed, and nothing that a flag has
// said is asked.
func TestAsk(t *testing.T) {
	found := setup.Found{Client: "php-memcached", Memcached: "memcached:127.0.0.1:11211", Redis: "redis:127.0.0.1:6379"}
	var asked bytes.Buffer
	a := &app{in: strings.NewReader("\n\nredis:10.0.0.9:6379\n"), err: &asked}
	var ans setup.Answers
	if err := a.ask(questions(&ans), &ans, found, true, false); err != nil {
		t.Fatal(err)
	}
	if ans.Client != "php-memcached" || ans.Old != "memcached:127.0.0.1:11211" || ans.New != "redis:10.0.0.9:6379" || ans.Lifetime != "" {
		t.Errorf("%+v", ans)
	}
	if !strings.Contains(asked.String(), "[redis:127.0.0.1:6379]") {
		t.Errorf("asked %s", &asked)
	}
	ans = setup.Answers{Client: "phpredis", Old: "redis:127.0.0.1:6379"}
	a.in = strings.NewReader("\n")
	if err := a.ask(questions(&ans), &ans, found, true, false); codeOf(err) != Usage || !strings.Contains(err.Error(), "--new") {
		t.Errorf("old was proposed as new, or its flag is not named: %v, %+v", err, ans)
	}
	ans = setup.Answers{}
	if err := a.ask(questions(&ans), &ans, found, false, true); err != nil || ans.New != found.Redis {
		t.Errorf("--yes: %v, %+v", err, ans)
	}
}
