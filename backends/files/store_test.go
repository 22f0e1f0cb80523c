package files_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/files"
	"github.com/seed-41165957/crossfade/backends/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lifetime = 24 * time.Minute

// open makes a store over a folder. Two over one folder are two processes to
// one another, but for the process's own locks.
func open(t testing.TB, savePath string) *files.Store {
	t.Helper()
	s, err := files.New(files.Options{SavePath: savePath, MaxLifetime: lifetime, Migration: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var deviations = map[string]string{
	"data/unusual keys": "PHP's files have names of letters, digits, comma and minus: all else is ErrKey, so that no id leads out of the folder",
	"scan/prefix":       "the same: no key has such a prefix",
}

// There is no server to freeze or kill: the fault subtests count its
// connections. A disk that stands still, and a flock that PHP holds, are played
// in call_test.go and php_test.go.
func TestSuite(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backends.Store { return open(t, t.TempDir()) }, backendtest.Options{Deviations: deviations, PlainNames: true})
}

// TestSuiteDepth: levels of folders, in memory where there is such a filesystem.
// (The suite's ids all begin with b.)
func TestSuiteDepth(t *testing.T) {
	if _, err := os.Stat("/dev/shm"); err == nil {
		t.Setenv("TMPDIR", "/dev/shm")
	}
	backendtest.Run(t, func(t *testing.T) backends.Store { return open(t, "1;"+levels(t, 1)) }, backendtest.Options{Deviations: deviations, PlainNames: true})
}

// levels makes the folders that PHP does not make.
func levels(t testing.TB, depth int) string {
	t.Helper()
	dir := t.TempDir()
	at := []string{dir}
	for range depth {
		var next []string
		for _, d := range at {
			for _, c := range "btcdmp012" {
				next = append(next, filepath.Join(d, string(c)))
			}
		}
		at = next
	}
	for _, d := range at {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestCompare: a random history has the same answers as memory.
func TestCompare(t *testing.T) {
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			m := memory.New(memory.Options{})
			defer m.Close()
			backendtest.Compare(t, open(t, t.TempDir()), m, 1500)
		})
	}
}
