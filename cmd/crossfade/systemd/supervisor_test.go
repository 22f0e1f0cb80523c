package systemd_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/localserver"
)

// supervisor plays the service manager: it holds the sockets, hands them over,
// hears what it is told, and starts the agent again at once when it ends.
type supervisor struct {
	t       *testing.T
	command []string
	sockets []*os.File
	env     []string
	said    *net.UnixConn
	ready   chan struct{}
	quit    chan struct{}
	over    sync.WaitGroup

	mu       sync.Mutex
	proc     *localserver.Process // guarded by mu
	died     time.Time            // guarded by mu: when the last end was seen
	stopping bool                 // guarded by mu
	stops    int                  // guarded by mu: STOPPING=1 heard
	dogs     int                  // guarded by mu: WATCHDOG=1 heard
}

func supervise(t *testing.T, listeners []net.Listener, command ...string) *supervisor {
	s := &supervisor{t: t, command: command, ready: make(chan struct{}, 100), quit: make(chan struct{})}
	for _, l := range listeners {
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		s.sockets = append(s.sockets, f)
	}
	path := filepath.Join(t.TempDir(), "notify")
	var err error
	if s.said, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	s.env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(listeners)), "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=200000")
	s.over.Go(s.listen)
	s.start()
	s.over.Go(s.run)
	t.Cleanup(s.stop)
	s.wait()
	return s
}

func (s *supervisor) start() {
	// Only the child knows its own number: a shell writes it down and becomes
	// the agent.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$; export LISTEN_PID; exec "$@"`, "sh"}, s.command...)...)
	cmd.ExtraFiles, cmd.Env = s.sockets, s.env
	p, err := localserver.Start(cmd)
	if err != nil {
		s.t.Error(err)
		return
	}
	s.mu.Lock()
	s.proc = p
	s.mu.Unlock()
}

func (s *supervisor) run() {
	for {
		s.mu.Lock()
		p := s.proc
		s.mu.Unlock()
		<-p.Done()
		s.mu.Lock()
		s.died = time.Now()
		stopping := s.stopping
		s.mu.Unlock()
		if stopping {
			return
		}
		s.start()
	}
}

// listen hears the words of the agents.
func (s *supervisor) listen() {
	b := make([]byte, 1024)
	for {
		n, err := s.said.Read(b)
		if err != nil {
			return
		}
		for _, word := range strings.Fields(string(b[:n])) {
			s.mu.Lock()
			switch word {
			case "READY=1":
				s.ready <- struct{}{}
			case "STOPPING=1":
				s.stops++
			case "WATCHDOG=1":
				s.dogs++
			}
			s.mu.Unlock()
		}
	}
}

// wait waits until an agent says that it is ready.
func (s *supervisor) wait() {
	s.t.Helper()
	select {
	case <-s.ready:
	case <-time.After(time.Minute):
		s.mu.Lock()
		defer s.mu.Unlock()
		s.t.Fatalf("no agent says that it is ready: %s", s.proc.Output())
	}
}

// restart ends the agent by a signal, and returns when the next one is ready.
func (s *supervisor) restart(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	pid := s.proc.Pid()
	s.mu.Unlock()
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatal(err)
	}
	s.wait()
}

// death is when the last agent had ended.
func (s *supervisor) death() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.died
}

func (s *supervisor) stop() {
	s.mu.Lock()
	s.stopping = true
	p := s.proc
	s.mu.Unlock()
	if err := p.Stop(10 * time.Second); err != nil {
		s.t.Error(err)
	}
	s.said.Close()
	s.over.Wait()
}
