package phptest

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

// shop is the reference story's site: a PHP application whose own code keeps
// sessions in memcached over a Galera cluster.
type shop struct {
	t     *testing.T
	mc    *localserver.Server
	rd    *localserver.Server
	db    *localserver.Cluster
	fleet *fleet
	crowd *crowd
	all   []*host
	hosts [2]*host

	people  atomic.Int64
	dropped []string // ids of devices that were logged out by SQL
}

const shopKeys = `
  - name: shop
    keys: ["sess:{id: [0-9a-f]+}"]
    locks: ["sess:lock:{id}"]
    max_age: 1h
    lock_ttl: 5s
`

// shopLag is what is stated: the application's own SYNC, and a page to notice it.
const shopLag = time.Second

func newShop(t *testing.T, hybrid string, sockets bool) *shop {
	s := &shop{t: t, mc: memcachedServer(t), rd: redisServer(t)}
	var err error
	s.db, err = localserver.Galera(t.Context(), 3, "CREATE DATABASE shop",
		"CREATE TABLE shop.sessions (id VARBINARY(64) NOT NULL PRIMARY KEY, user VARCHAR(64) NOT NULL DEFAULT '', data BLOB NOT NULL, expires INT UNSIGNED NOT NULL, KEY user (user)) ENGINE=InnoDB",
		"CREATE TABLE shop.crossfade (kind VARBINARY(1) NOT NULL, name VARBINARY(250) NOT NULL, member VARBINARY(400) NOT NULL, data MEDIUMBLOB NOT NULL, flags INT UNSIGNED NOT NULL, expires_ms BIGINT NOT NULL, PRIMARY KEY (kind, name, member), KEY expires_ms (expires_ms)) ENGINE=InnoDB")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Stop(); err != nil {
			t.Error(err)
		}
	})
	var nodes []string
	for _, n := range s.db.Nodes {
		nodes = append(nodes, n.Addr())
	}
	old := fmt.Sprintf(`{hybrid: {memcached: {servers: [%q]}, key_prefix: "sess:", %s, mysql: {hosts: ["%s"], database: shop, user: root, `+
		`columns: {id: id, data: data, expires: expires, expiry: unix}, writes: %s}}}`, s.mc.Addr(), strings.Split(hybrid, "|")[0], strings.Join(nodes, `", "`), strings.Split(hybrid, "|")[1])
	// A cluster whose node dies stands still until it is sure of that: 3 s here.
	s.fleet = newFleet(t, 2, setting{sessions: shopKeys, old: old, patience: "8s", new: redisAt(s.rd), sockets: sockets})
	s.crowd = &crowd{t: t, pause: thinking}
	return s
}

// page starts PHP with one of the shop's three ways to keep sessions.
func (s *shop) page(i int, name, sessions, memcached, socket string) *host {
	s.t.Helper()
	var nodes []string
	for k := range s.db.Nodes {
		nodes = append(nodes, s.db.Nodes[k].Addr())
	}
	script := filepath.Join(s.t.TempDir(), "page.php")
	text := "<?php\n"
	for k, v := range map[string]string{"SHOP_SESSIONS": testFile(s.t, "shop/"+sessions), "SHOP_MEMCACHED": memcached, "SHOP_SOCKET": socket,
		"SHOP_MYSQL": strings.Join(nodes, ","), "SHOP_REDIS": s.rd.Addr(), "SHOP_HANDLER": handlerFile(s.t)} {
		text += fmt.Sprintf("putenv(%q);\n", k+"="+v)
	}
	text += fmt.Sprintf("require %q;\n", testFile(s.t, "shop/shop.php"))
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	h := newHostOf(s.t, fmt.Sprintf("host %d, %s", i+1, name), script, nil)
	s.all = append(s.all, h)
	return h
}

// use points both hosts elsewhere, one after the other.
func (s *shop) use(page func(i int) *host) {
	s.t.Helper()
	for i := range s.hosts {
		s.hosts[i] = page(i)
		if was := s.crowd.hosts[i].put(s.t, s.hosts[i]); was != nil {
			was.stop(s.t)
		}
	}
}

