// Package stream has a few connections to one server, which many calls share:
// each call has its own deadline, and one that is late is left behind with its
// place in the stream, so that its answer, when it comes, ends the doubt and is
// given to nobody else. What is said on them is the adapter's (Call).
//
//	p := stream.New(stream.Pool{Product: "memcached", Connect: dial, Unknown: unknown, Conns: 2, MaxConns: 4})
//	defer p.Close()
//	err := p.Do(ctx, call) // then call has its answers
package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// Pool holds the connections: a few that serve, and those that are parked,
// never more than MaxConns together. The exported fields are set once, before
// New. It is safe for concurrent use.
type Pool struct {
	Product string // begins the texts of errors
	// Connect dials and greets. Its errors mean that nothing was sent.
	Connect func(context.Context) (*Conn, error)
	// Unknown makes the error of a change whose outcome is not known.
	Unknown func(cause error, conn, runID string) *backends.Unknown
	// Final, if there is one, tells of errors of Connect after which there is no
	// point in waiting before the next.
	Final func(error) bool

	Conns    int // that serve, at most
	MaxConns int // with those that are parked
	// Reserve is how many connections changes leave to reads: with no more than
	// these unparked they get ErrBusy.
	Reserve     int
	InFlight    int           // calls on one connection
	Queued      int           // bytes that wait to be written to one connection; a single call may be larger
	DialTimeout time.Duration // of Connect

	ctx  context.Context // ended by Close
	stop context.CancelFunc
	wg   sync.WaitGroup // readers, writers and dials

	conns atomic.Pointer[[]*Conn] // open ones; the slice is not modified

	// mu guards what follows and changes of conns. A Conn.mu may be
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

// New makes the pool usable. Nothing is dialled before the first call.
func New(p *Pool) *Pool {
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Context ends with Close.
func (p *Pool) Context() context.Context { return p.ctx }

// List gives the open connections; the slice must not be modified.
func (p *Pool) List() []*Conn {
	if l := p.conns.Load(); l != nil {
		return *l
	}
	return nil
}

// Do sends the call and waits for its answers; then the caller frees it. After
// an error the call may still be on its way, and is no longer the caller's;
// only after an error of Connect it is.
//
// A context that is a *backends.Until costs no timer of its own.
func (p *Pool) Do(ctx context.Context, c Call) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: not sent: %w", p.Product, err)
	}
	for {
		cn, err := p.choose(ctx, c.Changes())
		if err == nil {
			err = cn.submit(ctx, c)
		}
		switch err {
		case nil:
			return cn.wait(ctx, c)
		case errParked: // a moment ago it was not
			runtime.Gosched()
		default:
			return err
		}
	}
}

// Ready waits until there is a connection for a call. Its errors are Do's.
func (p *Pool) Ready(ctx context.Context, changes bool) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: not sent: %w", p.Product, err)
	}
	_, err := p.choose(ctx, changes)
	return err
}

// choose gives the least busy connection that serves, or opens one.
func (p *Pool) choose(ctx context.Context, changes bool) (*Conn, error) {
	for {
		list := p.List()
		var best *Conn
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
		if p.MaxConns-(len(list)-serving) <= p.Reserve && changes {
			return nil, backends.ErrBusy
		}
		if best != nil {
			if load >= growAt && serving < p.Conns {
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
			return nil, fmt.Errorf("%s: connect: %w", p.Product, ctx.Err())
		}
	}
}

// start begins a dial, or gives the one under way. From the second failure in a
// row it refuses for a while, with the error of the last: after the first one,
// whoever asks again (hybrid's twice) finds out whether that was chance.
func (p *Pool) start() (*dial, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, backends.ErrClosed
	case p.dial != nil:
		return p.dial, nil
	case len(p.List()) >= p.MaxConns && !p.evict():
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
func (p *Pool) evict() bool {
	for _, cn := range p.List() {
		if n, _ := cn.holds(); n == 0 && cn.parked.Load() {
			cn.Fail(ErrLost)
			return true
		}
	}
	return false
}

func (p *Pool) run(d *dial) {
	defer p.wg.Done()
	ctx, cancel := context.WithTimeout(p.ctx, p.DialTimeout)
	defer cancel()
	cn, err := p.Connect(ctx)
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
		if p.Final == nil || !p.Final(err) {
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
	list := append(append([]*Conn(nil), p.List()...), cn)
	p.conns.Store(&list)
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		cn.read()
	}()
}

// remove forgets a connection that was closed.
func (p *Pool) remove(gone *Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*Conn
	for _, cn := range p.List() {
		if cn != gone {
			list = append(list, cn)
		}
	}
	p.conns.Store(&list)
}

// Drop closes the connection of that name, which the server no longer has.
func (p *Pool) Drop(name string) {
	for _, cn := range p.List() {
		if cn.name == name {
			cn.Fail(ErrLost)
		}
	}
}

// RetireOne lets the connection of that name end as Retire does.
func (p *Pool) RetireOne(name string) {
	for _, cn := range p.List() {
		if cn.name == name {
			cn.retire()
		}
	}
}

// DropParked closes the connections whose late calls count no more.
func (p *Pool) DropParked() {
	for _, cn := range p.List() {
		if _, left := cn.holds(); left > 0 {
			cn.Fail(ErrLost)
		}
	}
}

// Count gives the open connections, and how many of them are parked.
func (p *Pool) Count() (open, parked int) {
	for _, cn := range p.List() {
		open++
		if cn.parked.Load() {
			parked++
		}
	}
	return open, parked
}

// Retire takes no new calls, and lets each connection end when its last call
// was answered.
func (p *Pool) Retire() {
	p.mu.Lock()
	p.closed = true
	list := p.List()
	p.mu.Unlock()
	for _, cn := range list {
		cn.retire()
	}
}

// Close ends all connections and waits for their goroutines.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.stop()
	for _, cn := range p.List() {
		cn.Fail(backends.ErrClosed)
	}
	p.wg.Wait()
}
