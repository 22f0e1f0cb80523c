package frontends_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/memcached"
)

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	// A process that is gone has left its file.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err := frontends.Listen(t.Context(), "unix:"+path, frontends.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v, want 0660", info.Mode(), err)
	}
	srv := memcached.New(frontendtest.New(t, web), memcached.Options{})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(t.Context(), l) }()
	c := dial(t, "unix", path)
	c.ask("version\r\n", version)
	// Somebody answers there.
	if _, err := frontends.Listen(t.Context(), "unix:"+path, frontends.ListenOptions{}); err == nil || !strings.Contains(err.Error(), "somebody answers") {
		t.Errorf("a socket in use: %v", err)
	}
	c.ask("version\r\n", version)
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket file is left: %v", err)
	}
	// Another mode, and no place for a socket.
	l, err = frontends.Listen(t.Context(), "unix:"+path, frontends.ListenOptions{Mode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	l.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := frontends.Listen(t.Context(), "unix:"+path, frontends.ListenOptions{}); err == nil {
		t.Error("a plain file was replaced")
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file holds %q", b)
	}
}
