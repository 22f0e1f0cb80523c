package hybrid_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/mysql"
)

// TestSuite is the conformance suite on a real memcached over a real MariaDB.
func TestSuite(t *testing.T) {
	mc := backendtest.Memcached(t)
	o := mysql.Options{Database: "shop", User: "root", Migration: "test", Columns: mysql.Plain(), DialTimeout: 15 * time.Second}
	rows := func(addr string) *mysql.Store {
		o := o
		o.Hosts = []string{addr}
		s, err := mysql.New(o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ddl := rows("127.0.0.1:1")
	one := func(ddl string) string { return strings.ReplaceAll(strings.TrimSuffix(ddl, ";"), "\n", " ") }
	db := backendtest.MariaDB(t, "CREATE DATABASE shop", one(ddl.DDL()), one(ddl.PlainDDL()))
	ddl.Close()
	backendtest.Run(t, func(t *testing.T) backends.Store {
		return hybrid.New(memcached.New(mc.Addr(), memcached.Options{Migration: "test", DialTimeout: 15 * time.Second}), rows(db.Addr()), hybrid.Options{Migration: "test", Prefix: "bt-"})
	}, backendtest.Options{Exactness: time.Second, MaxConnections: 128, Deviations: map[string]string{}})
}
