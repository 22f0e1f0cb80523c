package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// result is what one run of a load has measured.
type result struct {
	done          int64
	took          time.Duration
	all           *hdrhistogram.Histogram // ns
	reads, writes *hdrhistogram.Histogram
	err           error // of the first client that heard something wrong, or nothing
}

func newResult() *result {
	h := func() *hdrhistogram.Histogram { return hdrhistogram.New(1000, int64(time.Minute), 3) }
	return &result{all: h(), reads: h(), writes: h()}
}

func (r *result) rate() float64 { return float64(r.done) / r.took.Seconds() }

// flatOut has every client ask again as soon as it was answered, for a while.
func flatOut(all []*client, long time.Duration) *result { return load(all, long, 0) }

// steady sends a fixed number of requests a second, each at its moment whether
// or not those before it were answered; what they wait for counts: a request's
// time begins when it should have been sent (no coordinated omission).
func steady(all []*client, long time.Duration, perSecond int) *result {
	return load(all, long, time.Second/time.Duration(perSecond))
}

// lull is how long a run waits for its last answers; longer than any timeout of
// a proxy.
const lull = 5 * time.Second

// load is one thread over all clients. every is the time between two requests,
// zero for as fast as they are answered.
func load(all []*client, long, every time.Duration) *result {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := newResult()
	l := &loop{clients: all, every: every, long: long, r: r}
	r.err = l.run()
	return r
}

type loop struct {
	clients []*client
	every   time.Duration
	long    time.Duration
	r       *result
	start   time.Time
	out     int // requests that wait for their answers
	next    int // of the schedule
	timer   int
	buf     [256 << 10]byte
}

func (l *loop) run() error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(poll)
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	defer unix.Close(l.timer)
	if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, l.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1}); err != nil {
		return err
	}
	for i, c := range l.clients {
		if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, c.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
			return err
		}
	}
	l.start = time.Now()
	if l.every == 0 {
		for _, c := range l.clients {
			if err := l.ask(c, 0); err != nil {
				return err
			}
		}
	} else if err := l.due(); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(poll, events, int(lull/time.Millisecond))
		if err != nil && err != syscall.EINTR {
			return err
		}
		if n == 0 && err == nil {
			return fmt.Errorf("%d requests were not answered", l.out)
		}
		for _, e := range events[:max(n, 0)] {
			if e.Fd < 0 {
				err = l.due()
			} else {
				err = l.hear(l.clients[e.Fd])
			}
			if err != nil {
				return err
			}
		}
		if over := time.Since(l.start); over >= l.long && l.out == 0 {
			if l.r.took == 0 {
				l.r.took = over
			}
			return nil
		}
	}
}

func (l *loop) ask(c *client, began time.Duration) error {
	l.out++
	return c.ask(began)
}

// due sends what is to be sent by now, and sets the timer for what comes next.
func (l *loop) due() error {
	now := time.Since(l.start)
	at := func() time.Duration { return time.Duration(l.next) * l.every }
	for ; at() <= now && at() < l.long; l.next++ {
		if err := l.ask(l.clients[l.next%len(l.clients)], at()); err != nil {
			return err
		}
	}
	if at() >= l.long {
		return nil
	}
	wait := max(at()-time.Since(l.start), 1)
	return unix.TimerfdSettime(l.timer, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(wait))}, nil)
}

// hear reads from a client that has something.
func (l *loop) hear(c *client) error {
	if len(c.unsent) > 0 {
		if err := c.push(); err != nil {
			return err
		}
	}
	n, err := unix.Read(c.fd, l.buf[:])
	switch {
	case err == syscall.EAGAIN:
		return nil
	case err != nil:
		return err
	case n == 0:
		return errors.New("the proxy closed a connection")
	}
	again := false
	err = c.heard(l.buf[:n], func(began time.Duration, write bool) {
		now := time.Since(l.start)
		l.out--
		if l.every > 0 || now < l.long {
			l.r.done++
		}
		took := int64(max(now-began, 1000))
		l.r.all.RecordValue(took)
		if write {
			l.r.writes.RecordValue(took)
		} else {
			l.r.reads.RecordValue(took)
		}
		again = true
	})
	if err != nil || !again || l.every > 0 {
		return err
	}
	if now := time.Since(l.start); now < l.long {
		return l.ask(c, now)
	} else if l.r.took == 0 {
		l.r.took = now
	}
	return nil
}
