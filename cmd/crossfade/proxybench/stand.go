package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// stand is what is measured, and what stands around it.
type stand struct {
	dir, bin, cpus string
	stops          []func() error

	memcached, redis, newer *localserver.Server
	frozen                  *localserver.Server // new of one agent, to stand still
	twemproxy               *proxy
}

// proxy is a program that clients can go through, each way to one old store.
type proxy struct {
	*localserver.Process
	memcached, redis string // where clients connect
	config, admin    string // of an agent
}

func newStand(ctx context.Context, dir, bin, cpus string) (*stand, error) {
	s := &stand{dir: dir, bin: bin, cpus: cpus}
	var errs []error
	start := func(f func(context.Context, localserver.Options) (*localserver.Server, error)) *localserver.Server {
		srv, err := f(ctx, localserver.Options{})
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		s.stops = append(s.stops, srv.Stop)
		return srv
	}
	s.memcached = start(func(ctx context.Context, o localserver.Options) (*localserver.Server, error) {
		o.Args = []string{"-c", "16384"}
		return localserver.Memcached(ctx, o)
	})
	s.redis, s.newer, s.frozen = start(localserver.Redis), start(localserver.Redis), start(localserver.Redis)
	if err := errors.Join(errs...); err != nil {
		return s, err
	}
	var err error
	s.twemproxy, err = s.startTwemproxy()
	return s, err
}

// stop ends everything, the last started first.
func (s *stand) stop() (err error) {
	for i := len(s.stops) - 1; i >= 0; i-- {
		err = errors.Join(err, s.stops[i]())
	}
	return err
}

// start runs a proxy on the processors that every proxy gets, until both ports
// answer.
func (s *stand) start(p *proxy, env []string, args ...string) error {
	cmd := exec.Command(args[0], args[1:]...)
	if s.cpus != "" {
		cmd = exec.Command("taskset", append([]string{"-c", s.cpus}, args...)...)
	}
	cmd.Env = append(os.Environ(), env...)
	var err error
	if p.Process, err = localserver.Start(cmd); err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { return p.Stop(10 * time.Second) })
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", p.memcached, time.Second)
		if err == nil {
			c.Close()
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not listen: %s", args[0], p.Output())
		}
	}
}

func (s *stand) startTwemproxy() (*proxy, error) {
	p := &proxy{memcached: freePort(), redis: freePort()}
	pool := func(name, listen, server, more string) string {
		return fmt.Sprintf("%s:\n  listen: %s\n  hash: fnv1a_64\n  distribution: ketama\n  timeout: 2000\n  preconnect: true\n%s  servers:\n   - %s:1 s1\n",
			name, listen, more, server)
	}
	text := pool("mc", p.memcached, s.memcached.Addr(), "") + pool("rd", p.redis, s.redis.Addr(), "  redis: true\n")
	file := filepath.Join(s.dir, "n.yml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	_, stats, _ := strings.Cut(freePort(), ":")
	return p, s.start(p, nil, "nutcracker", "-c", file, "-a", "127.0.0.1", "-s", stats, "-o", filepath.Join(s.dir, "nutcracker.log"))
}

// Protocols that an agent's clients speak.
const (
	memcached = "memcached"
	redis     = "redis"
	both      = "both"
)

// store is old or new of an agent, in the words of crossfade.yaml.
func store(kind string, srv *localserver.Server) string {
	if kind == memcached {
		return fmt.Sprintf("{memcached: {servers: [%q]}}", srv.Addr())
	}
	return fmt.Sprintf("{redis: {addrs: [%q]}}", srv.Addr())
}

// agent starts the real binary with all sessions at one position. speaks are the
// protocols that clients may use: where memcached's is one of them, client flags
// are kept in Redis too.
func (s *stand) agent(name string, at position.Position, speaks, old, newer string) (*proxy, error) {
	p := &proxy{memcached: freePort(), redis: freePort()}
	listen := fmt.Sprintf("memcached: [%q]", p.memcached)
	switch speaks {
	case redis:
		p.memcached = p.redis
		listen = fmt.Sprintf("redis: [%q]", p.redis)
	case both:
		listen += fmt.Sprintf(", redis: [%q]", p.redis)
	}
	d := flags.Definition{Migration: name, Epoch: 1, KeepOld: true, Default: at}
	d.Weights[at] = flags.Buckets
	flagFile := filepath.Join(s.dir, name+".json")
	data, err := d.MarshalFlagd()
	if err == nil {
		err = os.WriteFile(flagFile, data, 0o600)
	}
	if err != nil {
		return nil, err
	}
	admin := freePort()
	text := fmt.Sprintf(`migration: %s
agent: {name: web-1, state_dir: %q, key_file: %q}
listen: {%s, admin: %q}
sessions:
  - name: php
    keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}", "PHPREDIS_SESSION:{id}"]
    new_key: "PHPREDIS_SESSION:{id}"
    max_age: 1h
old: %s
new: %s
flags: {file: %q, agents: [%q]}
timeouts: {old: 2s, new: 250ms}
`, name, filepath.Join(s.dir, name), filepath.Join(s.dir, "hash.key"), listen, admin, old, newer, flagFile, admin)
	file := filepath.Join(s.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.config, p.admin = file, admin
	if err := s.start(p, nil, s.bin, "agent", "--config", file, "--log-level", "warn"); err != nil {
		return nil, err
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + admin + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return p, nil
			}
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("agent %s is not ready: %s", name, p.Output())
		}
	}
}

// freePort is a loopback address that nobody listens at now; empty: there is
// none, and whoever would listen there fails.
func freePort() string {
	addr, _ := localserver.FreeAddr()
	return addr
}
