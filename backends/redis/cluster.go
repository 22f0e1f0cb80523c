package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

const (
	clusterLeast = 50 * time.Millisecond // between two looks at the map, however many calls fail
	// clusterTries bounds the redirections of a call without a deadline.
	clusterTries = 100
	// hopKept is how long a server that was named by MOVED or ASK alone is kept.
	hopKept = 10 * time.Second
)

// cluster is a Redis Cluster: which master has which slot, as CLUSTER SLOTS or
// a MOVED has said last. A wrong entry costs a round trip: servers refuse keys
// of slots that they do not have. A master that was cut off takes writes for
// cluster-node-timeout more; those are lost (specification, "Write safety").
type cluster struct {
	refresher
	retirees
	owner [slots]atomic.Pointer[node]
	known atomic.Bool // a map was read

	cmu     sync.Mutex // never held with another lock of ours, or over I/O
	byAddr  map[string]*member
	masters []*node // of the last map
}

type member struct {
	*node
	since time.Time
}

func newCluster(s *Store) *cluster {
	l := &cluster{byAddr: map[string]*member{}}
	l.refresher = refresher{store: s, look: l.find}
	return l
}

func (l *cluster) s() *Store { return l.refresher.store }

func (l *cluster) node(ctx context.Context, name string) (*node, error) {
	slot := slotOf(name)
	if n := l.owner[slot].Load(); n != nil {
		return n, nil
	}
	if err := l.begin(clusterLeast).wait(ctx); err != nil {
		return nil, err
	}
	if n := l.owner[slot].Load(); n != nil {
		return n, nil
	}
	if err := l.s().enter(ctx); err != nil {
		return nil, err
	}
	return nil, errors.New("backends/redis: no master of the cluster has the key's slot")
}

// at gives the node of an address, and makes it where there is none.
func (l *cluster) at(addr string, share int) *node {
	l.cmu.Lock()
	defer l.cmu.Unlock()
	if m := l.byAddr[addr]; m != nil {
		return m.node
	}
	n := newNode(l.s(), addr, max(share, len(l.masters)))
	l.byAddr[addr] = &member{n, time.Now()}
	return n
}

// find reads the map from whoever answers first, in random order: one that is
// cut off may have an old map, and is not asked each time.
func (l *cluster) find(ctx context.Context) error {
	var why error
	asked := map[string]bool{}
	ask := func(addr string, client *goredis.Client) bool {
		asked[addr] = true
		ctx, cancel := context.WithTimeout(ctx, 2*l.s().opts.DialTimeout)
		defer cancel()
		ranges, err := client.ClusterSlots(ctx).Result()
		if err == nil && len(ranges) == 0 {
			err = errors.New("backends/redis: cluster: a node that knows no slots")
		}
		if err != nil {
			why = l.s().plain("cluster slots", err)
			return false
		}
		l.take(addr, ranges)
		return true
	}
	l.cmu.Lock()
	known := make([]*node, 0, len(l.byAddr))
	for _, m := range l.byAddr {
		known = append(known, m.node)
	}
	l.cmu.Unlock()
	for _, i := range rand.Perm(len(known)) {
		if ask(known[i].addr, known[i].control) {
			return nil
		}
	}
	seeds := l.s().opts.Cluster
	for _, i := range rand.Perm(len(seeds)) {
		if asked[seeds[i]] {
			continue
		}
		o := l.s().connection(seeds[i])
		o.Username, o.Password, o.PoolSize = l.s().opts.Username, string(l.s().opts.Password), 1
		o.ContextTimeoutEnabled = true
		c := goredis.NewClient(o)
		ok := ask(seeds[i], c)
		c.Close()
		if ok {
			return nil
		}
	}
	return fmt.Errorf("backends/redis: no node of the cluster gives its map: %w", why)
}

