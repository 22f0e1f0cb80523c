package mysql

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Health asks the host in use, on a connection kept for it. A table evicts
// nothing.
func (s *Store) Health(ctx context.Context) (backends.Health, error) {
	if err := s.enter(ctx); err != nil {
		return backends.Health{}, err
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.opts.ReadTimeout)
		defer cancel()
	}
	got := make(chan server, attempts)
	err := s.run(ctx, forControl, "health", true, func(c *conn) error {
		// Asked each time: the node may have left its cluster.
		is, _, err := c.introduce()
		if err == nil {
			got <- is
		}
		return err
	})
	if err != nil {
		return backends.Health{}, err
	}
	now := <-got
	h := backends.Health{Product: "mysql", Version: now.version, RunID: now.runID()}
	if now.mariadb {
		h.Product = "mariadb"
		h.Version, _, _ = strings.Cut(now.version, "-")
	}
	h.Connections, h.Parked = s.Connections()
	return h, nil
}

// Connections implements backends.Pooled.
func (s *Store) Connections() (open, parked int) {
	for _, host := range s.hosts {
		for _, p := range host.pools {
			open += p.open()
			parked += int(p.parked.Load())
		}
	}
	return open, parked
}

// Settle ends the doubt about a call that any agent sent on the connection
// conn (Unknown.Conn, Mark.Conn) to the server runID: once it returns nil, the
// call was applied or never will be. It kills the connection from another one
// and waits until the server's list no longer has it: its transaction has ended
// then. A server that has started since never had it; nor does a cluster that no
// longer has the node, once what that node gave it is applied.
func (s *Store) Settle(ctx context.Context, conn, runID string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	thread, ok := strings.CutPrefix(conn, "id:")
	id, err := strconv.ParseInt(thread, 10, 64)
	name, rest, ok2 := strings.Cut(runID, "/")
	if err != nil || !ok || !ok2 {
		return fmt.Errorf("backends/mysql: settle: %q names no connection of a MySQL server", conn)
	}
	start, node, _ := strings.Cut(rest, "/")
	last := fmt.Errorf("backends/mysql: settle: no host is the server that the call was sent to")
	for _, h := range s.hosts {
		settled, err := s.settleOn(ctx, h, id, name, start, node)
		if settled {
			return nil
		}
		if err != nil {
			last = err
		}
	}
	return last
}

// settleOn asks one host, for at most a share of the time there is.
func (s *Store) settleOn(ctx context.Context, h *host, id int64, name, start, node string) (settled bool, err error) {
	share := 2 * time.Second
	if d, ok := ctx.Deadline(); ok {
		share = min(share, time.Until(d)/time.Duration(len(s.hosts)))
	}
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	l, err := h.pools[forControl].take(ctx)
	if err != nil {
		return false, s.reply("settle", err)
	}
	got := make(chan bool, 1)
	usable, err := l.do(ctx, "settle", true, func(c *conn) error {
		// Nodes may share a host name and port (containers of one image).
		twin := node != "" && c.server.galera != "" && c.server.galera != node
		if c.server.name != name || twin {
			gone, err := c.without(node)
			got <- gone
			return err
		}
		if c.server.start != start {
			got <- true
			return nil
		}
		if _, err := c.exec("KILL CONNECTION " + strconv.FormatInt(id, 10)); err != nil && number(err) != errNoThread {
			return err
		}
		for ctx.Err() == nil {
			listed := false
			err := c.query(func([]driver.Value) error { listed = true; return nil },
				"SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = ?", id)
			if err != nil {
				return err
			}
			if !listed {
				got <- true
				return nil
			}
			time.Sleep(5 * time.Millisecond)
		}
		return ctx.Err()
	})
	if usable {
		l.pool.put(l)
	}
	if err != nil {
		return false, s.reply("settle", err)
	}
	return <-got, nil
}

// without tells whether this server belongs to a cluster that has lost the
// node, and has applied all that it was given.
func (c *conn) without(node string) (bool, error) {
	if node == "" || c.server.galera == "" {
		return false, nil
	}
	view := ""
	err := c.query(func(v []driver.Value) error { view = text(v[1]); return nil }, "SHOW GLOBAL STATUS LIKE 'wsrep_incoming_addresses'")
	if err != nil || view == "" {
		return false, err
	}
	for member := range strings.SplitSeq(view, ",") {
		if member == node {
			return false, nil
		}
	}
	// Waits, also where Options.NoSyncWait is set, and is refused where the node
	// is in no primary component.
	_, err = c.exec("SET STATEMENT wsrep_sync_wait = 1 FOR DO (SELECT COUNT(*) FROM " + c.own.name + " WHERE `kind` = '')")
	return err == nil, err
}
