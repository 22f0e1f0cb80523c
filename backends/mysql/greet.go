package mysql

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	sqldriver "github.com/go-sql-driver/mysql"
)

// server is what one server says of itself when a connection is made.
type server struct {
	version string
	mariadb bool
	name    string // its own host name and port: the same through any address
	start   string // unix seconds
	galera  string // its address in the cluster's view; empty: no Galera
	guards  bool   // it has innodb_snapshot_isolation
	packet  int64  // max_allowed_packet
}

// runID names one run of one server: name, start, address in the cluster. The
// start is told in whole seconds.
func (s server) runID() string {
	id := s.name + "/" + s.start
	if s.galera != "" {
		id += "/" + s.galera
	}
	return id
}

// config is the driver's, for one host. Of its time limits only the dial's is
// used: the deadlines are the callers'.
func (s *Store) config(network, addr string, tc *tls.Config) *sqldriver.Config {
	cfg := sqldriver.NewConfig()
	cfg.Net, cfg.Addr, cfg.DBName = network, addr, s.opts.Database
	cfg.User, cfg.Passwd = s.opts.User, string(s.opts.Password)
	cfg.InterpolateParams = true // one round trip, and no statement left in a proxy
	cfg.MultiStatements = true   // a transaction in one packet
	cfg.Collation = ""
	cfg.MaxAllowedPacket = 64 << 20
	cfg.Logger = quiet{} // what it prints is returned as errors too
	cfg.CheckConnLiveness = false
	if tc != nil {
		tc = tc.Clone()
		if host, _, err := net.SplitHostPort(addr); err == nil && tc.ServerName == "" {
			tc.ServerName = host
		}
		cfg.TLS = tc
	}
	return cfg
}

type quiet struct{}

func (quiet) Print(...any) {}

// greet makes a connection, asks the server who it is, and prepares the
// session. dialled gets the socket as soon as there is one.
func (h *host) greet(kind poolKind, dialled func(*socket)) (*conn, error) {
	cfg := h.config.Clone()
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: h.store.opts.DialTimeout, KeepAlive: 15 * time.Second}
		nc, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		s := &socket{Conn: h.store.dialed.Track(nc)}
		dialled(s)
		return s, nil
	}
	connector, err := sqldriver.NewConnector(cfg)
	if err != nil {
		return nil, errors.New("backends/mysql: the driver does not take these options")
	}
	drv, err := connector.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	c := &conn{drv: drv, app: h.store.appTable(), own: h.store.ownTable(), clock: &h.clock}
	c.app.clock, c.own.clock = c.clock, c.clock
	c.server, c.id, err = c.introduce()
	if err == nil {
		err = c.prepare(h.store.opts, kind)
	}
	if err == nil && kind != forControl {
		err = h.columns(c)
	}
	if err == nil {
		err = c.ask()
	}
	if err != nil {
		drv.Close()
		return nil, err
	}
	return c, nil
}

// askTries and askDoubt bound how often a new connection asks for the time: on a
// busy machine one answer may take as long as a copy may be off.
const (
	askTries = 64
	askDoubt = 2 * time.Millisecond // of which one is nowMs's own
)

// ask bounds the server's clock.
func (c *conn) ask() error {
	for range askTries {
		if doubt, ok := c.clock.Doubt(); ok && doubt <= askDoubt {
			return nil
		}
		sent := time.Now()
		err := c.query(func(v []driver.Value) error { c.noted(v[0], sent); return nil }, "SELECT "+nowMs)
		if err != nil {
			return err
		}
	}
	return nil
}

var errNotPrimary = errors.New("backends/mysql: connect: the node is in no primary component or gives its data to another")

