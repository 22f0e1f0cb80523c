package localserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one child program. It is safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	out  tail
	done chan struct{} // closed when the child was waited for
	err  error         // what Wait said; read after done
}

// Start starts cmd as a child that dies with this program. Its Stdout and
// Stderr, where not set, are kept for Output. The goroutine that it starts
// ends with the child.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.out
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the THREAD that forked ends,
		// so this goroutine keeps its thread for as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Output is the end of what the child has printed (up to 8 KiB).
func (p *Process) Output() string { return p.out.String() }

// Stop ends the child: SIGTERM, and after grace SIGKILL. It returns when the
// child has ended, and may be called on one that has.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	// A frozen child acts on SIGTERM only when it runs.
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(grace):
		return p.Kill()
	}
}

// Kill ends the child with SIGKILL and waits for it.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(30 * time.Second):
		return fmt.Errorf("localserver: process %d is still there 30s after SIGKILL", p.Pid())
	}
}

// Freeze stops the child without ending it (SIGSTOP): connections stay open
// and nothing is answered. It returns when every thread stands still.
func (p *Process) Freeze() error { return p.signalAndSee(syscall.SIGSTOP, true) }

// Thaw lets a frozen child run again.
func (p *Process) Thaw() error { return p.signalAndSee(syscall.SIGCONT, false) }

func (p *Process) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("localserver: signal %v: %w", s, err)
	}
	return nil
}

func (p *Process) signalAndSee(s syscall.Signal, frozen bool) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("localserver: signal %v: %w", s, err)
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if p.frozen() == frozen {
			return nil
		}
	}
	return fmt.Errorf("localserver: process %d does not heed %v", p.Pid(), s)
}

// frozen tells whether all threads are stopped (proc(5), /proc/pid/task/tid/stat,
// third field T).
func (p *Process) frozen() bool {
	dir := fmt.Sprintf("/proc/%d/task", p.Pid())
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, t := range tasks {
		b, err := os.ReadFile(dir + "/" + t.Name() + "/stat")
		if err != nil {
			continue // the thread has ended
		}
		// The second field, the name, is in parentheses and may hold anything.
		_, rest, ok := strings.Cut(string(b[max(0, bytes.LastIndexByte(b, ')')):]), ") ")
		if !ok || !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return true
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte // guarded by mu
}

const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 2*tailSize {
		t.b = append(t.b[:0], t.b[len(t.b)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b[max(0, len(t.b)-tailSize):])
}
