package redis

import (
	"crypto/tls"
	"log/slog"
	"runtime"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Secret is a string that is never printed.
type Secret string

const hidden = "<secret>"

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }

// Options of a store. Migration is required, and one of Addr, Cluster and
// Sentinel: the first of Sentinel, Cluster, Addr that is set counts.
type Options struct {
	// Addr is the only server: host:port or unix:path.
	Addr string
	// Cluster is some nodes of a Redis Cluster, from which the others are found.
	Cluster []string
	// Sentinel finds the primary of a replicated server.
	Sentinel Sentinel

	Username string // of an ACL user, on the data servers; empty: the default user
	Password Secret
	DB       int // a cluster has 0 alone
	// TLS is spoken to the data servers and to Sentinels. Nil: none. An empty
	// ServerName means the host of each address. See TLSFiles.
	TLS *tls.Config
	// Migration names the tombstones, marks and flags: [a-z0-9-]{1,32}.
	Migration string
	// KeepFlags keeps client flags other than Key.Usual, in a key beside the
	// session that is written and read with it, in one step. All programs that
	// share the sessions must have it alike, else one's write leaves another's
	// flags behind; those are void by the data (docs/formats.md).
	KeepFlags bool

	// The store opens at most the sum of these connections, one more for Health
	// and Settle, and two for scans. All calls but guards share Conns, of which
	// two serve; the others take the place of those that are parked. Of each
	// number half may be parked; then new changes get backends.ErrBusy. In a
	// cluster each number is divided among the masters, at least four to each, so
	// that one that stands still does not take the others' share.
	Conns      int // zero: two for each core, at least four
	GuardConns int // guards at once, each holds one; zero: 8
	UndoConns  int // adds that may be undone, at once; zero: 8

	// DialTimeout bounds the making of a connection, and one question to a
	// Sentinel. Zero: 250 ms.
	DialTimeout time.Duration
	// ReadTimeout bounds reads whose context has no deadline. Zero: 1 s.
	ReadTimeout time.Duration
	// MaxData bounds one session. Zero: backends.MaxData, so that what is
	// stored here can go back to memcached.
	MaxData int
}

// Sentinel is where the primary's address is asked for. The zero value is no
// Sentinel.
type Sentinel struct {
	Addrs    []string // host:port, all of them: a majority of these ends doubts
	Master   string   // the name under which Sentinels watch the primary
	Username string   // of an ACL user of the Sentinels; empty: the default user
	Password Secret   // of the Sentinels, not of the data servers
}

func (o *Options) defaults() {
	for _, d := range []struct {
		v    *int
		zero int
	}{{&o.Conns, max(4, 2*runtime.GOMAXPROCS(0))}, {&o.GuardConns, 8}, {&o.UndoConns, 8}, {&o.MaxData, backends.MaxData}} {
		if *d.v <= 0 {
			*d.v = d.zero
		}
	}
	if o.DialTimeout <= 0 {
		o.DialTimeout = 250 * time.Millisecond
	}
	if o.ReadTimeout <= 0 {
		o.ReadTimeout = time.Second
	}
}
