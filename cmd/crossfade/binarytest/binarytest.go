// Package binarytest runs tests of the crossfade binary itself: it is built once
// for all tests of a package, and removed after the last.
//
//	func TestMain(m *testing.M) { binarytest.Main(m) }
//
//	func TestX(t *testing.T) {
//		cmd := exec.Command(binarytest.Path(t), "agent", "--config", path)
//	}
//
// Only tests import it.
package binarytest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	// Not called, but built below: without it go test would take an old result
	// of such tests for one of code that has changed since.
	_ "github.com/seed-41165957/crossfade/cmd/crossfade/cli"
)

// Main runs the tests of a package, fails where a goroutine is left, removes the
// binary, and ends the process. m is a *testing.M, or what ends something of its
// own after it.
func Main(m interface{ Run() int }) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(built.dir)
	os.Exit(code)
}

// built is the binary, made once for all tests of a package.
var built struct {
	sync.Once
	dir string
	err error
}

// Path is where the binary is. flags are those of the first call in a package:
// flags of go build, such as -race. Without them it has no race detector, also
// where the test has: what is measured then is between processes.
func Path(t testing.TB, flags ...string) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "crossfade-binary-"); built.err != nil {
			return
		}
		args := append([]string{"build"}, flags...)
		args = append(args, "-o", filepath.Join(built.dir, "crossfade"), "github.com/seed-41165957/crossfade/cmd/crossfade")
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "crossfade")
}

// Within waits until ok, and tells how long it took; after limit the test ends.
func Within(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}
