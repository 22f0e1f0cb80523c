package server

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate/certs"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// TestProtocols: to a browser the port speaks HTTP/2, so that its pages share one
// connection; to an agent, which upgrades its own, HTTP/1.1.
func TestProtocols(t *testing.T) {
	ca, dir := certstest.NewCA(t), t.TempDir()
	cert, key := ca.Sign(t, dir, "127.0.0.1")
	c := config.Default()
	c.Server.Listen, c.Server.TLS.CertFile = "127.0.0.1:0", cert
	if err := yaml.Unmarshal([]byte(key), &c.Server.TLS.KeyFile); err != nil {
		t.Fatal(err)
	}
	l, err := listen(&c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) })}
	done := make(chan struct{})
	go func() { defer close(done); h.Serve(l) }()
	defer func() { h.Close(); <-done }()
	d, err := certs.NewDialer(certs.Files{CAFile: ca.File}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		who  string
		by   *http.Transport
		url  string
		want string
	}{
		{"a browser", &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}, "https://", "HTTP/2.0"}, // its certificate is no matter here
		{"an agent", &http.Transport{DialContext: d.Dial}, "http://", "HTTP/1.1"},
	} {
		p, err := (&http.Client{Transport: tt.by}).Get(tt.url + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(p.Body)
		p.Body.Close()
		tt.by.CloseIdleConnections()
		if string(said) != tt.want {
			t.Errorf("%s speaks %s, want %s", tt.who, said, tt.want)
		}
	}
}
