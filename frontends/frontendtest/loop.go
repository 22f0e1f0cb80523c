package frontendtest

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Loop is a client that sends one packet N times, and throws answers away.
type Loop struct {
	net.Conn
	Packet string
	N      int
}

func (l *Loop) Read(p []byte) (int, error) {
	if l.N == 0 {
		return 0, io.EOF
	}
	l.N--
	return copy(p, l.Packet), nil
}

func (l *Loop) Write(p []byte) (int, error) { return len(p), nil }

// Close implements net.Conn.
func (l *Loop) Close() error { return nil }

// SetReadDeadline implements net.Conn.
func (l *Loop) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.Conn.
func (l *Loop) SetWriteDeadline(time.Time) error { return nil }

// Quick is Sessions that cost next to nothing, so that a benchmark measures the
// frontend: every get is a hit, with the same data.
type Quick struct {
	*Sessions
	Data []byte
}

// NewQuick makes Quick sessions with so much data.
func NewQuick(tb testing.TB, size int, ks ...kinds.Kind) *Quick {
	tb.Helper()
	return &Quick{New(tb, ks...), make([]byte, size)}
}

// Get implements frontends.Sessions.
func (q *Quick) Get(context.Context, kinds.Ref) (backends.Session, bool, error) {
	return backends.Session{Data: q.Data}, true, nil
}

// Set implements frontends.Sessions.
func (q *Quick) Set(context.Context, kinds.Ref, backends.Session) error { return nil }

// Touch implements frontends.Sessions.
func (q *Quick) Touch(context.Context, kinds.Ref, time.Time) (bool, error) { return true, nil }
