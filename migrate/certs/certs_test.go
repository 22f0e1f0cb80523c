package certs

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// listen answers each connection with a word.
func listen(t *testing.T, f Files, failed func(error)) string {
	t.Helper()
	c, err := Server(f, failed)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(10 * time.Second))
				io.WriteString(tls.Server(nc, c), "yes\n")
			}()
		}
	}()
	return l.Addr().String()
}

// ask gives the serial number of the server's certificate, once it has answered:
// a client's certificate is refused after the handshake.
func ask(t *testing.T, f Files, addr string) (serial int64, err error) {
	t.Helper()
	d, err := NewDialer(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := d.Dial(t.Context(), "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(nc, make([]byte, 4)); err != nil {
		return 0, err
	}
	return nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

// TestWhoIsWho: each side takes the other for what it is, or not at all.
func TestWhoIsWho(t *testing.T) {
	ca, other := certstest.NewCA(t), certstest.NewCA(t)
	cert, key := ca.Sign(t, t.TempDir(), "127.0.0.1")
	elsewhere, elsewhereKey := ca.Sign(t, t.TempDir(), "127.0.0.9")
	mine, mineKey := ca.Sign(t, t.TempDir())
	strange, strangeKey := other.Sign(t, t.TempDir())
	own := Files{CertFile: cert, KeyFile: key}
	asks := Files{CertFile: cert, KeyFile: key, CAFile: ca.File}
	for _, tt := range []struct {
		name           string
		server, client Files
		ok             bool
	}{
		{"signed by the CA", own, Files{CAFile: ca.File}, true},
		{"signed by another", own, Files{CAFile: other.File}, false},
		{"for another host", Files{CertFile: elsewhere, KeyFile: elsewhereKey}, Files{CAFile: ca.File}, false},
		{"unknown to the system", own, Files{CAFile: System}, false},
		{"asked for a certificate", asks, Files{CAFile: ca.File, CertFile: mine, KeyFile: mineKey}, true},
		{"with none to show", asks, Files{CAFile: ca.File}, false},
		{"with one of another CA", asks, Files{CAFile: ca.File, CertFile: strange, KeyFile: strangeKey}, false},
	} {
		if _, err := ask(t, tt.client, listen(t, tt.server, nil)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// TestRenewed: certificate, key and CA change while both sides run; a half of a
// pair changes nothing.
func TestRenewed(t *testing.T) {
	ca, dir := certstest.NewCA(t), t.TempDir()
	cert, key := ca.Sign(t, dir, "127.0.0.1")
	var mu sync.Mutex // guards said
	var said []string
	addr := listen(t, Files{CertFile: cert, KeyFile: key}, func(err error) { mu.Lock(); defer mu.Unlock(); said = append(said, err.Error()) })
	client := Files{CAFile: ca.File}
	first, err := ask(t, client, addr)
	if err != nil {
		t.Fatal(err)
	}
	was, _ := os.ReadFile(key)
	ca.Sign(t, dir, "127.0.0.1")
	is, _ := os.ReadFile(key)
	minutes := time.Duration(0)
	put := func(path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		// A file system's clock may be coarse; a renewal comes seconds later.
		minutes++
		then := time.Now().Add(minutes * time.Minute)
		os.Chtimes(path, then, then)
	}
	put(key, was)
	for range 2 {
		if n, err := ask(t, client, addr); err != nil || n != first {
			t.Errorf("with half of a new pair: certificate %d, %v, want still %d", n, err, first)
		}
	}
	mu.Lock()
	if len(said) != 1 || strings.Contains(said[0], "PRIVATE") {
		t.Errorf("it said %q, want it once", said)
	}
	mu.Unlock()
	put(key, is)
	if n, err := ask(t, client, addr); err != nil || n == first {
		t.Errorf("with a new pair: certificate %d, %v, want another than %d", n, err, first)
	}

	// The dialer's CA is replaced: the server's certificate counts no more.
	d, err := NewDialer(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	dial := func() error {
		nc, err := d.Dial(t.Context(), "tcp", addr)
		if err == nil {
			nc.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(certstest.NewCA(t).File)
	if err != nil {
		t.Fatal(err)
	}
	put(ca.File, other)
	if err := dial(); err == nil {
		t.Error("a server is taken for one that was signed by a CA that is trusted no more")
	}
}

func TestMissing(t *testing.T) {
	ca := certstest.NewCA(t)
	cert, key := ca.Sign(t, t.TempDir(), "127.0.0.1")
	for name, f := range map[string]Files{"no key": {CertFile: cert}, "a file that is not there": {CertFile: cert, KeyFile: key + "x"}, "a CA that is none": {CertFile: cert, KeyFile: key, CAFile: key}} {
		if _, err := Server(f, nil); err == nil {
			t.Errorf("a server with %s", name)
		}
	}
	for name, f := range map[string]Files{"no CA": {}, "a CA that is not there": {CAFile: ca.File + "x"}, "half a pair": {CAFile: ca.File, CertFile: cert}} {
		if _, err := NewDialer(f, nil); err == nil {
			t.Errorf("a dialer with %s", name)
		}
	}
}
