package localserver

import (
	"bufio"
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Redis starts a redis-server without persistence (tried with 7.0.15).
func Redis(ctx context.Context, opts Options) (*Server, error) { return start(ctx, redis(), opts) }

func redis() product {
	return product{
		name:    "redis-server",
		install: "apt-get install redis-server",
		ports:   lowPorts,
		args: func(port int, dir string) []string {
			return []string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "no"}
		},
		// Its log, not INFO: a server with a password tells strangers nothing.
		up: func(p *Process, _ string) bool { return strings.Contains(p.Output(), "Ready to accept connections") },
	}
}

// Memcached starts a memcached with 64 MiB and two threads (tried with 1.6.18).
func Memcached(ctx context.Context, opts Options) (*Server, error) {
	return start(ctx, product{
		name:    "memcached",
		install: "apt-get install memcached",
		ports:   clientPorts,
		args: func(port int, _ string) []string {
			args := []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0", "-m", "64", "-t", "2"}
			if os.Geteuid() == 0 {
				args = append(args, "-u", "nobody") // as root it refuses to run as root
			}
			return args
		},
		up: memcachedUp,
	}, opts)
}

// memcachedUp asks for the process id, so that another program's memcached on
// the same port is not taken for ours.
func memcachedUp(p *Process, addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := c.Write([]byte("stats\r\n")); err != nil {
		return false
	}
	want := "STAT pid " + strconv.Itoa(p.Pid())
	for sc := bufio.NewScanner(c); sc.Scan(); {
		switch sc.Text() {
		case want:
			return true
		case "END", "ERROR":
			return false
		}
	}
	return false
}
