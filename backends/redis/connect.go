package redis

import (
	"bufio"
	"context"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/stream"
)

const readBuffer = 64 << 10

// newStreams makes the connections for all calls but guards: nothing is dialled.
func (n *node) newStreams(conns int) *stream.Pool {
	s := n.store
	return stream.New(&stream.Pool{
		Product: "backends/redis", Connect: n.connect,
		Unknown: func(cause error, conn, runID string) *backends.Unknown {
			return backends.NewUnknown(s.plain("change", cause), conn, runID, func(ctx context.Context) error {
				return s.Settle(ctx, conn, runID)
			})
		},
		Conns: min(2, conns, runtime.GOMAXPROCS(0)), MaxConns: conns, Reserve: conns / 2,
		InFlight: 4096, Queued: 16 << 20, DialTimeout: s.opts.DialTimeout,
	})
}

// connect makes a connection that calls share. One packet says who we are, asks
// for what names the connection, and leaves the scripts with the server.
func (n *node) connect(ctx context.Context) (*stream.Conn, error) {
	network, addr := endpoint(n.addr)
	nc, err := n.store.dial(ctx, network, addr)
	if err != nil {
		return nil, n.store.plain("connect", err)
	}
	if t, ok := ctx.Deadline(); ok {
		nc.SetDeadline(t)
	}
	stop := context.AfterFunc(ctx, func() { nc.Close() })
	br := bufio.NewReaderSize(nc, readBuffer)
	greet := n.greet
	if n.store.proxied {
		greet = n.greetProxied
	}
	name, runID, err := greet(nc, br)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, n.store.plain("connect", err)
	}
	nc.SetDeadline(time.Time{})
	n.met.Store(true)
	return stream.NewConn(nc, br, name, runID), nil
}

func (n *node) greet(nc net.Conn, br *bufio.Reader) (name, runID string, err error) {
	o := &n.store.opts
	c := newCall(false)
	defer c.Free()
	switch {
	case o.Username != "":
		c.cmd(3, "auth").str(o.Username).str(string(o.Password))
	case o.Password != "":
		c.cmd(2, "auth").str(string(o.Password))
	}
	if o.DB != 0 {
		c.cmd(2, "select").num(int64(o.DB))
	}
	must := c.cmds // these have to succeed
	c.cmd(2, "client").str("id")
	c.cmd(2, "info").str("server")
	if n.primary {
		c.cmd(1, "role")
	}
	for _, sc := range scripts {
		c.cmd(3, "script").str("load").str(sc.text)
	}
	if err := c.over(nc, br); err != nil {
		return "", "", err
	}
	for i := range must {
		if err := c.answer(i).err(); err != nil {
			return "", "", err
		}
	}
	id, err := c.answer(must).num()
	switch {
	case err == nil:
		name = connPrefix + strconv.FormatInt(id, 10)
	case goredis.HasErrorPrefix(err, "NOAUTH"):
		return "", "", err
	default: // not allowed, or renamed: Settle says so if it comes to that
		name = unnamed + nc.LocalAddr().String()
	}
	info := string(c.answer(must + 1).text)
	if n.primary {
		role := c.answer(must + 2)
		if err := role.err(); err != nil {
			return "", "", err
		}
		if len(role.list) == 0 || string(role.list[0].text) != "master" {
			return "", "", errNoPrimary
		}
	}
	err = n.meet(infoField(info, "redis_version"), func() (time.Time, error) {
		t := newCall(false).cmd(1, "time")
		defer t.Free()
		if err := t.over(nc, br); err != nil {
			return time.Time{}, err
		}
		return t.answer(0).time()
	})
	return name, strings.Clone(infoField(info, "run_id")), err
}

// over sends the call on a connection of its own, and waits.
func (c *call) over(nc net.Conn, br *bufio.Reader) error {
	if _, err := nc.Write(c.buf); err != nil {
		return err
	}
	if err := c.Read(br, false); err != stream.ErrRetire {
		return err
	}
	return nil
}

// time is the answer to TIME: seconds and microseconds.
func (r *reply) time() (time.Time, error) {
	parts, err := r.items(2)
	if err != nil {
		return time.Time{}, err
	}
	seconds, ok := integer(parts[0].text)
	micros, ok2 := integer(parts[1].text)
	if !ok || !ok2 {
		return time.Time{}, errAnswer
	}
	return time.Unix(seconds, micros*1000), nil
}
