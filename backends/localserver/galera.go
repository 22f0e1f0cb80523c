package localserver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// galeraProvider is where Debian's galera-4 puts the library.
const galeraProvider = "/usr/lib/galera/libgalera_smm.so"

// Cluster is a Galera cluster. A node that was killed comes back with Restart,
// with what the others have, as long as one of them runs; if none does, the
// cluster is lost. A node that is silent for 3 s is taken for dead (one second
// splits a cluster on a busy machine).
type Cluster struct {
	Nodes []*Server
}

// Galera starts a cluster of n MariaDB nodes, one after another (10 s for
// three; tried with 10.11 and galera-4 26.4). init is run on the first.
func Galera(ctx context.Context, n int, init ...string) (*Cluster, error) {
	if _, err := os.Stat(galeraProvider); err != nil {
		return nil, fmt.Errorf("localserver: %s is missing: apt-get install galera-4", galeraProvider)
	}
	if _, err := exec.LookPath("rsync"); err != nil {
		return nil, errors.New("localserver: rsync is not installed: apt-get install rsync")
	}
	as, err := mysqlUser()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	ports, err := freePorts(4 * n)
	if err != nil {
		return nil, err
	}
	var group []string
	for i := range n {
		group = append(group, at(ports[4*i]))
	}
	for i := range n {
		node, err := startMariaDB(ctx, galeraNode(ctx, i, ports[4*i:4*i+4], group, as, init), Options{})
		if err != nil {
			return nil, errors.Join(err, c.Stop())
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c, nil
}

func galeraNode(ctx context.Context, i int, ports []int, group []string, as *syscall.Credential, init []string) product {
	// Of four free ports in a row: group, IST (group+1), and, two apart, SST.
	g, sst := ports[0], ports[2]
	first := i == 0
	return product{
		name:    "mariadbd",
		install: mariadbInstall,
		ports:   22768,
		as:      as,
		prepare: func(_ int, dir string) error {
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
				first = false // a node that comes back joins the others
				return nil
			}
			return freshData(ctx, dir, as, init)
		},
		args: func(port int, dir string) []string {
			args := append(mariadbArgs(port, dir), "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2",
				"--wsrep-on=ON", "--wsrep-provider="+galeraProvider, "--wsrep-cluster-name=crossfade",
				"--wsrep-node-name=n"+strconv.Itoa(i), "--wsrep-node-address="+at(g),
				"--wsrep-node-incoming-address="+at(port),
				"--wsrep-sst-method=rsync", "--wsrep-sst-receive-address="+at(sst),
				"--wsrep-provider-options=base_port="+strconv.Itoa(g)+";gmcast.listen_addr=tcp://"+at(g)+";ist.recv_addr="+at(g+1)+
					";gcache.size=32M;pc.wait_prim_timeout=PT30S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT8S;evs.keepalive_period=PT0.5S")
			if first {
				return append(args, "--wsrep-cluster-address=gcomm://", "--wsrep-new-cluster", "--init-file="+filepath.Join(dir, "init.sql"))
			}
			return append(args, "--wsrep-cluster-address=gcomm://"+strings.Join(group, ","))
		},
		up: mariadbUp("ready for connections", "Synchronized with group"),
	}
}

// Stop stops all nodes.
func (c *Cluster) Stop() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	return errors.Join(errs...)
}

func at(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// freePorts finds n ports, in fours that stand in a row.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		base := firstPort + 4*rand.IntN((22768-firstPort)/4)
		free := true
		for p := base; p < base+4; p++ {
			l, err := net.Listen("tcp", at(p))
			if err != nil {
				free = false
				break
			}
			l.Close()
		}
		if !free || len(ports) > 0 && ports[len(ports)-1]/4 == base/4 {
			continue
		}
		if ports = append(ports, base, base+1, base+2, base+3); len(ports) >= n {
			return ports[:n], nil
		}
	}
	return nil, errors.New("localserver: no free ports")
}

// FreeAddr is 127.0.0.1 with a port that nobody listened on a moment ago: for
// programs that are started by other means. Servers of this package use others,
// and the kernel gives clients others, too.
func FreeAddr() (string, error) {
	for range 1000 {
		addr := at(22768 + rand.IntN(10_000))
		if l, err := net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", errors.New("localserver: no free port")
}
