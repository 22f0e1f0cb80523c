package dist_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
)

// unit is the settings of one unit file; a key may stand several times.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	u := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if k, v, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			u[k] = append(u[k], v)
		}
	}
	return u
}

// TestUnits: the lines on which something hangs.
func TestUnits(t *testing.T) {
	service, socket, dropIn := unit(t, "crossfade-agent.service"), unit(t, "crossfade-agent.socket"), unit(t, "session-files.conf")
	for _, tt := range []struct {
		in        map[string][]string
		key, want string
		why       string
	}{
		{service, "Type", "notify", "the agent says when it serves"},
		{service, "Requires", "crossfade-agent.socket", "else it opens its own, which end with it"},
		{service, "Restart", "always", "clients wait in the socket"},
		{service, "StartLimitIntervalSec", "0", "clients wait in the socket"},
		{service, "RestartSec", "100ms", "clients wait that long"},
		{service, "KillMode", "mixed", "SIGTERM is for the agent alone"},
		{service, "User", "crossfade", "postinst makes it"},
		{service, "StateDirectory", "crossfade", "state_dir of the example"},
		{service, "ProtectSystem", "strict", ""},
		{service, "NoNewPrivileges", "yes", ""},
		{service, "PrivateTmp", "yes", ""},
		{service, "CapabilityBoundingSet", "", "it needs none"},
		{service, "RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6", ""},
		{service, "SystemCallFilter", "@system-service|~@privileged", ""},
		{socket, "SocketUser", "crossfade", "postinst makes it"},
		{socket, "SocketMode", "0660", "who may write may connect"},
		{dropIn, "CapabilityBoundingSet", "|CAP_DAC_OVERRIDE CAP_CHOWN CAP_FOWNER", "the unit's empty list must be cleared"},
		{dropIn, "SystemCallFilter", "@chown", "the unit leaves it out with @privileged"},
		{dropIn, "User", "root", "the files store asks for it"},
	} {
		if got := strings.Join(tt.in[tt.key], "|"); got != tt.want {
			t.Errorf("%s=%s, want %s: %s", tt.key, got, tt.want, tt.why)
		}
	}
	if _, accept := socket["Accept"]; accept {
		t.Error("Accept= in the socket unit: the agent accepts itself")
	}
	stop, err := time.ParseDuration(service["TimeoutStopSec"][0])
	if longest := 4*time.Second + 20*time.Second; err != nil || stop <= longest {
		t.Errorf("TimeoutStopSec=%v, want more than %v: the drain, and the longest timeouts.copy", stop, longest)
	}

	c, err := config.Load("crossfade.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, a := range append(c.Listen.Memcached, c.Listen.Redis...) {
		want = append(want, strings.TrimPrefix(a, "unix:"))
	}
	if got := socket["ListenStream"]; strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("ListenStream= %v, and listen in crossfade.yaml %v", got, want)
	}
}

// TestAnalyze asks systemd itself.
func TestAnalyze(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is not installed: apt-get install systemd")
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"crossfade-agent.service", "crossfade-agent.socket", "crossfade-server.service"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "/usr/bin/crossfade", self) // it must be there
		text = strings.ReplaceAll(text, "=crossfade\n", "=root\n")           // and the user must
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "verify", "--man=no", "--recursive-errors=no", filepath.Join(dir, "crossfade-agent.service"), filepath.Join(dir, "crossfade-agent.socket"), filepath.Join(dir, "crossfade-server.service"))
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "crossfade-agent") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "security", "--offline=yes", "--no-pager", "crossfade-agent.service").CombinedOutput()
	if err != nil { // by path
		out, err = exec.Command(program, "security", "--offline=yes", "--no-pager", filepath.Join(dir, "crossfade-agent.service")).CombinedOutput()
	}
	m := regexp.MustCompile(`exposure level for .*: ([0-9.]+) `).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	level, err := strconv.ParseFloat(string(m[1]), 64)
	t.Logf("exposure level %.1f of 10", level)
	if err != nil || level > 2.5 {
		t.Errorf("exposure level %v, want at most 2.5:\n%s", level, out)
	}
}