// take follows a map.
func (l *cluster) take(from string, ranges []goredis.ClusterSlot) {
	host, _, _ := net.SplitHostPort(from)
	addrs := map[string]bool{}
	for i := range ranges {
		if len(ranges[i].Nodes) > 0 {
			ranges[i].Nodes[0].Addr = withHost(ranges[i].Nodes[0].Addr, host)
			addrs[ranges[i].Nodes[0].Addr] = true
		}
	}
	for _, r := range ranges {
		if len(r.Nodes) == 0 {
			continue
		}
		n := l.at(r.Nodes[0].Addr, len(addrs))
		for slot := max(r.Start, 0); slot <= min(r.End, slots-1); slot++ {
			l.owner[slot].Store(n)
		}
	}
	l.cmu.Lock()
	var gone []*node
	l.masters = l.masters[:0:0]
	for addr, m := range l.byAddr {
		switch {
		case addrs[addr]:
			l.masters = append(l.masters, m.node)
		case time.Since(m.since) > hopKept:
			delete(l.byAddr, addr)
			gone = append(gone, m.node)
		}
	}
	l.cmu.Unlock()
	for _, n := range gone {
		for slot := range slots {
			l.owner[slot].CompareAndSwap(n, nil) // of a slot that the map leaves out
		}
		l.retirees.add(n)
	}
	l.known.Store(true)
}

// withHost fills in what a node leaves out of its own address.
func withHost(addr, host string) string {
	h, port, err := net.SplitHostPort(addr)
	if err == nil && (h == "" || h == "?") {
		return net.JoinHostPort(host, port)
	}
	return addr
}

// again follows redirections. The map of a slot that MOVED names is corrected
// at once, and all of it behind the call's back.
func (l *cluster) again(ctx context.Context, name string, n *node, err error, try int) (hop, bool) {
	v, addr := judge(ctx, err)
	if try >= clusterTries {
		return hop{}, false
	}
	switch v {
	case moved, ask:
		host, _, _ := net.SplitHostPort(n.addr)
		to := l.at(withHost(addr, host), 0)
		if v == moved {
			l.owner[slotOf(name)].Store(to)
			l.begin(time.Second)
		}
		// Two servers that send the call to and fro are about to agree.
		return hop{to, v == ask}, try < 3 || l.pause(ctx, try)
	case tryAgain:
		return hop{}, l.pause(ctx, try)
	case unfit, unreached:
		l.begin(clusterLeast).wait(ctx)
		return hop{}, try < 3 && l.owner[slotOf(name)].Load() != n
	case maybeThere:
		l.begin(clusterLeast)
	}
	return hop{}, false
}

// pause waits a little, longer each time; false: the deadline came first.
func (l *cluster) pause(ctx context.Context, try int) bool {
	d := min(time.Millisecond<<min(try, 6), 50*time.Millisecond)
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// nodes gives the masters of the map.
func (l *cluster) nodes(ctx context.Context) ([]*node, error) {
	if !l.known.Load() {
		if err := l.begin(clusterLeast).wait(ctx); err != nil {
			return nil, err
		}
	}
	l.cmu.Lock()
	defer l.cmu.Unlock()
	if len(l.masters) == 0 {
		return nil, errors.New("backends/redis: no node of the cluster gives its map")
	}
	return append([]*node(nil), l.masters...), nil
}

func (l *cluster) serving() []*node {
	l.cmu.Lock()
	defer l.cmu.Unlock()
	return slices.Clone(l.masters)
}

// counted are the nodes that are no masters, or no longer.
func (l *cluster) counted() []*node {
	held := l.held()
	l.cmu.Lock()
	defer l.cmu.Unlock()
	masters := map[*node]bool{}
	for _, n := range l.masters {
		masters[n] = true
	}
	for _, m := range l.byAddr {
		if !masters[m.node] {
			held = append(held, m.node)
		}
	}
	return held
}

func (l *cluster) close() error {
	l.refresher.close()
	err := l.retirees.close()
	l.cmu.Lock()
	defer l.cmu.Unlock()
	for _, m := range l.byAddr {
		err = errors.Join(err, m.close())
	}
	return err
}
