package localserver

import (
	"context"
	"errors"
	"fmt"
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
	ports []int // claimed: four a node
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
	var group []string
	for range n {
		base, err := claimFrom(firstPort, lowPorts, 4)
		if err != nil {
			return nil, errors.Join(err, c.Stop())
		}
		c.ports = append(c.ports, base, base+1, base+2, base+3)
		group = append(group, at(base))
	}
	for i := range n {
		node, err := startMariaDB(ctx, galeraNode(ctx, i, c.ports[4*i:4*i+4], group, as, init), Options{})
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
		ports:   lowPorts,
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

// Stop stops all nodes. It may be called twice.
func (c *Cluster) Stop() error {
	var errs []error
	for _, n := range c.Nodes {
		errs = append(errs, n.Stop())
	}
	disclaim(c.ports...)
	c.ports = nil
	return errors.Join(errs...)
}
