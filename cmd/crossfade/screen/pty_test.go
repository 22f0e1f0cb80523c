package screen_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/screen"
)

func TestMain(m *testing.M) { binarytest.Main(m) }

// tty is a terminal of which the test is the window.
type tty struct {
	t             *testing.T
	window, inner *os.File
	mu            sync.Mutex
	shown         []byte // guarded by mu
}

func newTTY(t *testing.T, width, height uint16) *tty {
	t.Helper()
	window, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(window.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	inner, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	y := &tty{t: t, window: window, inner: inner}
	y.resize(width, height)
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 32<<10)
		for {
			n, err := window.Read(buf)
			if err != nil {
				return
			}
			y.mu.Lock()
			y.shown = append(y.shown, buf[:n]...)
			y.mu.Unlock()
		}
	})
	t.Cleanup(func() { inner.Close(); wg.Wait(); window.Close() })
	return y
}

func (y *tty) resize(width, height uint16) {
	y.t.Helper()
	if err := unix.IoctlSetWinsize(int(y.window.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: width, Row: height}); err != nil {
		y.t.Fatal(err)
	}
}

func (y *tty) all() string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return string(y.shown)
}

// frames are those that were drawn whole.
func (y *tty) frames() (fs []string) {
	for _, f := range strings.Split(y.all(), screen.Begin)[1:] {
		if f, _, whole := strings.Cut(f, screen.End); whole {
			fs = append(fs, f)
		}
	}
	return fs
}

func (y *tty) last() string {
	fs := y.frames()
	if len(fs) == 0 {
		return ""
	}
	return fs[len(fs)-1]
}

func (y *tty) modes() unix.Termios {
	y.t.Helper()
	m, err := unix.IoctlGetTermios(int(y.inner.Fd()), unix.TCGETS)
	if err != nil {
		y.t.Fatal(err)
	}
	return *m
}

// TestOnATerminal: the real command on a real terminal, with a real agent: it
// draws, follows a ramp and the window's size, and gives the terminal back as it
// was, by q, by Ctrl-C and by a signal.
func TestOnATerminal(t *testing.T) {
	dir := t.TempDir()
	admin := backendtest.FreeAddr(t)
	config := filepath.Join(dir, "crossfade.yaml")
	if err := os.WriteFile(config, []byte(fmt.Sprintf(`migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: [%[2]s], admin: %[3]s}
sessions:
  - {name: php, keys: ["s.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {memory: {}}
flags: {file: %[1]s/flags.json, agents: [%[3]s]}
`, dir, backendtest.FreeAddr(t), admin)), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := binarytest.Path(t)
	agent, err := localserver.Start(exec.Command(bin, "agent", "--config", config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Stop(15 * time.Second) })
	verb := func(args ...string) {
		t.Helper()
		binarytest.Within(t, 30*time.Second, strings.Join(args, " "), func() bool {
			return exec.Command(bin, append(args, "--config", config)...).Run() == nil
		})
	}
	verb("ramp", "mirror", "25")

	for _, tt := range []struct {
		name   string
		colour bool
		leave  func(y *tty, p *os.Process)
	}{
		{"q", true, func(y *tty, _ *os.Process) { y.window.WriteString("q") }},
		{"Ctrl-C, without colours", false, func(y *tty, _ *os.Process) { y.window.WriteString("\x03") }},
		{"a signal", true, func(_ *tty, p *os.Process) { p.Signal(syscall.SIGTERM) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newTTY(t, 100, 30)
			before := y.modes()
			cmd := exec.Command(bin, "status", "-w", "--config", config)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = y.inner, y.inner, y.inner
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
			if !tt.colour {
				cmd.Env = append(cmd.Env, "NO_COLOR=1")
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			binarytest.Within(t, 20*time.Second, "it shows the ramp", func() bool {
				return strings.Contains(y.last(), "25 %") && strings.Contains(y.last(), "web-1")
			})
			if y.modes() == before {
				t.Error("the terminal is as before: typed keys would be echoed")
			}
			if tt.name == "q" {
				verb("ramp", "mirror", "50")
				binarytest.Within(t, 20*time.Second, "it follows the ramp", func() bool { return strings.Contains(y.last(), "50 %") })
				verb("ramp", "mirror", "25")
				n := len(y.frames())
				y.resize(40, 10)
				binarytest.Within(t, 20*time.Second, "it fits the smaller window", func() bool { return len(y.frames()) > n && fits(y.last(), 40, 10) })
				y.resize(100, 30)
			}
			tt.leave(y, cmd.Process)
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it ends with %v", err)
				}
			case <-time.After(20 * time.Second):
				cmd.Process.Kill()
				t.Fatal("it does not end")
			}
			if y.modes() != before {
				t.Error("the terminal is not given back as it was")
			}
			binarytest.Within(t, 20*time.Second, "the screen is left", func() bool { return strings.HasSuffix(y.all(), screen.Leave) })
			all := y.all()
			if !strings.HasPrefix(all, screen.Enter) || strings.Count(all, "\x1b[2J") != 1 {
				t.Errorf("the screen is entered with %q and cleared %d times: what is cleared flickers", all[:20], strings.Count(all, "\x1b[2J"))
			}
			for _, f := range y.frames() {
				if !fits(f, 100, 30) {
					t.Errorf("a frame does not fit: %q", f)
				}
				if !tt.colour && screen.Escapes.MatchString(f) {
					t.Errorf("NO_COLOR is not obeyed: %q", f)
				}
			}
			if tt.colour && !screen.Escapes.MatchString(all) {
				t.Error("no colour at all")
			}
		})
	}

	// No terminal: the same as text, again and again.
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(bin, "status", "-w", "--config", config)
	cmd.Stdout = out
	p, err := localserver.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	binarytest.Within(t, 20*time.Second, "it is printed twice", func() bool {
		text, _ = os.ReadFile(out.Name())
		return bytes.Count(text, []byte("mirror 25 %")) >= 2
	})
	if err := p.Stop(10 * time.Second); err != nil || bytes.Contains(text, []byte("\x1b")) {
		t.Errorf("without a terminal: %v, %q", err, text)
	}
}

// fits tells whether no line of a frame is wider than the window, and there are
// no more than its lines.
func fits(frame string, width, height int) bool {
	lines := strings.Split(screen.Escapes.ReplaceAllString(strings.ReplaceAll(frame, "\x1b[K", ""), ""), "\r\n")
	for _, l := range lines {
		if screen.Columns(l) > width {
			return false
		}
	}
	return len(lines) <= height
}
