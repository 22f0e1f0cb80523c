package localserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Options of a server. The zero value works.
type Options struct {
	// Args are added to the command line, after ours.
	Args []string
	// Ready bounds the wait for the first answer. Zero: 30 s (seen: 7 to 13 ms;
	// a loaded machine takes longer).
	Ready time.Duration
}

// Server is one server program on one loopback port. It is safe for concurrent
// use.
type Server struct {
	product product
	args    []string
	ready   time.Duration
	port    int
	dir     string

	mu       sync.Mutex
	proc     *Process  // guarded by mu; nil after Stop
	launched time.Time // guarded by mu: when it last answered first
}

// product is what differs between the programs.
type product struct {
	name    string // of the program
	install string // what to do where it is missing
	// Ports are chosen below ports: the kernel hands out 32768 to 60999 to
	// clients, and Redis may want port+10000 for its cluster bus.
	ports int
	// more is how far above its own a second port lies on which it listens; zero:
	// there is none.
	more int
	args func(port int, dir string) []string
	// prepare, if there is one, is run before each start of the program.
	prepare func(port int, dir string) error
	// forget, if there is one, is run before the folder is removed.
	forget func(dir string)
	// restart is the least time between a start and the next.
	restart time.Duration
	as      *syscall.Credential // whom the program runs as; nil: as we do
	// up tells whether p, and no other program on that port, answers at addr.
	up func(p *Process, addr string) bool
}

var errPortTaken = errors.New("localserver: the port is taken")

func start(ctx context.Context, pr product, opts Options) (*Server, error) {
	if _, err := exec.LookPath(pr.name); err != nil {
		return nil, fmt.Errorf("localserver: %s is not installed: %s", pr.name, pr.install)
	}
	dir, err := os.MkdirTemp("", "crossfade-"+pr.name+"-")
	if err != nil {
		return nil, fmt.Errorf("localserver: %w", err)
	}
	if pr.as != nil {
		if err := os.Chown(dir, int(pr.as.Uid), int(pr.as.Gid)); err != nil {
			return nil, errors.Join(fmt.Errorf("localserver: %w", err), os.RemoveAll(dir))
		}
	}
	s := &Server{product: pr, args: opts.Args, ready: opts.Ready, dir: dir}
	if s.ready <= 0 {
		s.ready = 30 * time.Second
	}
	for range 50 {
		if s.port, err = claimFrom(firstPort, pr.ports, 1); err != nil {
			break
		}
		err = errPortTaken
		if pr.more == 0 || claim(s.port+pr.more) {
			if err = s.launch(ctx); err == nil {
				return s, nil
			}
			disclaim(s.port + pr.more)
		}
		disclaim(s.port)
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	if pr.forget != nil {
		pr.forget(dir)
	}
	return nil, errors.Join(err, os.RemoveAll(dir))
}

// launch starts the program on s.port and waits until it answers. The caller
// holds mu, or is alone.
func (s *Server) launch(ctx context.Context) error {
	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		return errPortTaken
	}
	l.Close()
	if s.product.prepare != nil {
		if err := s.product.prepare(s.port, s.dir); err != nil {
			return err
		}
	}
	cmd := exec.Command(s.product.name, append(s.product.args(s.port, s.dir), s.args...)...)
	cmd.Dir = s.dir
	if s.product.as != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.product.as}
	}
	p, err := Start(cmd)
	if err != nil {
		return fmt.Errorf("localserver: start %s: %w", s.product.name, err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(s.ready)
	defer late.Stop()
	for !s.product.up(p, s.Addr()) {
		select {
		case <-tick.C:
			continue
		case <-p.Done():
			// Somebody was faster to the port, or the arguments are wrong; the
			// second repeats itself on every port.
			if l, err := net.Listen("tcp", s.Addr()); err != nil {
				return errPortTaken
			} else {
				l.Close()
			}
			return fmt.Errorf("localserver: %s ended at once; it said: %s", s.product.name, p.Output())
		case <-late.C:
			err = fmt.Errorf("localserver: %s does not answer after %v; it said: %s", s.product.name, s.ready, p.Output())
		case <-ctx.Done():
			err = fmt.Errorf("localserver: start %s: %w", s.product.name, context.Cause(ctx))
		}
		return errors.Join(err, p.Kill())
	}
	s.proc, s.launched = p, time.Now()
	return nil
}

// Addr is where the server listens, "127.0.0.1:port"; it stays the same for
// the life of the Server.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Pid is the process id, zero after Stop; Restart changes it.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	return s.proc.Pid()
}

// Output is the end of what the program has printed since it was last started.
func (s *Server) Output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return ""
	}
	return s.proc.Output()
}

// Stop ends the server and removes its folder. It may be called twice.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return nil
	}
	p := s.proc
	s.proc = nil
	if s.product.forget != nil {
		s.product.forget(s.dir)
	}
	err := p.Stop(5 * time.Second)
	disclaim(s.port, s.port+s.product.more)
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Kill ends the server with SIGKILL; Restart brings it back, empty (a node of a
// Galera cluster: with what the others have).
func (s *Server) Kill() error { return s.on((*Process).Kill) }

// Freeze makes the server stand still with its connections open.
func (s *Server) Freeze() error { return s.on((*Process).Freeze) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.on((*Process).Thaw) }

// Restart kills the server, if it runs, and starts it on the same port.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return errStopped
	}
	if err := s.proc.Kill(); err != nil {
		return err
	}
	// A server that tells when it started in whole seconds must not seem to be
	// the one before.
	if left := s.product.restart - time.Since(s.launched); left > 0 {
		select {
		case <-time.After(left):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	// Somebody's client may hold the port for a moment.
	var err error
	for range 100 {
		if err = s.launch(ctx); !errors.Is(err, errPortTaken) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

var errStopped = errors.New("localserver: the server was stopped")

func (s *Server) on(f func(*Process) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return errStopped
	}
	return f(s.proc)
}
