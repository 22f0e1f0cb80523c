package agent

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// TestClientTLS: clients speak TLS where the address says so; a certificate that
// was renewed counts for who connects then, and who has none of the CA is not
// served.
func TestClientTLS(t *testing.T) {
	dir := t.TempDir()
	ca := certstest.NewCA(t)
	cert, key := ca.Sign(t, dir, "127.0.0.1")
	mc, rd, web, admin := backendtest.FreeAddr(t), backendtest.FreeAddr(t), backendtest.FreeAddr(t), backendtest.FreeAddr(t)
	d := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Mirror}
	d.Weights[position.Mirror] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "flags.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("crossfade.yaml", []byte(fmt.Sprintf(`
migration: sessions
agent: {name: web-1, state_dir: %[1]s/state, key_file: %[1]s/hash.key}
listen: {memcached: ["tls:%[2]s"], redis: ["tls:%[3]s"], http: ["tls:%[8]s"], admin: %[4]s, tls: {cert_file: %[5]s, key_file: %[6]s, client_ca_file: %[7]s}}
sessions:
  - {name: php, keys: ["s.{id: [a-z0-9]+}"]}
old: {memory: {}}
new: {memory: {}}
flags: {file: %[1]s/flags.json}
`, dir, mc, rd, admin, cert, key, ca.File, web)))
	if err != nil {
		t.Fatal(err)
	}
	defer started(t, c)()
	eventually(t, "ready", func() bool { code, _ := ask(t, "http://"+admin+"/readyz"); return code == 200 })

	pem, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	ownCert, ownKey := ca.Sign(t, t.TempDir(), "client")
	own, err := tls.LoadX509KeyPair(ownCert, ownKey)
	if err != nil {
		t.Fatal(err)
	}
	speak := func(addr, say string, certs ...tls.Certificate) (answer string, serial string, err error) {
		nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, Certificates: certs})
		if err != nil {
			return "", "", err
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(nc, say); err != nil {
			return "", "", err
		}
		answer, err = bufio.NewReader(nc).ReadString('\n')
		return answer, nc.ConnectionState().PeerCertificates[0].SerialNumber.String(), err
	}
	got, first, err := speak(mc, "set s.abc 0 600 2\r\nhi\r\n", own)
	if got != "STORED\r\n" || err != nil {
		t.Errorf("memcached: %q, %v", got, err)
	}
	if got, _, err := speak(rd, "GET s.abc\r\n", own); got != "$2\r\n" || err != nil {
		t.Errorf("redis: %q, %v", got, err)
	}
	if got, _, err := speak(web, "GET /v1/sessions/s.abc HTTP/1.1\r\nHost: web-17.example.net\r\n\r\n", own); got != "HTTP/1.1 200 OK\r\n" || err != nil {
		t.Errorf("http, by a name: %q, %v", got, err)
	}
	if got, _, err := speak(rd, "GET s.abc\r\n"); err == nil {
		t.Errorf("without a certificate: %q", got)
	}
	plain, err := net.Dial("tcp", mc)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	plain.SetDeadline(time.Now().Add(10 * time.Second))
	io.WriteString(plain, "get s.abc\r\n")
	if got, _ := io.ReadAll(plain); strings.Contains(string(got), "VALUE") || strings.Contains(string(got), "END") {
		t.Errorf("without TLS: %q", got)
	}
	ca.Sign(t, dir, "127.0.0.1")
	eventually(t, "the renewed certificate", func() bool {
		_, now, err := speak(mc, "get s.abc\r\n", own)
		return err == nil && now != first
	})
}
