package phptest

import (
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSticky is the story of a site whose balancer keeps each browser on one
// host, because the session files are there: the hosts go over to the agent,
// the sessions move to Redis, the balancer lets go, a host is stopped, and in
// the end neither files nor agents are needed. docs/sticky.md tells it.
func TestSticky(t *testing.T) {
	t.Parallel()
	users, quota := 30, int64(150)
	if long {
		users, quota = 150, 4000
	}
	rd := redisServer(t)
	var dirs [2]string
	var own []string
	for i := range dirs {
		dirs[i] = t.TempDir()
		own = append(own, fmt.Sprintf(`{files: {dir: %q, max_lifetime: 24m}}`, dirs[i]))
	}
	f := newFleet(t, 2, setting{sessions: filesKeys + "    lock_ttl: 5s\n", own: own, patience: "5s", new: redisAt(rd), sockets: true})
	var all []*host
	php := func(i int, how string, ini []string) *host {
		h := newHost(t, fmt.Sprintf("web-%d, %s", i+1, how), ini)
		all = append(all, h)
		return h
	}
	var hosts [2]*host
	for i := range hosts {
		hosts[i] = php(i, "files", []string{"session.save_handler=files", "session.save_path=" + dirs[i]})
	}
	b := newBalancer(t, hosts)
	c := &crowd{t: t, pause: thinking}
	for i := range c.hosts {
		c.hosts[i].put(t, b.host)
	}
	writes := countWrites(t, dirs[:]...)
	rates := map[string]float64{}
	at := func(name string, steps ...func()) {
		t.Helper()
		c.at(name)
		for _, s := range steps {
			s()
		}
		began, before := time.Now(), writes.Load()
		c.until(c.place.Load().clicks.Load() + quota)
		rates[name] = float64(writes.Load()-before) / time.Since(began).Seconds()
		c.seance(50)
	}
	do := func(i int, args ...string) func() { return func() { t.Helper(); f.crossfadeAt(i, args...) } }
	use := func(i int, how string, ini []string) func() {
		return func() {
			was := hosts[i]
			hosts[i] = php(i, how, ini)
			b.move(i, was, hosts[i])
		}
	}

	c.at("files, sticky")
	idle := c.loginMany(2 * users)
	c.start(users)
	at("files, sticky")
	at("agents, off", use(0, "agent", throughSocket(f.agents[0])), use(1, "agent", throughSocket(f.agents[1])))
	at("mirror", do(0, "ramp", "mirror", "100"))
	at("backfill, verify", do(0, "backfill"), do(1, "backfill"), do(1, "verify"), do(0, "verify"))
	at("read-new", do(0, "ramp", "read-new", "25"), do(0, "ramp", "read-new", "100"))
	at("any host", func() { b.tell("enable server roam/on") })
	at("a host is stopped", func() {
		b.take(1, true)
		b.quiet(hosts[1])
		hosts[1].stop(t)
		if err := f.agents[1].proc.Stop(15 * time.Second); err != nil {
			t.Fatal(err)
		}
	})
	at("and comes back", func() {
		f.start(f.agents[1])
		hosts[1] = php(1, "agent again", throughSocket(f.agents[1]))
		_, p, _ := net.SplitHostPort(hosts[1].addr())
		for _, backend := range []string{"sticky", "any"} {
			b.tell(fmt.Sprintf("set server %s/web-2 addr 127.0.0.1 port %s", backend, p))
		}
		b.take(1, false)
	})
	at("cutover", do(0, "ramp", "cutover", "100"))
	at("redis, without agents", use(0, "redis", throughRedis(rd.Addr(), true)), use(1, "redis", throughRedis(rd.Addr(), true)), f.stop)
	c.finish()
	each(8, idle, func(u *user) { c.click(u, "click"); c.look(u) })
	c.seance(math.MaxInt)
	c.judge(all...)
	for _, name := range []string{"files, sticky", "read-new", "redis, without agents"} {
		t.Logf("%-24s %6.1f writes to session files a second", name, rates[name])
	}
	if rates["files, sticky"] == 0 || rates["redis, without agents"] != 0 {
		t.Errorf("writes to session files a second: %v", rates)
	}
}

// throughSocket is phpredis at an agent's Unix socket.
func throughSocket(a *sidecar) []string {
	return []string{"session.save_handler=redis", "session.save_path=unix://" + a.redis[len("unix:"):], "redis.session.locking_enabled=1",
		// phpredis gives up after 25 ms, and then drops what the page wrote.
		"redis.session.lock_retries=300", "redis.session.lock_wait_time=10000"}
}

// countWrites counts writes to session files (inotify(7), IN_MODIFY).
func countWrites(t testing.TB, dirs ...string) *atomic.Int64 {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if _, err := unix.InotifyAddWatch(fd, d, unix.IN_MODIFY); err != nil {
			t.Fatal(err)
		}
	}
	events := os.NewFile(uintptr(fd), filepath.Base(dirs[0]))
	var n atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			got, err := events.Read(buf)
			if err != nil {
				return
			}
			for at := 0; at+unix.SizeofInotifyEvent <= got; {
				length := int(buf[at+12]) | int(buf[at+13])<<8 // of the name; inotify_event.len
				at += unix.SizeofInotifyEvent + length
				n.Add(1)
			}
		}
	}()
	t.Cleanup(func() { events.Close(); <-done })
	return &n
}