// at is one stage: so many clicks, a look at who is logged out, and somebody
// who logs out his other devices.
func (s *shop) at(name string, others bool, steps ...func()) {
	s.t.Helper()
	s.crowd.at(name)
	for _, step := range steps {
		step()
	}
	s.crowd.until(s.crowd.place.Load().clicks.Load() + 120)
	if others {
		s.others(name)
	}
	s.crowd.seance(50)
}

func (s *shop) do(args string) func() {
	return func() { s.t.Helper(); s.fleet.crossfade(strings.Fields(args)...) }
}

// others logs one person's other devices out by SQL, one that is in use and one
// that is not.
func (s *shop) others(where string) {
	s.t.Helper()
	person := fmt.Sprintf("p%d", s.people.Add(1))
	ask := func(i int, op, id string) reply {
		s.t.Helper()
		r, err := s.hosts[i].ask(op, id, person)
		if err != nil {
			s.t.Errorf("%s: %v", where, err)
		}
		return r
	}
	here, there, idle := ask(0, "login", "").cookie, ask(1, "login", "").cookie, ask(1, "login", "").cookie
	for _, id := range []string{here, there, idle} {
		if ask(0, "click", id).Missing {
			s.t.Errorf("%s: a device is not logged in", where)
		}
	}
	if ask(0, "others", here).Missing {
		s.t.Errorf("%s: the device that logged the others out is logged out", where)
	}
	began, took := time.Now(), time.Duration(0)
	for n := 0; took == 0; n++ {
		if ask(n%2, "click", there).Missing {
			took = time.Since(began)
		} else if time.Since(began) > shopLag+30*time.Second {
			s.t.Errorf("%s: a device that was logged out by SQL is in after %v", where, time.Since(began))
			took = 1
		}
		time.Sleep(50 * time.Millisecond)
	}
	// Its last write was the latest, and memcached counts whole seconds.
	time.Sleep(2*shopLag - time.Since(began))
	if !ask(0, "click", idle).Missing {
		s.t.Errorf("%s: an idle device that was logged out by SQL is still in", where)
	}
	if ask(1, "click", here).Missing {
		s.t.Errorf("%s: the device that logged the others out is logged out", where)
	}
	s.t.Logf("%s: logged out by SQL: honoured after %.1f s", where, took.Seconds())
	s.dropped = append(s.dropped, there, idle)
}

func (s *shop) end() {
	s.t.Helper()
	s.crowd.finish()
	for _, id := range s.dropped {
		if r, err := s.hosts[0].ask("read", id, "p"); err != nil || !r.Missing {
			s.t.Errorf("a device that was logged out by SQL is back: %+v %v", r, err)
		}
	}
	s.crowd.seance(math.MaxInt)
	s.crowd.judge(s.all...)
}

