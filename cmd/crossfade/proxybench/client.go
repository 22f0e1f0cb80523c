package main

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// client is one connection of the load, driven by a loop of its own: goroutines
// would cost as much as the proxies that are measured.
type client struct {
	wire
	fd     int
	began  []time.Duration // of the requests that are out, the oldest first
	writes []bool          // whether each of them is a write
	left   int             // bytes of the oldest one's answer that have not come
	unsent []byte          // what the socket did not take
	even   bool            // the next one is a write
}

// connect opens n connections, each with a session that it has written once.
func connect(n int, addr string, speak func(id string) wire, name string) ([]*client, error) {
	var all []*client
	for i := range n {
		c := &client{wire: speak(fmt.Sprintf("%s%0*d", name, 26-len(name), i)), even: i%2 == 0}
		all = append(all, c)
		if err := c.dial(addr); err != nil {
			hangUp(all)
			return nil, err
		}
	}
	return all, nil
}

func (c *client) dial(addr string) error {
	c.fd = -1
	to, err := net.ResolveTCPAddr("tcp4", addr)
	if err != nil {
		return err
	}
	if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}); err != nil {
		return fmt.Errorf("connect to %s: %w", addr, err)
	}
	if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := c.once(c.set, c.sets, c.setHead); err != nil {
		return fmt.Errorf("write through %s: %w", addr, err)
	}
	if err := c.once(c.get, c.gets, c.getHead); err != nil {
		return fmt.Errorf("read through %s: %w", addr, err)
	}
	return unix.SetNonblock(c.fd, true)
}

// once asks and waits.
func (c *client) once(ask []byte, size int, head byte) error {
	if _, err := unix.Write(c.fd, ask); err != nil {
		return err
	}
	answer := make([]byte, size)
	for n := 0; n < size; {
		m, err := unix.Read(c.fd, answer[n:])
		if m <= 0 {
			return fmt.Errorf("no answer: %v", err)
		}
		if n == 0 && answer[0] != head {
			return fmt.Errorf("answered %.60q", answer[:m])
		}
		n += m
	}
	return nil
}

func hangUp(all []*client) {
	for _, c := range all {
		if c.fd >= 0 {
			unix.Close(c.fd)
		}
	}
}

// ask sends the next request; began is when it should have gone out.
func (c *client) ask(began time.Duration) error {
	what := c.get
	if c.even {
		what = c.set
	}
	if len(c.began) == 0 {
		c.left = c.size(c.even)
	}
	c.began, c.writes = append(c.began, began), append(c.writes, c.even)
	c.even = !c.even
	if len(c.unsent) > 0 {
		c.unsent = append(c.unsent, what...)
		return c.push()
	}
	n, err := unix.Write(c.fd, what)
	if err == syscall.EAGAIN {
		n, err = 0, nil
	}
	if err == nil && n < len(what) {
		c.unsent = append(c.unsent, what[n:]...)
	}
	return err
}

func (c *client) push() error {
	n, err := unix.Write(c.fd, c.unsent)
	if err == syscall.EAGAIN {
		return nil
	}
	if err == nil {
		c.unsent = c.unsent[:copy(c.unsent, c.unsent[n:])]
	}
	return err
}

func (c *client) size(write bool) int {
	if write {
		return c.sets
	}
	return c.gets
}

// heard takes what has come, and tells of each request that it answers.
func (c *client) heard(b []byte, answered func(began time.Duration, write bool)) error {
	for len(b) > 0 {
		if len(c.began) == 0 {
			return fmt.Errorf("an answer to nothing: %.60q", b)
		}
		write := c.writes[0]
		if c.left == c.size(write) {
			if head := map[bool]byte{true: c.setHead, false: c.getHead}[write]; b[0] != head {
				return fmt.Errorf("answered %.60q", b)
			}
		}
		n := min(len(b), c.left)
		b, c.left = b[n:], c.left-n
		if c.left > 0 {
			return nil
		}
		began := c.began[0]
		c.began, c.writes = c.began[:copy(c.began, c.began[1:])], c.writes[:copy(c.writes, c.writes[1:])]
		if len(c.began) > 0 {
			c.left = c.size(c.writes[0])
		}
		answered(began, write)
	}
	return nil
}
