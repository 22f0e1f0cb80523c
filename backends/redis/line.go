package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
)

// line is one connection for what needs one of its own (WATCH), and the goroutine that talks on it. The
// goroutine is what lets a caller leave at its deadline: it stays with the
// connection until the late answer was read. A line makes one connection in
// its life, so the server's id for it is known and stays true.
type line struct {
	pool  *pool
	conn  *goredis.Conn
	sock  atomic.Pointer[socket]
	id    string // by which the server knows the connection: Unknown.Conn
	runID string // of the server; empty where INFO is not allowed
	used  time.Time

	work chan func(*goredis.Conn) error
	done chan error // cap 1: the result of work, unless the caller has left
	quit chan struct{}
	once sync.Once // closes quit

	state atomic.Int32
	left  *backends.Unknown // set before state becomes callerLeft
}

const (
	running int32 = iota
	answered
	callerLeft
)

// socket counts nothing but whether something was written.
type socket struct {
	net.Conn
	wrote atomic.Bool
}

func (s *socket) Write(b []byte) (int, error) {
	s.wrote.Store(true)
	return s.Conn.Write(b)
}

var errOneConnection = errors.New("backends/redis: the connection was lost")

// openLine makes a line and begins its goroutine, which the pool waits for.
// The caller holds a token of the pool.
func (p *pool) openLine(ctx context.Context) (*line, error) {
	l := &line{
		pool: p,
		work: make(chan func(*goredis.Conn) error),
		done: make(chan error, 1),
		quit: make(chan struct{}),
	}
	opts := p.node.clientOptions(1)
	opts.ReadTimeout, opts.WriteTimeout = -1, -1 // the deadline is the caller's
	opts.ConnMaxIdleTime, opts.ConnMaxLifetime = -1, -1
	opts.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if l.sock.Load() != nil {
			return nil, errOneConnection
		}
		c, err := p.node.store.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		sock := &socket{Conn: c}
		l.sock.Store(sock)
		select {
		case <-l.quit:
			c.Close()
		default:
		}
		return sock, nil
	}
	if !p.add(l) {
		return nil, p.node.ended()
	}
	opened := make(chan error, 1)
	go func() {
		defer p.remove(l)
		client := goredis.NewClient(opts)
		defer client.Close()
		l.conn = client.Conn()
		err := l.handshake()
		opened <- err
		if err == nil {
			l.run()
		}
	}()
	// Nothing was sent that matters, so a line that is late is given up.
	late := time.NewTimer(2 * opts.DialTimeout)
	defer late.Stop()
	select {
	case err := <-opened:
		if err != nil {
			return nil, p.node.store.plain("connect", err)
		}
		return l, nil
	case <-late.C:
		l.stop()
		return nil, timeoutError("connect")
	case <-ctx.Done():
		l.stop()
		return nil, ctx.Err()
	}
}

// handshake asks for what names the connection, and leaves the scripts with
// the server, all in one packet.
func (l *line) handshake() error {
	ctx := context.Background()
	pipe := l.conn.Pipeline()
	id := pipe.ClientID(ctx)
	info := pipe.Info(ctx, "server")
	var role *goredis.Cmd
	if l.pool.node.primary {
		role = pipe.Do(ctx, "role")
	}
	for _, sc := range scripts {
		pipe.ScriptLoad(ctx, sc.text)
	}
	if err := exec(ctx, pipe); err != nil {
		return err
	}
	if err := isPrimary(role); err != nil {
		return err
	}
	switch err := id.Err(); {
	case err == nil:
		l.id = connPrefix + strconv.FormatInt(id.Val(), 10)
	case goredis.HasErrorPrefix(err, "NOAUTH"):
		return err
	default: // not allowed, or renamed: Settle says so if it comes to that
		l.id = unnamed + l.sock.Load().LocalAddr().String()
	}
	l.runID = infoField(info.Val(), "run_id")
	if err := l.pool.node.meet(infoField(info.Val(), "redis_version"), func() (time.Time, error) { return l.conn.Time(ctx).Result() }); err != nil {
		return err
	}
	l.used = time.Now()
	return nil
}

// run does what callers ask until the line is stopped or broken.
func (l *line) run() {
	for {
		select {
		case <-l.quit:
			return
		case f := <-l.work:
			err := f(l.conn)
			if l.state.CompareAndSwap(running, answered) {
				l.done <- err
				continue
			}
			if !l.late(err) {
				return
			}
		}
	}
}

// late ends a call that nobody waits for any more. It tells whether the line
// can go on.
func (l *line) late(err error) bool {
	u := l.left
	l.left = nil
	l.pool.parked.Add(-1)
	if err == nil || isReply(err) || !l.sock.Load().wrote.Load() {
		u.Resolve()
	}
	if err != nil && !isReply(err) || givesUp(err) {
		l.pool.drop(l)
		return false
	}
	l.pool.put(l)
	return true
}

// stop closes the connection and ends the goroutine.
func (l *line) stop() {
	l.once.Do(func() { close(l.quit) })
	if s := l.sock.Load(); s != nil {
		s.Close()
	}
}

// alive looks whether the server has closed an idle connection: a change sent
// on it would have an unknown outcome for nothing.
func (l *line) alive() bool {
	if time.Since(l.used) < 10*time.Millisecond {
		return true
	}
	c := l.sock.Load().Conn
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn() // what the server sends of itself, it sends before its first answer
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var b [1]byte
	var peek error
	err = raw.Read(func(fd uintptr) bool {
		_, _, peek = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && isAgain(peek) // bytes that nobody asked for are no good sign either
}

// do runs f on the line. usable tells whether the caller still owns the line
// and may use it again; if it is false, the line takes care of itself.
//
// The error is nil, a reply of the server, an Unknown, or another error, after
// which nothing was changed. With harmless set, f changes nothing: then the
// connection is closed at the deadline, not parked.
func (l *line) do(ctx context.Context, op string, harmless bool, f func(*goredis.Conn) error) (usable bool, err error) {
	l.state.Store(running)
	l.sock.Load().wrote.Store(false)
	select {
	case l.work <- f:
	case <-l.quit:
		l.pool.release()
		return false, l.pool.node.ended()
	}
	select {
	case err = <-l.done:
		return l.answer(op, harmless, err)
	case <-ctx.Done():
	}
	cause := ctx.Err()
	l.left = l.unknown(cause)
	u := l.left
	l.pool.parked.Add(1)
	if !l.state.CompareAndSwap(running, callerLeft) {
		l.left = nil
		l.pool.parked.Add(-1)
		return l.answer(op, harmless, <-l.done)
	}
	// From here on the line is its goroutine's.
	if harmless {
		l.stop()
		return false, cause
	}
	return false, u
}

func (l *line) answer(op string, harmless bool, err error) (usable bool, _ error) {
	if err == nil || isReply(err) {
		if givesUp(err) {
			l.pool.drop(l)
			return false, err
		}
		l.used = time.Now()
		return true, err
	}
	wrote := l.sock.Load().wrote.Load()
	l.pool.drop(l)
	if harmless || !wrote {
		return false, l.pool.node.store.plain(op, err)
	}
	return false, l.unknown(l.pool.node.store.plain(op, err))
}

func (l *line) unknown(cause error) *backends.Unknown {
	s, conn, runID := l.pool.node.store, l.id, l.runID
	return backends.NewUnknown(cause, conn, runID, func(ctx context.Context) error {
		return s.Settle(ctx, conn, runID)
	})
}
