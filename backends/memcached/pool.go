package memcached

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	growAt     = 64 // calls in flight on the least busy connection from which one more is opened
	backoffMin = 20 * time.Millisecond
	backoffMax = time.Second
)

// pool holds the connections: a few that serve, and those that are parked,
// never more than MaxConns together.
type pool struct {
	opts    *Options
	connect func(context.Context) (*conn, error) // dial and greet; conn.p is not set
	unknown func(cause error, conn, runID string) *backends.Unknown

	ctx  context.Context // ended by close
	stop context.CancelFunc
	wg   sync.WaitGroup // readers, writers and dials

	conns atomic.Pointer[[]*conn] // open ones; the slice is not modified

	// mu guards what follows and changes of conns. A conn.mu may be
	// taken under it, it is taken under none.
	mu      sync.Mutex
	dial    *dial // under way
	retryAt time.Time
	failed  int // dials in a row
	backoff time.Duration
	lastErr error
	closed  bool
}

// dial is one attempt to connect, for all that wait for it.
type dial struct {
	done chan struct{}
	err  error // read after done
}

func (p *pool) list() []*conn {
	if l := p.conns.Load(); l != nil {
		return *l
	}
	return nil
}

// choose gives the least busy connection that serves, or opens one.
func (p *pool) choose(ctx context.Context) (*conn, error) {
	for {
		list := p.list()
		var best *conn
		var load int32
		serving := 0
		for _, cn := range list {
			if cn.parked.Load() {
				continue
			}
			serving++
			if l := cn.load.Load(); best == nil || l < load {
				best, load = cn, l
			}
		}
		if best != nil {
			if load >= growAt && serving < p.opts.Conns {
				p.start() // for those who come later; no matter if it cannot
			}
			return best, nil
		}
		d, err := p.start()
		if err != nil {
			return nil, err
		}
		select {
		case <-d.done:
			if d.err != nil {
				return nil, d.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("memcached: connect: %w", ctx.Err())
		}
	}
}

// start begins a dial, or gives the one under way. From the second failure in a
// row it refuses for a while, with the error of the last: after the first one,
// whoever asks again (hybrid's twice) finds out whether that was chance.
func (p *pool) start() (*dial, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, backends.ErrClosed
	case p.dial != nil:
		return p.dial, nil
	case len(p.list()) >= p.opts.MaxConns && !p.evict():
		return nil, backends.ErrBusy
	case time.Now().Before(p.retryAt):
		return nil, p.lastErr
	}
	d := &dial{done: make(chan struct{})}
	p.dial = d
	p.wg.Add(1)
	go p.run(d)
	return d, nil
}

// evict closes a parked connection that leaves no doubt behind. mu is held; the
// connection removes itself a moment later.
func (p *pool) evict() bool {
	for _, cn := range p.list() {
		if cn.parked.Load() && cn.idle() {
			cn.fail(errLost)
			return true
		}
	}
	return false
}

func (p *pool) run(d *dial) {
	defer p.wg.Done()
	ctx, cancel := context.WithTimeout(p.ctx, p.opts.DialTimeout)
	defer cancel()
	cn, err := p.connect(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(d.done)
	p.dial = nil
	if err == nil && p.closed {
		cn.nc.Close()
		err = backends.ErrClosed
	}
	if err != nil {
		d.err = err
		if !errors.Is(err, errNoMeta) {
			p.lastErr = err
			if p.failed++; p.failed > 1 {
				p.backoff = min(max(2*p.backoff, backoffMin), backoffMax)
				p.retryAt = time.Now().Add(p.backoff/2 + rand.N(p.backoff/2))
			}
		}
		return
	}
	p.failed, p.backoff, p.retryAt = 0, 0, time.Time{}
	cn.p = p
	list := append(append([]*conn(nil), p.list()...), cn)
	p.conns.Store(&list)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		cn.read()
	}()
}

// remove forgets a connection that was closed.
func (p *pool) remove(gone *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*conn
	for _, cn := range p.list() {
		if cn != gone {
			list = append(list, cn)
		}
	}
	p.conns.Store(&list)
}

// drop closes the connection of that name, which the server no longer has.
func (p *pool) drop(name string) {
	for _, cn := range p.list() {
		if cn.name == name {
			cn.fail(errLost)
		}
	}
}

// count gives the open connections, and how many of them are parked.
func (p *pool) count() (open, parked int) {
	for _, cn := range p.list() {
		open++
		if cn.parked.Load() {
			parked++
		}
	}
	return open, parked
}

// close ends all connections and waits for their goroutines.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	for _, cn := range p.list() {
		cn.fail(backends.ErrClosed)
	}
	p.wg.Wait()
}
