package dist_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// Not called, but built below: without it go test would take an old result
	// of these tests for one of code that has changed since.
	_ "github.com/seed-41165957/crossfade/cmd/crossfade/cli"
)

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestDeb: what is in the package, and that it runs where it is unpacked.
func TestDeb(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Fatal("dpkg-deb is not installed: apt-get install dpkg")
	}
	dir := t.TempDir() // make takes the packager from the Go module proxy
	run(t, "make", "-C", "../../..", "deb", "DEB_VERSION=1.2.3", "DEB_TARGET="+dir)
	found, err := filepath.Glob(filepath.Join(dir, "crossfade_*.deb"))
	if err != nil || len(found) != 1 {
		t.Fatalf("made %v, %v", found, err)
	}
	path := found[0]
	about := run(t, "dpkg-deb", "-I", path)
	for _, want := range []string{"Package: crossfade", "Version: 1.2.3", "conffiles", "postinst"} {
		if !strings.Contains(about, want) {
			t.Errorf("dpkg-deb -I has no %q:\n%s", want, about)
		}
	}
	list := run(t, "dpkg-deb", "-c", path)
	for _, want := range []struct{ mode, owner, file string }{
		{"-rwxr-xr-x", "root/root", "./usr/bin/crossfade"},
		{"-rw-r--r--", "root/root", "./lib/systemd/system/crossfade-agent.service"},
		{"-rw-r--r--", "root/root", "./lib/systemd/system/crossfade-server.service"},
		{"-rw-r--r--", "root/root", "./lib/systemd/system/crossfade-agent.socket"},
		{"drwxr-x---", "root/root", "./etc/crossfade/"},
		{"-rw-r-----", "root/root", "./etc/crossfade/crossfade.yaml"},
		{"-rw-r--r--", "root/root", "./usr/share/doc/crossfade/crossfade.reference.yaml"},
		{"-rw-r--r--", "root/root", "./usr/share/doc/crossfade/install.md"},
		{"-rw-r--r--", "root/root", "./usr/share/man/man1/crossfade.1"},
		{"-rw-r--r--", "root/root", "./usr/share/man/man1/crossfade-agents-forget.1"},
		{"-rw-r--r--", "root/root", "./usr/share/bash-completion/completions/crossfade"},
		{"-rw-r--r--", "root/root", "./usr/share/zsh/vendor-completions/_crossfade"},
		{"-rw-r--r--", "root/root", "./usr/share/fish/vendor_completions.d/crossfade.fish"},
		{"-rw-r--r--", "root/root", "./usr/share/doc/crossfade/session-files.conf"},
	} {
		if !slices.ContainsFunc(strings.Split(list, "\n"), func(line string) bool {
			f := strings.Fields(line)
			return len(f) > 5 && f[0] == want.mode && f[1] == want.owner && f[5] == want.file
		}) {
			t.Errorf("no %s %s %s in\n%s", want.mode, want.owner, want.file, list)
		}
	}

	root := t.TempDir()
	run(t, "dpkg-deb", "-x", path, root)
	run(t, "dpkg-deb", "-e", path, filepath.Join(root, "DEBIAN"))
	if conf, err := os.ReadFile(filepath.Join(root, "DEBIAN/conffiles")); err != nil || string(conf) != "/etc/crossfade/crossfade.yaml\n" {
		t.Errorf("conffiles: %q %v", conf, err)
	}
	script, err := os.ReadFile(filepath.Join(root, "DEBIAN/postinst"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"systemctl start", "systemctl restart", "systemctl enable", "deb-systemd"} {
		if strings.Contains(string(script), bad) {
			t.Errorf("postinst has %q: the package starts nothing", bad)
		}
	}
	// It makes the user where there is none, with programs that only say what
	// they were asked for.
	stubs := t.TempDir()
	for name, body := range map[string]string{"getent": "exit 2", "useradd": "echo useradd $*", "chgrp": "echo chgrp $*", "systemctl": "echo systemctl $*"} {
		if err := os.WriteFile(filepath.Join(stubs, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	post := exec.Command("sh", filepath.Join(root, "DEBIAN/postinst"), "configure")
	post.Env = append(os.Environ(), "PATH="+stubs+":"+os.Getenv("PATH"))
	said, err := post.CombinedOutput()
	if want := "chgrp crossfade /etc/crossfade /etc/crossfade/crossfade.yaml"; err != nil || !strings.Contains(string(said), "useradd --system") || !strings.Contains(string(said), want) {
		t.Errorf("postinst: %v\n%s", err, said)
	}

	// Nothing answers here, which check says, row by row, with exit code 3.
	cmd := exec.Command(filepath.Join(root, "usr/bin/crossfade"), "check", "--config", filepath.Join(root, "etc/crossfade/crossfade.yaml"))
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 || !strings.Contains(string(out), "agent 127.0.0.1:9311") {
		t.Errorf("crossfade check: exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
	}
}

// TestContainer: one static binary, and nobody's rights.
func TestContainer(t *testing.T) {
	data, err := os.ReadFile("Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if word, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && word != "#" {
			if _, twice := steps[word]; twice {
				t.Errorf("%s twice: it is one binary", word)
			}
			steps[word] = rest
		}
	}
	for word, want := range map[string]string{
		"FROM":       "scratch",
		"COPY":       "bin/static/crossfade /crossfade",
		"USER":       "65532:65532",
		"ENTRYPOINT": `["/crossfade"]`,
		"CMD":        `["agent", "--config", "/etc/crossfade/crossfade.yaml"]`,
		"STOPSIGNAL": "SIGTERM",
	} {
		if steps[word] != want {
			t.Errorf("%s %s, want %s", word, steps[word], want)
		}
	}
	if steps["RUN"] != "" {
		t.Error("RUN: there is no shell")
	}
	run(t, "make", "-C", "../../..", "static")
	f, err := elf.Open("../../../bin/static/crossfade")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	libs, _ := f.ImportedLibraries()
	if len(libs) > 0 {
		t.Errorf("the binary needs %v", libs)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary needs a loader: build it with CGO_ENABLED=0")
		}
	}
}
