package alerts

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seed-41165957/crossfade/dashboard/metrics"
)

var update = flag.Bool("update", false, "write crossfade.rules.yml and the table of docs/alerts.md")

const (
	file  = "crossfade.rules.yml"
	table = "../../docs/alerts.md"
	pages = "../../docs/runbooks"
)

// TestFiles: the rules file and the table are what the code says.
func TestFiles(t *testing.T) {
	for name, want := range map[string]string{file: YAML(), table: Docs()} {
		if *update {
			if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s is not what the code says (%v): go test ./dashboard/alerts -update", name, err)
		}
	}
}

// TestRules: each has a page that says what is needed, and each page an alert;
// the series exist.
func TestRules(t *testing.T) {
	names := map[string]bool{}
	for _, r := range rules {
		if names[r.Name] {
			t.Errorf("%s is there twice", r.Name)
		}
		names[r.Name] = true
		for _, bad := range metrics.Check(r.Expr) {
			t.Errorf("%s: %s", r.Name, bad)
		}
		page, err := os.ReadFile(filepath.Join(pages, r.Name+".md"))
		if err != nil {
			t.Errorf("%s has no page: %v", r.Name, err)
			continue
		}
		for _, part := range []string{"# " + r.Name + "\n", "## What it means", "## How to see", "## What to do first", "## When to roll back"} {
			if !strings.Contains(string(page), part) {
				t.Errorf("the page of %s has no %q", r.Name, part)
			}
		}
		if n := strings.Count(string(page), "\n"); n > 40 {
			t.Errorf("the page of %s has %d lines: too long for the night", r.Name, n)
		}
	}
	files, err := filepath.Glob(filepath.Join(pages, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".md"); !names[name] {
			t.Errorf("page %s has no alert", name)
		}
	}
	var parsed struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(YAML()), &parsed); err != nil || len(parsed.Groups) != 1 || len(parsed.Groups[0].Rules) != len(rules) {
		t.Fatalf("the file cannot be read back: %v", err)
	}
	for i, r := range parsed.Groups[0].Rules {
		if r.Expr != rules[i].Expr || r.Annotations["summary"] != rules[i].Summary || !strings.HasSuffix(r.Annotations["runbook_url"], "/"+r.Alert+".md") {
			t.Errorf("%s is read back as %+v", rules[i].Name, r)
		}
	}
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed: apt-get install prometheus")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", args[0], err, out)
	}
}

// TestPromtool: the rules are ones, and each fires on its series and not without.
func TestPromtool(t *testing.T) {
	promtool(t, "check", "rules", file)
	dir := t.TempDir()
	abs, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cases(abs)
	if err != nil {
		t.Fatal(err)
	}
	f := filepath.Join(dir, "tests.yml")
	if err := os.WriteFile(f, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "test", "rules", f)
}
