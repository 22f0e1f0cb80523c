package frontends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// ListenOptions of Listen.
type ListenOptions struct {
	// Mode of a unix socket: 0660. Who may write to it may connect.
	Mode fs.FileMode
}

// Listen listens at "host:port" or "unix:/path". A socket file that is left
// over from a process which has ended is replaced; one at which somebody
// answers is an error, and so is a file of another kind.
func Listen(ctx context.Context, addr string, o ListenOptions) (net.Listener, error) {
	var lc net.ListenConfig
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return lc.Listen(ctx, "tcp", addr)
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listen at unix:%s: %w", path, err)
	}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, cmp.Or(o.Mode, 0o660)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("there is a file that is no socket: remove it, or choose another path")
	}
	d := net.Dialer{Timeout: time.Second}
	nc, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		nc.Close()
		return errors.New("somebody answers there: stop that process, or choose another path")
	}
	// Only a refusal says that nobody listens: a full queue is somebody too.
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}
