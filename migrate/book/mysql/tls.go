package mysql

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
)

// TLS names the files of a TLS connection. The server's certificate is always
// checked.
type TLS struct {
	CAFile     string // PEM; empty: the system's
	ServerName string // in the certificate; empty: the host's name
	CertFile   string // ours, with KeyFile; empty: none
	KeyFile    string
}

// Config reads the files.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in ca_file")
		}
	}
	if t.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, errors.New("cert_file and key_file cannot be used together")
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
