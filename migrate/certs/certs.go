// Package certs makes TLS between agents, people and servers of files, and reads
// them again when they change: a certificate is renewed without a restart.
//
//	c, err := certs.Server(certs.Files{CertFile: "server.pem", KeyFile: "server.key"}, failed)
//	err = httpServer.Serve(tls.NewListener(listener, c))
//
//	d, err := certs.NewDialer(certs.Files{CAFile: "ca.pem"}, failed)
//	conn, err := d.Dial(ctx, "tcp", "10.0.0.5:9310")
//
// Files that no longer load change nothing: what was read last stands, and failed
// is told why, once. Connections that exist go on as they are.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// System, as a CAFile, stands for the certificates that the system trusts.
const System = "system"

// handshakeMost bounds a handshake: a server that is there takes milliseconds.
const handshakeMost = 5 * time.Second

// Files of one side, in PEM.
type Files struct {
	// CertFile and KeyFile are this side's own; a server needs them, of others a
	// server may ask for them.
	CertFile, KeyFile string
	// CAFile is who signs the other side's. A dialer needs it. A server that has
	// one takes connections from those alone who show a certificate of it.
	CAFile string
}

func (f Files) all() (paths []string) {
	for _, p := range []string{f.CertFile, f.KeyFile, f.CAFile} {
		if p != "" && p != System {
			paths = append(paths, p)
		}
	}
	return paths
}

// Server is the configuration of who listens. failed, if not nil, is told when
// files cannot be read again. An error says that they cannot be read now. more are
// protocols that are offered before HTTP/1.1, as "h2" for browsers.
func Server(f Files, failed func(error), more ...string) (*tls.Config, error) {
	if f.CertFile == "" || f.KeyFile == "" {
		return nil, errors.New("certs: a server needs a certificate and its key")
	}
	w, err := watch(f.all(), failed, func() (*tls.Config, error) { return f.server(more) })
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return w.now(), nil }}, nil
}

func (f Files) server(more []string) (*tls.Config, error) {
	// Without tickets each connection shows what it has: a CA that was taken away
	// counts from then on.
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: append(slices.Clone(more), "http/1.1"), SessionTicketsDisabled: true}
	cert, err := f.pair()
	if err != nil {
		return nil, err
	}
	c.Certificates = []tls.Certificate{cert}
	if f.CAFile != "" {
		if c.ClientCAs, err = pool(f.CAFile); err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return c, nil
}

// Dialer connects to servers. It is safe for concurrent use.
type Dialer struct {
	w *watched
}

// NewDialer makes one, and dials nothing. failed and the error are as those of
// Server.
func NewDialer(f Files, failed func(error)) (*Dialer, error) {
	if f.CAFile == "" {
		return nil, errors.New("certs: who connects needs to know who signs the servers' certificates")
	}
	w, err := watch(f.all(), failed, f.client)
	if err != nil {
		return nil, err
	}
	return &Dialer{w}, nil
}

func (f Files) client() (c *tls.Config, err error) {
	// What an agent upgrades its connection to is not of TLS's choosing, so HTTP/2
	// is not asked for.
	c = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if c.RootCAs, err = pool(f.CAFile); err != nil {
		return nil, err
	}
	if f.CertFile != "" {
		cert, err := f.pair()
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}

// Dial makes a connection whose other end has shown a certificate for the host
// of addr. It returns by the end of ctx, or after some seconds.
func (d *Dialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("certs: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeMost)
	defer cancel()
	c := d.w.now().Clone()
	c.ServerName = host
	nd := net.Dialer{KeepAlive: 15 * time.Second}
	nc, err := nd.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	tc := tls.Client(nc, c)
	if err := tc.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("certs: %s: %w", addr, err)
	}
	return tc, nil
}

func (f Files) pair() (tls.Certificate, error) {
	cert, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
	if err != nil {
		return cert, fmt.Errorf("certs: %s and its key cannot be used together: %w", f.CertFile, err)
	}
	return cert, nil
}

func pool(path string) (*x509.CertPool, error) {
	if path == System {
		return x509.SystemCertPool()
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("certs: %w", err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certs: %s: no certificate is in it: accepted is PEM", path)
	}
	return p, nil
}
