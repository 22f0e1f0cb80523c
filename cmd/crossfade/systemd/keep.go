package systemd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// parentEnv says whose child the sockets are meant for, where the service
// manager is Keep: a program cannot know its child's number before it runs.
const parentEnv = "CROSSFADE_SOCKETS_OF"

// KeepOptions of Keep.
type KeepOptions struct {
	// Command is the child's program and arguments.
	Command []string
	// Addresses tells where to listen. It is asked at the start and for each
	// restart; an error then leaves everything as it is.
	Addresses func() ([]string, error)
	Listen    func(ctx context.Context, addr string) (net.Listener, error)
	Log       *slog.Logger
}

// firstPause and longPause are between two starts of a child that dies.
const (
	firstPause = 100 * time.Millisecond
	longPause  = 5 * time.Second
	// settled is how long a child has to live for its death to be its first.
	settled = 10 * time.Second
	// stopMost is how long a child may take to stop before it is killed: more than
	// an agent's drain and its last copies.
	stopMost = time.Minute
)

// Keep is the service manager of one process, where there is no other: it holds
// the listening sockets, hands them to the child as systemd does, and starts it
// again when it dies, or at SIGHUP: with what then stands in its file and in the
// configuration. Clients wait in the sockets' queues meanwhile. It ends with
// ctx, after the child; a child that fails at once, before any has served, is
// its error.
func Keep(ctx context.Context, o KeepOptions) error {
	k := &keeper{o: o, open: map[string]*os.File{}, kept: map[string]net.Listener{}}
	defer k.close(nil)
	if err := k.listen(ctx); err != nil {
		return err
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	for pause, first := firstPause, true; ; first = false {
		began := time.Now()
		asked, err := k.child(ctx, again)
		switch {
		case ctx.Err() != nil:
			return err
		case asked:
			o.Log.Info("the agent has stopped as asked, and is started again", "component", "keeper", "had_run", time.Since(began).Round(time.Millisecond))
			pause = firstPause
			continue
		case first && time.Since(began) < settled:
			return fmt.Errorf("the agent ended at once: %w: what it said stands above", orEnded(err))
		}
		if time.Since(began) > settled {
			pause = firstPause
		}
		o.Log.Error("the agent has ended, and is started again", "component", "keeper", "cause", orEnded(err), "in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, longPause)
	}
}

func orEnded(err error) error {
	if err == nil {
		return errors.New("it stopped by itself")
	}
	return err
}

type keeper struct {
	o    KeepOptions
	kept map[string]net.Listener // by address, as it is configured
	open map[string]*os.File     // what the child gets of them
}

// listen opens what is missing. What is configured no more is closed.
func (k *keeper) listen(ctx context.Context) error {
	addrs, err := k.o.Addresses()
	if err != nil {
		return err
	}
	var opened []string
	for _, addr := range addrs {
		if k.kept[addr] != nil {
			continue
		}
		l, err := k.o.Listen(ctx, addr)
		if err != nil {
			k.close(func(a string) bool { return slices.Contains(opened, a) })
			return fmt.Errorf("listen at %s: %w: is another agent running?", addr, err)
		}
		f, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			k.close(func(a string) bool { return slices.Contains(opened, a) })
			return errors.Join(err, l.Close())
		}
		k.kept[addr], k.open[addr] = l, f
		opened = append(opened, addr)
	}
	k.close(func(a string) bool { return !slices.Contains(addrs, a) })
	return nil
}

// close closes those that which names; nil: all.
func (k *keeper) close(which func(addr string) bool) {
	for addr, l := range k.kept {
		if which == nil || which(addr) {
			k.open[addr].Close()
			l.Close()
			delete(k.open, addr)
			delete(k.kept, addr)
		}
	}
}

// child runs one to its end. asked says that it was stopped for the next one.
func (k *keeper) child(ctx context.Context, again <-chan os.Signal) (asked bool, err error) {
	run, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(run, k.o.Command[0], k.o.Command[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopMost
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, addr := range slices.Sorted(maps.Keys(k.open)) {
		cmd.ExtraFiles = append(cmd.ExtraFiles, k.open[addr])
	}
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(cmd.ExtraFiles)), parentEnv+"="+strconv.Itoa(os.Getpid()))
	if err := start(cmd); err != nil {
		return false, err
	}
	k.o.Log.Info("the agent is started", "component", "keeper", "pid", cmd.Process.Pid, "sockets", len(cmd.ExtraFiles))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil && cmd.ProcessState.Success() {
				err = nil // it ended because it was told to
			}
			return asked, err
		case <-again:
			if asked {
				continue
			}
			if err := k.listen(ctx); err != nil {
				k.o.Log.Error("the agent is not started again: it goes on as it is", "component", "keeper", "error", err)
				continue
			}
			asked = true
			stop()
		}
	}
}
