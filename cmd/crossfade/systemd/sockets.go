// Package systemd is what an agent needs of its service manager: the listening
// sockets that it hands over, and the words that it wants to hear; and Keep, which
// does that part where there is none. It promises
// that without a service manager nothing happens, and that a socket which was
// handed over is neither unlinked nor changed: it outlives the process, so that
// clients which connect during a restart wait in its queue and are served.
//
//	sockets, err := systemd.Sockets()
//	l := sockets.Take("127.0.0.1:11311") // nil: not handed over, listen yourself
//	err = sockets.Left()                 // those that nobody took, by address
//	systemd.Notify("READY=1")
//
// Sources: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3); tried with
// systemd 252.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// firstSocket is SD_LISTEN_FDS_START.
const firstSocket = 3

// Set is what was handed over. The zero value is empty. It is used by one
// goroutine.
type Set struct{ sockets []socket }

type socket struct {
	net.Listener
	name string // of LISTEN_FDNAMES
}

// Sockets takes what the service manager handed to this process, once: children
// and a second call find nothing.
func Sockets() (*Set, error) {
	pid, count, names := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES")
	if os.Getenv(parentEnv) == strconv.Itoa(os.Getppid()) {
		pid = strconv.Itoa(os.Getpid())
	}
	for _, v := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", parentEnv} {
		os.Unsetenv(v)
	}
	s := &Set{}
	if pid != strconv.Itoa(os.Getpid()) { // meant for another process, or nothing at all
		return s, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return s, fmt.Errorf("systemd: LISTEN_FDS=%q is no number: start the agent from its socket unit", count)
	}
	labels := strings.Split(names, ":")
	for i := range n {
		label := ""
		if i < len(labels) {
			label = labels[i]
		}
		if err := s.add(firstSocket+i, label); err != nil {
			return s, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

func (s *Set) add(fd int, name string) error {
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return fmt.Errorf("systemd: socket %d (%s) was announced and is not there", fd, name)
	}
	defer f.Close() // the listener has its own copy
	accepts, err := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	if err != nil || accepts == 0 {
		return fmt.Errorf("systemd: socket %d (%s) is no listening stream socket: use ListenStream= and Accept=no in the socket unit", fd, name)
	}
	l, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("systemd: socket %d (%s): %w", fd, name, err)
	}
	s.sockets = append(s.sockets, socket{l, name})
	return nil
}

// Take gives the socket that listens at addr, as the configuration writes it;
// nil if there is none.
func (s *Set) Take(addr string) net.Listener {
	if s == nil {
		return nil
	}
	for i, l := range s.sockets {
		if same(l.Addr(), addr) {
			s.sockets = append(s.sockets[:i:i], s.sockets[i+1:]...)
			return l.Listener
		}
	}
	return nil
}

// same tells whether a socket's address is the configured one.
func same(got net.Addr, addr string) bool {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if got.Network() != "unix" {
			return false
		}
		if filepath.Clean(got.String()) == filepath.Clean(path) {
			return true
		}
		a, err1 := os.Stat(got.String()) // /var/run and /run
		b, err2 := os.Stat(path)
		return err1 == nil && err2 == nil && os.SameFile(a, b)
	}
	have, ok := got.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", addr)
	if !ok || err != nil || have.Port != want.Port {
		return false
	}
	everywhere := have.IP == nil || have.IP.IsUnspecified()
	if want.IP == nil || want.IP.IsUnspecified() {
		return everywhere
	}
	return have.IP.Equal(want.IP)
}

// Left is an error that names what nobody took: a socket at which clients would
// wait for ever.
func (s *Set) Left() error {
	if s == nil || len(s.sockets) == 0 {
		return nil
	}
	var who []string
	for _, l := range s.sockets {
		at := l.Addr().String()
		if l.Addr().Network() == "unix" {
			at = "unix:" + at
		}
		who = append(who, fmt.Sprintf("%s (%s)", at, l.name))
	}
	return fmt.Errorf("systemd: whoever starts the agent hands over %s, which is in none of listen.memcached, listen.redis and listen.admin: "+
		"correct ListenStream= there, or listen here", strings.Join(who, ", "))
}

// Close closes our copies of what nobody took.
func (s *Set) Close() (err error) {
	if s == nil {
		return nil
	}
	for _, l := range s.sockets {
		err = errors.Join(err, l.Close())
	}
	s.sockets = nil
	return err
}
