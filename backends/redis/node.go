package redis

import (
	"context"
	"errors"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/clock"
	"github.com/seed-41165957/crossfade/backends/stream"
)

// node is one server, and our connections to it.
type node struct {
	store *Store
	addr  string
	// primary is set where a server must say that it is one (ROLE) before it is
	// used: a Sentinel's word may be old.
	primary bool
	streams *stream.Pool    // for all calls but guards and lists
	lists   *goredis.Client // SCAN and DBSIZE
	control *goredis.Client // for Health and Settle only, so that it is free when all else is parked
	guards  *pool
	undos   *pool
	retired atomic.Bool
	static  atomic.Pointer[static]
	clock   clock.Clock // the server's: deadlines are sent and read by it
	met     atomic.Bool // clock and moments are known
	moments atomic.Bool // SET takes PXAT (6.2)
}

// listConns is how many scans of one server run at one time.
const listConns = 2

// newNode makes the pools; nothing is dialled. share is among how many servers
// the connections are divided.
func newNode(s *Store, addr string, share int) *node {
	n := &node{store: s, addr: addr, primary: len(s.opts.Sentinel.Addrs) > 0}
	part := func(conns int) int {
		if share <= 1 {
			return conns
		}
		return max(min(conns, 4), (conns+share-1)/share)
	}
	reads := n.clientOptions(listConns)
	reads.ContextTimeoutEnabled = true
	reads.ReadTimeout, reads.WriteTimeout, reads.PoolTimeout = s.opts.ReadTimeout, s.opts.ReadTimeout, s.opts.ReadTimeout
	if n.primary {
		reads.OnConnect = func(ctx context.Context, conn *goredis.Conn) error {
			role := goredis.NewCmd(ctx, "role")
			if err := conn.Process(ctx, role); err != nil {
				return err
			}
			return isPrimary(role)
		}
	}
	control := *reads
	control.PoolSize = 1
	n.lists, n.control = goredis.NewClient(reads), goredis.NewClient(&control)
	n.streams = n.newStreams(part(s.opts.Conns))
	n.guards = newPool(n, part(s.opts.GuardConns))
	n.undos = newPool(n, part(s.opts.UndoConns))
	return n
}

// clientOptions are what all our connections share. Nothing is retried by
// go-redis: its retries would repeat changes and outlast deadlines.
func (n *node) clientOptions(conns int) *goredis.Options {
	o := n.store.connection(n.addr)
	o.Username, o.Password, o.DB = n.store.opts.Username, string(n.store.opts.Password), n.store.opts.DB
	o.PoolSize = conns
	return o
}

// connection is what connections to data servers and to Sentinels share.
func (s *Store) connection(addr string) *goredis.Options {
	network, addr := endpoint(addr)
	return &goredis.Options{
		Network:       network,
		Addr:          addr,
		Protocol:      2, // 3 looks for pushed messages at each call
		MaxRetries:    -1,
		DialTimeout:   s.opts.DialTimeout,
		DialerRetries: 1,
		Dialer:        s.dial, // which speaks TLS
		// The defaults of 32 KiB are for other payloads than sessions.
		ReadBufferSize:  8 << 10,
		WriteBufferSize: 8 << 10,
		// One round trip, HELLO, makes a connection.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

var errNoPrimary = errors.New("backends/redis: the server that Sentinel names is not the primary: nothing was sent")

// isPrimary reads the answer to ROLE; nil was not asked.
func isPrimary(role *goredis.Cmd) error {
	if role == nil {
		return nil
	}
	answer, err := role.Slice()
	if err != nil {
		return err
	}
	if len(answer) == 0 || answer[0] != "master" {
		return errNoPrimary
	}
	return nil
}

var errRetired = errors.New("backends/redis: another server has taken over: nothing was sent")

// ended is the error of who finds a pool closed.
func (n *node) ended() error {
	if n.store.closed.Load() {
		return backends.ErrClosed
	}
	return errRetired
}

// retire ends a node that another has replaced. Its parked connections stay:
// their late answers end doubts.
func (n *node) retire() {
	if n.retired.Swap(true) {
		return
	}
	n.streams.Retire()
	for _, p := range n.pools() {
		p.retire()
	}
	n.lists.Close()
	n.control.Close()
}

func (n *node) close() error {
	was := n.retired.Swap(true)
	n.streams.Close()
	for _, p := range n.pools() {
		p.close()
	}
	if was {
		return nil // the clients are closed
	}
	return errors.Join(n.lists.Close(), n.control.Close())
}

func (n *node) pools() []*pool { return []*pool{n.guards, n.undos} }

// lines counts the connections but go-redis' own, and those that are parked.
func (n *node) lines() (open, parked int) {
	open, parked = n.streams.Count()
	for _, p := range n.pools() {
		open += p.open()
		parked += int(p.parked.Load())
	}
	return open, parked
}

// leave closes what is parked: the server has been replaced, and what those
// calls do there counts no more.
func (n *node) leave() {
	n.streams.DropParked()
	for _, p := range n.pools() {
		p.mu.Lock()
		lines := make([]*line, 0, len(p.lines))
		for l := range p.lines {
			if l.state.Load() == callerLeft {
				lines = append(lines, l)
			}
		}
		p.mu.Unlock()
		for _, l := range lines {
			l.stop()
		}
	}
}
