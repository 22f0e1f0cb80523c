package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// How often Sentinels are asked. Nobody subscribes to +switch-master, which
// may be missed and needs a goroutine for life: calls ask each second, and at
// once when they fail.
const (
	sentinelEvery = time.Second
	sentinelLeast = 50 * time.Millisecond // between two questions, however many calls fail
)

// sentinel is a primary that Sentinels name. An answer counts by its config
// epoch, which rises with each failover: one that is older than what was
// followed before is passed over (Redis Sentinel, "Configuration epochs").
//
// A primary that was cut off goes on answering until it hears of its successor.
// What is written there is lost; we stop within sentinelEvery of the failover
// where a Sentinel with the new epoch can be reached. What a primary has
// acknowledged and not yet replicated when it dies is lost too: usually some
// milliseconds' writes, and up to a second's right after a replica's full copy
// without disk, which is sent nothing until it has acknowledged (seen with
// 7.0.15). Health's run id changes then, which is how agents hear of it.
type sentinel struct {
	refresher
	retirees
	asked []*goredis.SentinelClient
	cur   atomic.Pointer[node]
	ok    atomic.Int64 // when Sentinels were last asked, in ns of the monotonic clock from start
	epoch uint64       // guarded by there being one look at a time
	start time.Time
}

func newSentinel(s *Store) *sentinel {
	l := &sentinel{start: time.Now()}
	l.refresher = refresher{store: s, look: l.find}
	for _, addr := range s.opts.Sentinel.Addrs {
		o := s.connection(addr)
		o.Username, o.Password = s.opts.Sentinel.Username, string(s.opts.Sentinel.Password)
		o.ContextTimeoutEnabled, o.PoolSize = true, 1
		o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = s.opts.DialTimeout, s.opts.DialTimeout, s.opts.DialTimeout
		l.asked = append(l.asked, goredis.NewSentinelClient(o))
	}
	return l
}

// named is what Sentinels say.
type named struct {
	addr     string
	epoch    uint64
	majority bool // of the configured Sentinels has answered
}

var errNoSentinel = errors.New("backends/redis: no Sentinel names a primary")

// inquire asks all Sentinels at once. Of the answers the one with the highest
// epoch counts.
func (l *sentinel) inquire(ctx context.Context) (named, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*l.refresher.store.opts.DialTimeout)
	defer cancel()
	type answer struct {
		named
		err error
	}
	answers := make(chan answer, len(l.asked))
	for _, c := range l.asked {
		go func() {
			n, err := askSentinel(ctx, c, l.refresher.store.opts.Sentinel.Master)
			answers <- answer{n, err}
		}()
	}
	var best named
	var why error
	count := 0
	for range l.asked { // each has a deadline
		a := <-answers
		if a.err != nil {
			why = a.err
			continue
		}
		count++
		if best.addr == "" || a.epoch > best.epoch {
			best = a.named
		}
	}
	if count == 0 {
		return named{}, fmt.Errorf("%w: %w", errNoSentinel, l.refresher.store.plain("sentinel", why))
	}
	best.majority = 2*count > len(l.asked)
	return best, nil
}

// askSentinel asks for the address, which names the promoted replica as soon
// as there is one, and for the epoch.
func askSentinel(ctx context.Context, c *goredis.SentinelClient, master string) (named, error) {
	state := goredis.NewMapStringStringCmd(ctx, "sentinel", "master", master)
	if err := c.Process(ctx, state); err != nil {
		return named{}, err
	}
	epoch, err := strconv.ParseUint(state.Val()["config-epoch"], 10, 64)
	if err != nil {
		return named{}, errors.New("backends/redis: sentinel: no config-epoch")
	}
	addr, err := c.GetMasterAddrByName(ctx, master).Result()
	if err != nil {
		return named{}, err
	}
	if len(addr) != 2 {
		return named{}, errNoSentinel
	}
	return named{addr: net.JoinHostPort(addr[0], addr[1]), epoch: epoch}, nil
}

// find follows the Sentinels. A new primary is followed only when it says
// itself that it is one.
func (l *sentinel) find(ctx context.Context) error {
	_, err := l.follow(ctx)
	return err
}

func (l *sentinel) follow(ctx context.Context) (named, error) {
	n, err := l.inquire(ctx)
	if err != nil {
		return n, err
	}
	l.ok.Store(int64(time.Since(l.start)) + 1)
	cur := l.cur.Load()
	if cur != nil && (n.epoch < l.epoch || cur.addr == n.addr) {
		l.epoch = max(l.epoch, n.epoch)
		n.majority = n.majority && n.epoch == l.epoch && cur.addr == n.addr
		return n, nil
	}
	s := l.refresher.store
	next := newNode(s, n.addr, 1)
	ctx, cancel := context.WithTimeout(ctx, 2*s.opts.DialTimeout)
	defer cancel()
	if err := next.control.Ping(ctx).Err(); err != nil { // its connection asks for ROLE
		next.close()
		return named{}, s.plain("connect", err)
	}
	l.epoch = n.epoch
	l.cur.Store(next)
	if cur != nil {
		l.retirees.add(cur)
	}
	return n, nil
}

func (l *sentinel) node(ctx context.Context, _ string) (*node, error) {
	n := l.cur.Load()
	if n == nil {
		if err := l.begin(0).wait(ctx); err != nil {
			return nil, err
		}
		if n = l.cur.Load(); n == nil {
			return nil, l.refresher.store.enter(ctx)
		}
	}
	if time.Since(l.start)-time.Duration(l.ok.Load()) > sentinelEvery {
		l.begin(sentinelEvery) // nobody waits for it
	}
	return n, nil
}

// again goes to the new primary, once there is one.
func (l *sentinel) again(ctx context.Context, _ string, n *node, err error, try int) (hop, bool) {
	v, _ := judge(ctx, err)
	switch v {
	case unfit, unreached:
	case maybeThere:
		l.begin(sentinelLeast)
		return hop{}, false
	default:
		return hop{}, false
	}
	if l.cur.Load() == n {
		l.begin(sentinelLeast).wait(ctx)
	}
	return hop{}, l.cur.Load() != n && try < 3
}

func (l *sentinel) nodes(ctx context.Context) ([]*node, error) {
	n, err := l.node(ctx, "")
	return []*node{n}, err
}

func (l *sentinel) serving() []*node {
	if n := l.cur.Load(); n != nil {
		return []*node{n}
	}
	return nil
}

func (l *sentinel) counted() []*node { return l.held() }

func (l *sentinel) close() error {
	l.refresher.close()
	err := l.retirees.close()
	if n := l.cur.Load(); n != nil {
		err = errors.Join(err, n.close())
	}
	for _, c := range l.asked {
		err = errors.Join(err, c.Close())
	}
	return err
}
