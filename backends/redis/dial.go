package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// TLSFiles are what a TLS connection needs. All are optional.
type TLSFiles struct {
	CAFile     string // who may have signed the server's certificate; empty: the system's
	CertFile   string // ours, for servers that ask for one (tls-auth-clients)
	KeyFile    string // and its key
	ServerName string // what the certificate must name; empty: the host of each address
}

// Config reads the files. They are read once: renewed ones need a restart.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{ServerName: f.ServerName, MinVersion: tls.VersionTLS12}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("backends/redis: tls: ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("backends/redis: tls: ca_file holds no PEM certificate")
		}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return nil, errors.New("backends/redis: tls: cert_file and key_file go together: name both or none")
	}
	if f.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("backends/redis: tls: cert_file and key_file: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// endpoint takes host:port or unix:path apart for net.Dial.
func endpoint(addr string) (network, address string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", path
	}
	return "tcp", addr
}

// tlsFor is the configuration for one address; nil without TLS.
func (s *Store) tlsFor(network, addr string) *tls.Config {
	if s.opts.TLS == nil {
		return nil
	}
	c := s.opts.TLS.Clone()
	if host, _, err := net.SplitHostPort(addr); c.ServerName == "" && err == nil && network == "tcp" {
		c.ServerName = host
	}
	return c
}

// dial makes every connection.
func (s *Store) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.DialTimeout)
	defer cancel()
	d := net.Dialer{KeepAlive: 15 * time.Second}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c = s.dialed.Track(c)
	if s.opts.TLS == nil {
		return c, nil
	}
	secure := tls.Client(c, s.tlsFor(network, addr))
	if err := secure.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}
