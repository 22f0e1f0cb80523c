// Package redis is the session store on one Redis server (tried with 7.0.15;
// it needs 5 or later).
//
//	s := redis.New(redis.Options{Addr: "127.0.0.1:6379", Migration: "sessions"})
//	defer s.Close()
//	err := s.Set(ctx, backends.Session{Key: backends.Key{Name: "PHPREDIS_SESSION:1"}, Data: data, Deadline: in30min})
//
// It promises every ability of package backends. Sessions are plain strings,
// as native clients write them; tombstones and marks are keys of their own
// (docs/formats.md). A change is sent once. At its deadline the caller leaves
// and the connection stays, parked, until the late answer was read; Settle
// ends the doubt earlier by CLIENT KILL ID from another connection.
//
// Deadlines are sent as a time from now (PX), so the two clocks need not
// agree; Read finds them again within the round trip. Get does not ask for
// them. There is no room for client flags beside a string: they are read as
// zero (a key of their own is to come).
//
// A read whose context is cancelled, rather than past its deadline, returns at
// the deadline, or after Options.ReadTimeout: go-redis does not hear of it. A
// change does.
package redis

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/seed-41165957/crossfade/backends"
)

// Secret is a string that is never printed.
type Secret string

const hidden = "<secret>"

func (Secret) String() string               { return hidden }
func (Secret) GoString() string             { return hidden }
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(hidden) }

// Options of a store. Addr and Migration are required.
type Options struct {
	Addr     string // host:port
	Username string // of an ACL user; empty: the default user
	Password Secret
	DB       int
	// Migration names the tombstones and marks: [a-z0-9-]{1,32}.
	Migration string

	// The store opens at most the sum of these connections and one more, for
	// Health and Settle. Of changes, guards and undos, half may be parked; then
	// new calls get backends.ErrBusy.
	ReadConns   int // zero: 16
	ChangeConns int // zero: 16
	GuardConns  int // guards at once, each holds one; zero: 8
	UndoConns   int // adds that may be undone, at once; zero: 8

	// DialTimeout bounds the making of a connection. Zero: 250 ms.
	DialTimeout time.Duration
	// ReadTimeout bounds reads whose context has no deadline. Zero: 1 s.
	ReadTimeout time.Duration
	// MaxData bounds one session. Zero: backends.MaxData, so that what is
	// stored here can go back to memcached.
	MaxData int
}

func (o *Options) defaults() {
	for _, d := range []struct {
		v    *int
		zero int
	}{{&o.ReadConns, 16}, {&o.ChangeConns, 16}, {&o.GuardConns, 8}, {&o.UndoConns, 8}, {&o.MaxData, backends.MaxData}} {
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

// Store is a session store on one Redis server.
type Store struct {
	opts    Options
	reads   *goredis.Client
	control *goredis.Client // for Health and Settle only, so that it is free when all else is parked
	changes *pool
	guards  *pool
	undos   *pool
	closed  atomic.Bool
	static  atomic.Pointer[static]
}

var (
	_ backends.Store        = (*Store)(nil)
	_ backends.Reader       = (*Store)(nil)
	_ backends.Toucher      = (*Store)(nil)
	_ backends.Adder        = (*Store)(nil)
	_ backends.Guarder      = (*Store)(nil)
	_ backends.BatchGuarder = (*Store)(nil)
	_ backends.Tombstoner   = (*Store)(nil)
	_ backends.Marker       = (*Store)(nil)
	_ backends.Locker       = (*Store)(nil)
	_ backends.Scanner      = (*Store)(nil)
	_ backends.BatchReader  = (*Store)(nil)
	_ backends.Healther     = (*Store)(nil)
	_ backends.FlagKeeper   = (*Store)(nil)
)

// New makes a store. Nothing is dialled before the first call.
func New(opts Options) *Store {
	opts.defaults()
	s := &Store{opts: opts}
	reads := s.clientOptions(opts.ReadConns)
	reads.ContextTimeoutEnabled = true
	reads.ReadTimeout, reads.WriteTimeout, reads.PoolTimeout = opts.ReadTimeout, opts.ReadTimeout, opts.ReadTimeout
	s.reads = goredis.NewClient(reads)
	control := *reads
	control.PoolSize = 1
	s.control = goredis.NewClient(&control)
	s.changes = newPool(s, opts.ChangeConns)
	s.guards = newPool(s, opts.GuardConns)
	s.undos = newPool(s, opts.UndoConns)
	return s
}

// clientOptions are what all our connections share. Nothing is retried by
// go-redis: its retries would repeat changes and outlast deadlines.
func (s *Store) clientOptions(conns int) *goredis.Options {
	return &goredis.Options{
		Addr:          s.opts.Addr,
		Username:      s.opts.Username,
		Password:      string(s.opts.Password),
		DB:            s.opts.DB,
		Protocol:      2, // 3 looks for pushed messages at each call
		MaxRetries:    -1,
		DialTimeout:   s.opts.DialTimeout,
		DialerRetries: 1,
		PoolSize:      conns,
		// The defaults of 32 KiB are for other payloads than sessions.
		ReadBufferSize:  8 << 10,
		WriteBufferSize: 8 << 10,
		// One round trip, HELLO, makes a connection.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
}

// KeepsFlags says no: a plain string has no room for them.
func (*Store) KeepsFlags() bool { return false }

// Close closes all connections, parked ones too: what those calls did is then
// never known here.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	for _, p := range []*pool{s.changes, s.guards, s.undos} {
		p.close()
	}
	err := s.reads.Close()
	if e := s.control.Close(); err == nil {
		err = e
	}
	return err
}

// enter is what every call begins with.
func (s *Store) enter(ctx context.Context, ks ...backends.Key) error {
	if s.closed.Load() {
		return backends.ErrClosed
	}
	for i := range ks {
		if err := backends.CheckKey(ks[i]); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (s *Store) enterData(ctx context.Context, sess backends.Session) error {
	if err := s.enter(ctx, sess.Key); err != nil {
		return err
	}
	if len(sess.Data) > s.opts.MaxData {
		return backends.ErrTooLarge
	}
	return nil
}

func (s *Store) gone(k backends.Key) string { return backends.GoneKey(s.opts.Migration, k).Name }

// Lives of a session as the commands and scripts take them.
const (
	lifeNever = 0
	lifePast  = -1
)

// life is the time to a deadline in ms, rounded up so that a session never
// ends early; lifeNever without a deadline, lifePast where it has passed.
// (Redis refuses PX 0, and a client may take it for "never".)
func life(deadline time.Time) int64 {
	if deadline.IsZero() {
		return lifeNever
	}
	now := time.Now()
	if !deadline.After(now) {
		return lifePast
	}
	ms := deadline.UnixMilli() - now.UnixMilli()
	if now.Nanosecond()%1e6 < deadline.Nanosecond()%1e6 {
		ms++
	}
	return max(ms, 1)
}

// ttlMillis is a time to live in ms, rounded up, at least 1.
func ttlMillis(ttl time.Duration) int64 {
	return max(1, int64((ttl+time.Millisecond-1)/time.Millisecond))
}

// Quiet keeps go-redis from printing to standard error: what it prints is
// returned as errors too. It acts on the whole process, so only a program's
// main may call it.
func Quiet() { goredis.SetLogger(silent{}) }

type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}
