package systemd

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// Words for Notify.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	alive    = "WATCHDOG=1"
)

// Notify tells the service manager. Where there is none it does nothing; that
// it cannot be told is no reason to stop.
func Notify(state string) error {
	addr := os.Getenv("NOTIFY_SOCKET") // package net knows a leading @ as abstract
	if addr == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	_, err = c.Write([]byte(state))
	return err
}

// Watchdog tells the service manager twice in each period that it asks for
// (WatchdogSec=) that the process is alive, until ctx ends. check is called
// before each: where it hangs, the service manager hears nothing and restarts
// the process. Without a period it returns at once.
func Watchdog(ctx context.Context, check func()) {
	period := watchdogPeriod()
	if period <= 0 {
		return
	}
	t := time.NewTicker(period / 2)
	defer t.Stop()
	for {
		check()
		Notify(alive)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func watchdogPeriod() time.Duration {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}
