package setup

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Places to look at; what is empty is where each usually is.
type Places struct {
	Memcached, Redis, Sentinel, MySQL string
	// PHP is the program that is asked for its settings.
	PHP string
}

// Found is what answers. A field is empty where nothing does.
type Found struct {
	Memcached string // as Answers.Old wants it
	Redis     string // the same: one server, a cluster, or what Sentinel names
	MySQL     string // its version
	Client    string // whose sessions PHP keeps
	Files     string // PHP's session.save_path
	Lifetime  string // PHP's session.gc_maxlifetime, in seconds
	Notes     []string
}

// lookTimeout is how long each may take: it is this host.
const lookTimeout = time.Second

// Look asks each place once.
func Look(ctx context.Context, p Places) (f Found) {
	or := func(s, usual string) string {
		if s == "" {
			return usual
		}
		return s
	}
	p = Places{or(p.Memcached, "127.0.0.1:11211"), or(p.Redis, "127.0.0.1:6379"), or(p.Sentinel, "127.0.0.1:26379"), or(p.MySQL, "127.0.0.1:3306"), or(p.PHP, "php")}
	var wg sync.WaitGroup
	var sentinel, redisNote string
	wg.Go(func() {
		if strings.HasPrefix(say(ctx, p.Memcached, "version\r\n"), "VERSION ") {
			f.Memcached = "memcached:" + p.Memcached
		}
	})
	wg.Go(func() { f.Redis, redisNote = lookRedis(ctx, p.Redis) })
	wg.Go(func() { sentinel = lookSentinel(ctx, p.Sentinel) })
	wg.Go(func() { f.MySQL = mysqlVersion(say(ctx, p.MySQL, "")) })
	var php map[string]string
	wg.Go(func() { php = phpSettings(ctx, p.PHP) })
	wg.Wait()
	if sentinel != "" {
		f.Redis = sentinel
	}
	if redisNote != "" {
		f.Notes = append(f.Notes, redisNote)
	}
	if f.MySQL != "" {
		f.Notes = append(f.Notes, "MySQL "+f.MySQL+" answers at "+p.MySQL+": if sessions are in it too, see docs/decisions/0008-memcached-over-sql.md")
	}
	f.Lifetime = php["session.gc_maxlifetime"]
	switch php["session.save_handler"] {
	case "memcached":
		f.Client = "php-memcached"
	case "memcache":
		f.Client = "php-memcache"
	case "redis":
		f.Client = "phpredis"
	case "files":
		f.Client, f.Files = "php-files", php["session.save_path"]
	}
	return f
}

// say sends a line and gives the first packet of the answer; empty: none.
func say(ctx context.Context, addr, line string) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(lookTimeout))
	io.WriteString(c, line)
	b := make([]byte, 16<<10)
	n, _ := c.Read(b)
	return string(b[:n])
}

func lookRedis(ctx context.Context, addr string) (found, note string) {
	switch a := say(ctx, addr, "INFO cluster\r\n"); {
	case strings.HasPrefix(a, "-NOAUTH"):
		return "redis:" + addr, "Redis at " + addr + " asks for a password: name its file with --new-password-file or --old-password-file"
	case strings.Contains(a, "cluster_enabled:1"):
		return "redis-cluster:" + addr, ""
	case strings.HasPrefix(a, "$"):
		return "redis:" + addr, ""
	}
	return "", ""
}

// lookSentinel gives the first primary that a Sentinel watches.
func lookSentinel(ctx context.Context, addr string) string {
	s := bufio.NewScanner(strings.NewReader(say(ctx, addr, "SENTINEL masters\r\n")))
	for s.Scan() {
		if strings.TrimSpace(s.Text()) == "name" && s.Scan() && s.Scan() { // $length, then the name
			return fmt.Sprintf("redis-sentinel:%s@%s", strings.TrimSpace(s.Text()), addr)
		}
	}
	return ""
}

// mysqlVersion reads the server's greeting: 4 bytes of header, the protocol's
// number, the version up to a zero (dev.mysql.com, Protocol::HandshakeV10).
func mysqlVersion(greeting string) string {
	if len(greeting) < 6 || greeting[4] != 10 {
		return ""
	}
	v, _, ok := strings.Cut(greeting[5:], "\x00")
	if !ok {
		return ""
	}
	return v
}

// phpSettings are PHP's for the command line; a web server's may differ.
func phpSettings(ctx context.Context, program string) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "-i").Output()
	if err != nil {
		return nil
	}
	set := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), " => "); len(f) == 3 && strings.HasPrefix(f[0], "session.") && f[1] != "no value" {
			set[f[0]] = f[1]
		}
	}
	return set
}
