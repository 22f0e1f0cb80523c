package frontendtest

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// phpPrelude makes requests of a script: no cookies, every warning told.
const phpPrelude = `error_reporting(E_ALL); ini_set('display_errors', '1'); ini_set('html_errors', '0');
function id() { return 'q9pr2r6v3vsl9c1n2v3hm1b7gd'; } `

func php(ctx context.Context, ini []string, code string) *exec.Cmd {
	args := []string{"-d", "session.use_cookies=0", "-d", "session.use_only_cookies=0", "-d", "session.cache_limiter=", "-d", "session.gc_maxlifetime=1440",
		"-d", "max_execution_time=30"}
	for _, d := range ini {
		args = append(args, "-d", d)
	}
	return exec.CommandContext(ctx, "php", append(args, "-r", phpPrelude+code)...)
}

// PHP runs code with these settings, and gives what it printed.
func PHP(tb testing.TB, ini []string, code string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	out, err := php(ctx, ini, code).CombinedOutput()
	if err != nil && len(out) == 0 { // a failed session_start is an exit code too
		tb.Fatalf("php: %v (apt-get install php-cli php-memcached php-redis)", err)
	}
	return strings.TrimSpace(string(out))
}

// HeldPHP runs code until it has printed a line, and lets it go on when
// release is called, which gives the rest that it printed. The code waits
// with fgets(STDIN).
func HeldPHP(tb testing.TB, ini []string, code string) (release func() string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	tb.Cleanup(cancel)
	cmd := php(ctx, ini, code)
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("php: %v (apt-get install php-cli php-memcached php-redis)", err)
	}
	r := bufio.NewReader(out)
	if line, err := r.ReadString('\n'); err != nil {
		tb.Fatalf("php ended: %q", line)
	}
	return func() string {
		in.Close()
		rest, _ := io.ReadAll(r)
		cmd.Wait()
		return strings.TrimSpace(string(rest))
	}
}