// introduce asks who the server is, and by what number it knows the connection.
// A node that cannot serve is an error. It leaves conn.server as it was: a caller
// that has given up waiting reads that meanwhile.
func (c *conn) introduce() (is server, id int64, err error) {
	vars := map[string]string{}
	err = c.query(func(v []driver.Value) error {
		vars[strings.ToLower(text(v[0]))] = text(v[1])
		return nil
	}, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'hostname', 'port', 'innodb_snapshot_isolation', 'wsrep_on', 'max_allowed_packet')")
	if err != nil {
		return server{}, 0, err
	}
	is.version = vars["version"]
	is.mariadb = strings.Contains(is.version, "MariaDB")
	is.name = net.JoinHostPort(vars["hostname"], vars["port"])
	_, is.guards = vars["innodb_snapshot_isolation"]
	is.packet, _ = strconv.ParseInt(vars["max_allowed_packet"], 10, 64)
	schema := "performance_schema"
	if is.mariadb {
		schema = "information_schema"
	}
	// The clock and the uptime of ONE statement: their difference is the start,
	// to the second, even where the clock was set since.
	status := map[string]string{}
	sent := time.Now()
	err = c.query(func(v []driver.Value) error {
		status[strings.ToUpper(text(v[0]))] = text(v[1])
		now, _ := integer(v[2])
		id, _ = integer(v[3])
		c.noted(v[4], sent)
		if up, err := strconv.ParseInt(text(v[1]), 10, 64); err == nil && strings.EqualFold(text(v[0]), "UPTIME") {
			is.start = strconv.FormatInt(now-up, 10)
		}
		return nil
	}, "SELECT VARIABLE_NAME, VARIABLE_VALUE, UNIX_TIMESTAMP(), CONNECTION_ID(), "+nowMs+" FROM "+schema+".global_status WHERE VARIABLE_NAME IN"+
		" ('UPTIME', 'WSREP_READY', 'WSREP_CLUSTER_STATUS', 'WSREP_LOCAL_STATE', 'WSREP_INCOMING_ADDRESSES', 'WSREP_LOCAL_INDEX')")
	if err != nil {
		return server{}, 0, err
	}
	if vars["wsrep_on"] != "ON" {
		return is, id, nil
	}
	if i, err := strconv.Atoi(status["WSREP_LOCAL_INDEX"]); err == nil {
		if members := strings.Split(status["WSREP_INCOMING_ADDRESSES"], ","); i < len(members) {
			is.galera = members[i]
		}
	}
	// 4 is Synced; a node that gives its data to one that joins (2) may hold
	// each commit until that is done.
	if status["WSREP_READY"] != "ON" || status["WSREP_CLUSTER_STATUS"] != "Primary" || status["WSREP_LOCAL_STATE"] != "4" {
		return server{}, 0, errNotPrimary
	}
	return is, id, nil
}

// prepare sets what our statements rely on, whatever the server's defaults.
func (c *conn) prepare(o Options, kind poolKind) error {
	zone := o.Columns.TimeZone
	if zone == "" {
		zone = "+00:00"
	}
	set := fmt.Sprintf("SET NAMES utf8mb4; SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', autocommit = 1, time_zone = ?, "+
		"innodb_lock_wait_timeout = %d, lock_wait_timeout = %d", lockSeconds(o), lockSeconds(o))
	if c.server.mariadb {
		// Above any deadline of ours: what is left behind ends by itself.
		set += ", max_statement_time = 30, idle_transaction_timeout = 30"
	}
	if c.server.galera != "" && !o.NoSyncWait {
		set += ", wsrep_sync_wait = 7" // reads, updates and deletes, inserts
	}
	level := "READ COMMITTED" // locks rows, not the gaps between them
	if kind.snapshots() {
		level = "REPEATABLE READ"
		if o.lockGuards {
			c.server.guards = false
		}
		if c.server.guards {
			set += ", innodb_snapshot_isolation = ON"
		}
	}
	_, err := c.exec(set+"; SET SESSION TRANSACTION ISOLATION LEVEL "+level, zone)
	return err
}

func lockSeconds(o Options) int { return max(1, int(o.LockWait/time.Second)) }
