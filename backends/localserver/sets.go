package localserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// SetOptions of several Redis servers that belong together. The zero value
// works.
type SetOptions struct {
	// Args are added to the command line of each data server.
	Args []string
	// CLI are redis-cli's arguments that reach a data server (-a, --tls …).
	CLI []string
	// Sentinel are lines for the configuration of each Sentinel ("sentinel
	// auth-pass mymaster x").
	Sentinel []string
	// Replicas for each master of a cluster.
	Replicas int
	// Ready bounds the wait until all know each other. Zero: 90 s (seen: 1 s for
	// Sentinels, 3 s for a cluster).
	Ready time.Duration
}

func (o *SetOptions) defaults() {
	if o.Ready <= 0 {
		o.Ready = 90 * time.Second
	}
}

// Set is Redis servers that belong together. Data are those with sessions, the
// first primaries first; Sentinels are those that watch.
type Set struct {
	Data      []*Server
	Sentinels []*Server
	cli       []string
}

// probe is a key that is there for a moment.
const probe = "localserver:probe"

// Master is the name under which the Sentinels of a Set watch.
const Master = "mymaster"

// RedisSentinel starts a primary, one replica and three Sentinels, of which two
// must agree (tried with 7.0.15: a new primary takes writes some 1.5 s after the
// old one is killed). A second failover within ten seconds waits for that long.
func RedisSentinel(ctx context.Context, opts SetOptions) (*Set, error) {
	opts.defaults()
	ctx, cancel := context.WithTimeout(ctx, opts.Ready)
	defer cancel()
	s := &Set{cli: opts.CLI}
	quick := []string{"--repl-diskless-sync-delay", "0"} // else the first copy waits for 5 s
	first, err := Redis(ctx, Options{Args: append(quick, opts.Args...)})
	if err != nil {
		return nil, err
	}
	s.Data = append(s.Data, first)
	second, err := Redis(ctx, Options{Args: append(append(quick, "--replicaof", "127.0.0.1", strconv.Itoa(first.port)), opts.Args...)})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.Data = append(s.Data, second)
	// A replica without its first copy may be promoted all the same, empty; and
	// after one over the socket it is sent nothing until it has acknowledged,
	// which it does once a second: a write must have come through.
	err = until(ctx, second, "the replica to follow", func() bool {
		cli(ctx, first, opts.CLI, "SET", probe, "1")
		return strings.TrimSpace(cli(ctx, second, opts.CLI, "GET", probe)) == "1"
	})
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	cli(ctx, first, opts.CLI, "DEL", probe)
	for range 3 {
		w, err := sentinel(ctx, first.port, opts)
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		s.Sentinels = append(s.Sentinels, w)
	}
	for _, w := range s.Sentinels {
		err := until(ctx, w, "the Sentinels to find each other", func() bool {
			return strings.Contains(strings.ReplaceAll(cli(ctx, w, nil, "SENTINEL", "MASTER", Master), "\n", " ")+" ",
				"num-slaves 1 num-other-sentinels 2 ")
		})
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

func sentinel(ctx context.Context, primary int, opts SetOptions) (*Server, error) {
	w, err := start(ctx, product{
		name:    "redis-server",
		install: "apt-get install redis-server",
		ports:   lowPorts,
		args: func(port int, dir string) []string {
			file := filepath.Join(dir, "sentinel.conf")
			lines := append([]string{
				"port " + strconv.Itoa(port), "bind 127.0.0.1", "dir " + dir,
				fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 2", Master, primary),
				"sentinel down-after-milliseconds " + Master + " 1000",
				"sentinel failover-timeout " + Master + " 5000",
			}, opts.Sentinel...)
			if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
				return []string{"/cannot/write/" + err.Error()} // redis-server says so
			}
			return []string{file, "--sentinel"}
		},
		up: func(p *Process, _ string) bool { return strings.Contains(p.Output(), "+monitor master") },
	}, Options{})
	if err != nil {
		return nil, err
	}
	// A busy machine must not send it into TILT for 30 s.
	cli(ctx, w, nil, "SENTINEL", "DEBUG", "info-period", "1000", "ping-period", "200", "ask-period", "200",
		"publish-period", "500", "tilt-trigger", "10000", "tilt-period", "2000")
	return w, nil
}

// RedisCluster starts three masters, each with opts.Replicas replicas (tried
// with 7.0.15: a killed master is replaced after some 3 s).
func RedisCluster(ctx context.Context, opts SetOptions) (*Set, error) {
	opts.defaults()
	ctx, cancel := context.WithTimeout(ctx, opts.Ready)
	defer cancel()
	s := &Set{cli: opts.CLI}
	create := append(append([]string{}, opts.CLI...), "--cluster", "create")
	for range 3 * (1 + opts.Replicas) {
		n, err := clusterNode(ctx, opts)
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
		s.Data = append(s.Data, n)
		create = append(create, n.Addr())
	}
	create = append(create, "--cluster-replicas", strconv.Itoa(opts.Replicas), "--cluster-yes")
	if out, err := exec.CommandContext(ctx, "redis-cli", create...).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("localserver: redis-cli --cluster create: %w: %s", err, out), s.Stop())
	}
	for _, n := range s.Data {
		err := until(ctx, n, "the cluster", func() bool {
			info := cli(ctx, n, opts.CLI, "CLUSTER", "INFO") + cli(ctx, n, opts.CLI, "INFO", "replication")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(s.Data))) &&
				(strings.Contains(info, "master_link_status:up") || strings.Contains(info, fmt.Sprintf("connected_slaves:%d", opts.Replicas)))
		})
		if err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	return s, nil
}

// busAhead is how far above a node's port its bus lies.
const busAhead = 10000

// clusterNode tries other ports where the one of the bus is taken by somebody who
// claims none: the server then ends at once.
func clusterNode(ctx context.Context, opts SetOptions) (n *Server, err error) {
	args := append([]string{"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000",
		"--cluster-require-full-coverage", "no", "--repl-diskless-sync-delay", "0"}, opts.Args...)
	node := redis()
	node.more = busAhead
	for range 5 {
		if n, err = start(ctx, node, Options{Args: args}); err == nil {
			break
		}
	}
	return n, err
}

// Stop ends all servers. It may be called twice.
func (s *Set) Stop() (err error) {
	for _, w := range append(append([]*Server{}, s.Sentinels...), s.Data...) {
		err = errors.Join(err, w.Stop())
	}
	return err
}

// Addrs of servers.
func Addrs(list []*Server) (addrs []string) {
	for _, s := range list {
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// Ask runs a command on a data server of the Set through redis-cli, and gives
// its plain output; an error of the server is part of it.
func (s *Set) Ask(ctx context.Context, on *Server, args ...string) string {
	return cli(ctx, on, s.cli, args...)
}

func cli(ctx context.Context, on *Server, extra []string, args ...string) string {
	host, port, _ := net.SplitHostPort(on.Addr())
	all := append(append([]string{"-h", host, "-p", port}, extra...), args...)
	out, _ := exec.CommandContext(ctx, "redis-cli", all...).Output()
	return string(out)
}

func until(ctx context.Context, s *Server, what string, ok func() bool) error {
	for !ok() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("localserver: waited in vain for %s at %s: %w", what, s.Addr(), context.Cause(ctx))
		}
	}
	return nil
}
