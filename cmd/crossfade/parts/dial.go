package parts

import (
	"context"
	"fmt"
	"net"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate/certs"
)

// Dial is how the servers of flags.server are connected to; nil: without TLS.
// failed is told when its files cannot be read again.
func Dial(c *config.Config, failed func(error)) (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	f := c.Flags
	if f.CAFile == "" {
		return nil, nil
	}
	d, err := certs.NewDialer(certs.Files{CAFile: f.CAFile, CertFile: f.CertFile, KeyFile: f.KeyFile.Path()}, failed)
	if err != nil {
		return nil, fmt.Errorf("flags.ca_file, cert_file, key_file: %w", err)
	}
	return d.Dial, nil
}
