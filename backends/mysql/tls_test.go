package mysql

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/localserver"
)

// certificate writes a self-made certificate and its key; anybody may read them.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "crossfade-tls-") // t.TempDir is closed to the server's user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t, "db.test")
	other, _ := certificate(t, "db.test")
	srv, err := localserver.MariaDB(t.Context(), localserver.Options{Args: []string{"--ssl-cert=" + cert, "--ssl-key=" + key, "--ssl-ca=" + cert}},
		append(tables(t), "CREATE USER 'tls'@'%' IDENTIFIED BY 'pw' REQUIRE X509", "GRANT ALL ON app.* TO 'tls'@'%'")...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Error(err)
		}
	})
	set := func(o Options) error { return opened(t, o, srv.Addr()).Set(t.Context(), session("tls", "x")) }
	if err := set(Options{TLS: &TLS{CAFile: cert, ServerName: "db.test"}}); err != nil {
		t.Errorf("with the certificate's CA and name: %v", err)
	}
	full := Options{TLS: &TLS{CAFile: cert, ServerName: "db.test", CertFile: cert, KeyFile: key}, User: "tls", Password: "pw"}
	if err := set(full); err != nil {
		t.Errorf("with a client certificate: %v", err)
	}
	for name, o := range map[string]Options{
		"another CA":                     {TLS: &TLS{CAFile: other, ServerName: "db.test"}},
		"another name":                   {TLS: &TLS{CAFile: cert, ServerName: "db.other"}},
		"the host's name":                {TLS: &TLS{CAFile: cert}},
		"a user without its certificate": {TLS: &TLS{CAFile: cert, ServerName: "db.test"}, User: "tls", Password: "pw"},
		"that user without TLS":          {User: "tls", Password: "pw"},
	} {
		err := set(o)
		if err == nil {
			t.Errorf("%s: was accepted", name)
		} else if o.User == "" && !strings.Contains(err.Error(), "certificate is not accepted") {
			t.Errorf("%s: got %v, want the reason", name, err)
		}
	}
	// What is parked and peeked at works on TLS too.
	s := opened(t, full, srv.Addr())
	for range 3 {
		if _, found, err := s.Get(t.Context(), backends.Key{Name: "tls"}); err != nil || !found {
			t.Errorf("got %v, %v", found, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if s.hosts[0].pools[forReads].open() != 1 {
		t.Errorf("%d connections for reads, want the first used again", s.hosts[0].pools[forReads].open())
	}
}
