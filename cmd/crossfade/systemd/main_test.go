package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	// Not called, but built below: without it go test would take an old result
	// of these tests for one of code that has changed since.
	_ "github.com/seed-41165957/crossfade/cmd/crossfade/cli"
)

func TestMain(m *testing.M) {
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

// built is the crossfade binary, made once for all tests. Without the race
// detector: what is measured here is between processes.
var built struct {
	sync.Once
	dir string
	err error
}

func binary(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "crossfade-systemd-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, "crossfade"), "github.com/seed-41165957/crossfade/cmd/crossfade")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir, "crossfade")
}