// misbehave is observed while somebody deletes keys to have them read again,
// writes the table past the agents, uses a command that is not spoken, and other
// flags.
func (s *shop) misbehave() {
	s.t.Helper()
	cmd := exec.Command(program(s.t, "php", "php-cli"), testFile(s.t, "shop/misbehave.php"))
	cmd.Env = append(cmd.Environ(), "SHOP_SESSIONS="+testFile(s.t, "shop/own.php"), "SHOP_MEMCACHED="+s.fleet.agents[0].memcached, "SHOP_MYSQL="+s.db.Nodes[1].Addr())
	p, err := localserver.Start(cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	out, code := s.fleet.run(0, "observe", "4s")
	if err := p.Stop(10 * time.Second); err != nil {
		s.t.Error(err)
	}
	if code != 3 {
		s.t.Errorf("exit code %d, want 3", code)
	}
	for _, want := range []string{"red +deletes used as invalidation", "red +writers past the agents", "red +commands that are not spoken", "amber +shop: client flags", "red +shop: lives"} {
		if !regexp.MustCompile(want).MatchString(out) {
			s.t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// killNode kills one node of the cluster, the one that everybody uses, and
// brings it back.
func (s *shop) killNode() {
	s.t.Helper()
	s.crowd.kill(func() {
		if err := s.db.Nodes[0].Kill(); err != nil {
			s.t.Fatal(err)
		}
	})
	s.crowd.until(s.crowd.place.Load().clicks.Load() + 100)
	if err := s.db.Nodes[0].Restart(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// TestShopUnchanged moves the shop without a line changed (way A): its memcached
// is pointed at the agents, and it goes on writing MySQL itself.
func TestShopUnchanged(t *testing.T) {
	if !long {
		t.Skip("the long run: make test-php; TestTuesday moves the same way")
	}
	t.Parallel()
	s := newShop(t, "sync_every: 1s|app", false)
	direct := func(i int) *host { return s.page(i, "memcached and MySQL", "own.php", s.mc.Addr(), "") }
	agents := func(i int) *host { return s.page(i, "agent and MySQL", "own.php", s.fleet.agents[i].memcached, "") }
	redis := func(i int) *host { return s.page(i, "redis", "redis.php", "", "") }
	s.use(direct)
	s.crowd.at("memcached and MySQL")
	idle := s.crowd.loginMany(40)
	s.crowd.start(20)
	s.at("memcached and MySQL", true)
	s.at("agents, off", true, func() { s.use(agents) })
	if out, code := s.fleet.run(0, "observe", "4s"); code != 0 || strings.Contains(out, "red") {
		t.Errorf("a sound site: exit code %d\n%s", code, out)
	}
	s.misbehave()
	s.at("mirror", true, s.do("ramp mirror 100"))
	s.at("mirror, a node killed", false, s.killNode)
	s.at("backfill, verify", false, s.do("backfill"), s.do("verify"))
	s.at("read-new", true, s.do("ramp read-new 25"), s.do("ramp read-new 100"))
	s.at("cutover", true, s.do("ramp cutover 100"))
	s.at("redis for good", false, func() { s.use(redis) }, s.fleet.stop)
	each(8, idle, func(u *user) { s.crowd.click(u, "click"); s.crowd.look(u) })
	s.end()
}

// TestShopFunctions moves the shop with its four session functions replaced (way
// B): the agents own memcached and MySQL.
func TestShopFunctions(t *testing.T) {
	t.Parallel()
	s := newShop(t, "sync_every: 1s, sql_logouts: true|layer", true)
	direct := func(i int) *host { return s.page(i, "memcached and MySQL", "own.php", s.mc.Addr(), "") }
	agents := func(i int) *host {
		return s.page(i, "agent", "agent.php", "", s.fleet.agents[i].memcached[len("unix:"):])
	}
	redis := func(i int) *host { return s.page(i, "redis", "redis.php", "", "") }
	s.use(direct)
	s.crowd.at("memcached and MySQL")
	idle := s.crowd.loginMany(40)
	s.crowd.start(20)
	s.at("memcached and MySQL", true)
	s.at("agents, off", true, func() { s.use(agents) })
	s.at("mirror", true, s.do("ramp mirror 100"))
	s.at("mirror, a node killed", false, s.killNode)
	s.at("backfill, verify", false, s.do("backfill"), s.do("verify"))
	s.at("read-new", true, s.do("ramp read-new 25"), s.do("ramp read-new 100"))
	// Nobody is logged out by SQL there: where old lacks a write, the table is not
	// asked until it was made whole.
	s.at("read-new, memcached restarted", false, func() {
		if err := s.mc.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	// What was under way when it ended went to new alone, perhaps: then status
	// says so, and old is made whole before it is left.
	s.at("recovered", true, s.do("recover old"))
	s.at("cutover", false, s.do("ramp cutover 100"))
	s.at("redis for good", false, func() { s.use(redis) }, s.fleet.stop)
	each(8, idle, func(u *user) { s.crowd.click(u, "click"); s.crowd.look(u) })
	s.end()
}
