package storytest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

// stores are the servers of both sides, and a proxy before each that agents use.
type stores struct {
	t        testing.TB
	who      who
	mc       *localserver.Server
	galera   *localserver.Cluster
	redis    *localserver.Set
	cache    *proxy
	rows     []*proxy // of each node
	data     []*proxy // of each data server of Redis
	named    *proxy   // new by one name, where it has no Sentinels
	sentinel bool
}

// syncEvery is how far the table may be behind memcached.
const syncEvery = 2 * time.Second

func newStores(t testing.TB, nodes int, sentinel bool) *stores {
	t.Helper()
	s := &stores{t: t, sentinel: sentinel}
	started := make(chan error, 2)
	go func() (err error) {
		defer func() { started <- err }()
		s.galera, err = localserver.Galera(t.Context(), nodes, "CREATE DATABASE shop",
			"CREATE TABLE shop.sessions (id VARBINARY(64) NOT NULL PRIMARY KEY, data BLOB NOT NULL, expires INT UNSIGNED NOT NULL) ENGINE=InnoDB",
			"CREATE TABLE shop.crossfade (kind VARBINARY(1) NOT NULL, name VARBINARY(250) NOT NULL, member VARBINARY(400) NOT NULL, data MEDIUMBLOB NOT NULL, flags INT UNSIGNED NOT NULL, expires_ms BIGINT NOT NULL, PRIMARY KEY (kind, name, member), KEY expires_ms (expires_ms)) ENGINE=InnoDB")
		return err
	}()
	go func() (err error) {
		defer func() { started <- err }()
		s.mc, err = localserver.Memcached(t.Context(), localserver.Options{Args: []string{"-m", "256", "-c", "4096"}})
		if err == nil {
			s.redis, err = localserver.RedisSentinel(t.Context(), localserver.SetOptions{})
		}
		return err
	}()
	t.Cleanup(s.stop)
	for range 2 {
		if err := <-started; err != nil {
			t.Error(err)
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	s.cache = newProxy(t, s.mc.Addr(), &s.who)
	for _, n := range s.galera.Nodes {
		s.rows = append(s.rows, newProxy(t, n.Addr(), &s.who))
	}
	for _, d := range s.redis.Data {
		s.data = append(s.data, newProxy(t, d.Addr(), &s.who))
	}
	if sentinel {
		s.announce()
	} else {
		// Nobody but the test says who the primary is: Sentinels would make a
		// replica of what it has promoted.
		for _, w := range s.redis.Sentinels {
			s.ask(w, "SENTINEL", "REMOVE", localserver.Master)
		}
		s.named = newProxy(t, s.redis.Data[0].Addr(), &s.who)
	}
	return s
}

// stop runs after the proxies have ended, as they were made later.
func (s *stores) stop() {
	if s.galera != nil {
		if err := s.galera.Stop(); err != nil {
			s.t.Error(err)
		}
	}
	if s.redis != nil {
		if err := s.redis.Stop(); err != nil {
			s.t.Error(err)
		}
	}
	if s.mc != nil {
		if err := s.mc.Stop(); err != nil {
			s.t.Error(err)
		}
	}
}

// announce makes the data servers known by their proxies' addresses, and has the
// Sentinels begin anew with those.
func (s *stores) announce() {
	s.t.Helper()
	for i := range s.redis.Data {
		s.name(i)
	}
	host, port, _ := net.SplitHostPort(s.data[0].addr())
	s.ask(s.redis.Data[1], "REPLICAOF", host, port)
	s.follows(s.redis.Data[0], s.redis.Data[1])
	for _, w := range s.redis.Sentinels {
		s.ask(w, "SENTINEL", "REMOVE", localserver.Master)
	}
	for _, w := range s.redis.Sentinels {
		s.ask(w, "SENTINEL", "MONITOR", localserver.Master, host, port, "2")
		s.ask(w, "SENTINEL", "SET", localserver.Master, "down-after-milliseconds", "1000", "failover-timeout", "5000")
	}
	s.known()
}

// name has a data server give its proxy's address for its own. It keeps that in
// memory only.
func (s *stores) name(i int) {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.data[i].addr())
	s.ask(s.redis.Data[i], "CONFIG", "SET", "replica-announce-ip", host)
	s.ask(s.redis.Data[i], "CONFIG", "SET", "replica-announce-port", port)
}

// revive starts a data server that was killed, and lets others reach it, under the
// one name that it had: under two the Sentinels take it for two servers, and when
// they promote the one they make it a replica of the other, which is itself.
func (s *stores) revive(i int) {
	s.t.Helper()
	if err := s.redis.Data[i].Restart(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	if !s.sentinel {
		s.data[i].listen(s.t)
		s.follows(s.redis.Data[1-i], s.redis.Data[i])
		return
	}
	s.name(i)
	// One that was started as a replica has told its own address by now.
	s.ask(s.redis.Data[i], "CLIENT", "KILL", "TYPE", "master")
	s.data[i].listen(s.t)
	s.follows(s.redis.Data[1-i], s.redis.Data[i])
	for _, w := range s.redis.Sentinels {
		if !strings.Contains(s.said(w), "num-slaves 1 ") {
			s.ask(w, "SENTINEL", "RESET", localserver.Master) // it asked in that moment
		}
	}
	s.known()
}

// known waits until each Sentinel knows the others, and one replica.
func (s *stores) known() {
	s.t.Helper()
	for _, w := range s.redis.Sentinels {
		binarytest.Within(s.t, 30*time.Second, "the Sentinels to find each other by the proxies", func() bool {
			return strings.Contains(s.said(w), "num-slaves 1 num-other-sentinels 2 ")
		})
	}
}

// said is what a Sentinel says of the primary, in one line.
func (s *stores) said(w *localserver.Server) string {
	return strings.ReplaceAll(s.ask(w, "SENTINEL", "MASTER", localserver.Master), "\n", " ") + " "
}

func (s *stores) ask(on *localserver.Server, args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(s.redis.Ask(context.WithoutCancel(s.t.Context()), on, args...))
}

// follows waits until what the one writes is in the other.
func (s *stores) follows(primary, replica *localserver.Server) {
	s.t.Helper()
	binarytest.Within(s.t, 30*time.Second, "the replica to follow", func() bool {
		s.ask(primary, "SET", "storytest:probe", "1", "PX", "60000")
		ok := s.ask(replica, "GET", "storytest:probe") == "1"
		s.ask(primary, "DEL", "storytest:probe")
		return ok
	})
}

// primary is the data server that takes writes.
func (s *stores) primary() int {
	for i, d := range s.redis.Data {
		if strings.Contains(s.ask(d, "INFO", "replication"), "role:master") {
			return i
		}
	}
	return -1
}

// toNew and toOld are the ways to one side.
func (s *stores) toNew() []*proxy {
	if s.named != nil {
		return []*proxy{s.named}
	}
	return s.data
}

func (s *stores) toOld() []*proxy { return append([]*proxy{s.cache}, s.rows...) }

// yaml is old and new, as agents and servers have them.
func (s *stores) yaml() string {
	var nodes []string
	for _, p := range s.rows {
		nodes = append(nodes, p.addr())
	}
	to := fmt.Sprintf("{redis: {addrs: [%q]}}", s.toNew()[0].addr())
	if s.sentinel {
		to = fmt.Sprintf(`{redis: {sentinel: {addrs: ["%s"], master: %s}}}`, strings.Join(localserver.Addrs(s.redis.Sentinels), `", "`), localserver.Master)
	}
	return fmt.Sprintf(`old: {hybrid: {memcached: {servers: [%q]}, sync_every: %v, mysql: {hosts: ["%s"], database: shop, user: root, columns: {id: id, data: data, expires: expires, expiry: unix}}}}
new: %s
`, s.cache.addr(), syncEvery, strings.Join(nodes, `", "`), to)
}

// joined waits until every node of Galera has been in one cluster with all others
// for so long.
func (s *stores) joined(long time.Duration) {
	s.t.Helper()
	const ask = "SELECT COUNT(*) FROM information_schema.GLOBAL_STATUS WHERE (VARIABLE_NAME, VARIABLE_VALUE) IN " +
		"(('WSREP_CLUSTER_STATUS', 'Primary'), ('WSREP_CLUSTER_SIZE', '%d'), ('WSREP_READY', 'ON'))"
	since := time.Now()
	binarytest.Within(s.t, 90*time.Second, "the nodes of Galera to be one cluster", func() bool {
		for _, n := range s.galera.Nodes {
			out, err := exec.CommandContext(s.t.Context(), "mariadb", "--no-defaults", "-S", n.MariaDBSocket(), "-u", "root", "-N", "-e",
				fmt.Sprintf(ask, len(s.galera.Nodes))).CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "3" {
				since = time.Now()
			}
		}
		return time.Since(since) >= long
	})
}

// freeze stops a process for a while.
func freeze(t testing.TB, s *localserver.Server, d time.Duration) {
	t.Helper()
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
}
