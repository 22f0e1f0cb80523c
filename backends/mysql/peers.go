package mysql

import (
	"context"
	"database/sql/driver"

	"github.com/seed-41165957/crossfade/backends"
)

var _ backends.Peerer = (*Store)(nil)

// Peers implements backends.Peerer by information_schema.PROCESSLIST: without
// the privilege PROCESS it has the connections of our own user alone. On Galera
// it tells of the node that is asked.
func (s *Store) Peers(ctx context.Context) (all []backends.Peer, own []string, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, nil, err
	}
	got := make(chan []backends.Peer, attempts)
	err = s.run(ctx, forControl, "peers", true, func(c *conn) error {
		var list []backends.Peer
		err := c.query(func(v []driver.Value) error {
			if addr := text(v[0]); addr != "" {
				list = append(list, backends.Peer{Addr: addr, Name: text(v[1])})
			}
			return nil
		}, "SELECT HOST, USER FROM information_schema.PROCESSLIST WHERE HOST LIKE '%:%' AND COMMAND NOT IN ('Daemon', 'Binlog Dump', 'Binlog Dump GTID')")
		if err == nil {
			got <- list
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return <-got, s.dialed.Addrs(), nil
}
