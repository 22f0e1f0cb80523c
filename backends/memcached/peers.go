package memcached

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
)

var _ backends.Peerer = (*Store)(nil)

// Peers implements backends.Peerer by stats conns (protocol.txt, "Connection
// statistics"; tried with 1.6.18).
func (s *Store) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	type conn struct{ addr, state string }
	conns := map[string]conn{} // by the server's descriptor
	err = s.admin.use(ctx, func(nc net.Conn, br *bufio.Reader) error {
		clear(conns)
		return stats(nc, br, "stats conns", func(field, value string) {
			fd, what, _ := strings.Cut(field, ":")
			c := conns[fd]
			switch what {
			case "addr":
				if kind, peer, _ := strings.Cut(value, ":"); strings.HasPrefix(kind, "tcp") {
					c.addr = canonical(peer)
				}
			case "state":
				c.state = value
			}
			conns[fd] = c
		})
	})
	if err != nil {
		return nil, nil, fmt.Errorf("memcached: peers: %w", err)
	}
	for _, c := range conns {
		if c.addr != "" && c.state != "conn_listening" {
			all = append(all, backends.Peer{Addr: c.addr})
		}
	}
	return all, s.dialed.Addrs(), nil
}
