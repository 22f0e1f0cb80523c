package pair

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

// member is one of the two servers.
type member struct {
	name  string // its address
	store *memcached.Store
	// raw is the same server under a migration without a name: nobody's tombstone
	// stands in the way there, so that a key of any kind can be copied as it is. It
	// has connections of its own, which are free where those of calls are parked.
	raw   *memcached.Store
	notes *backends.Notes

	seen atomic.Int64 // when the record was last asked for, and told; nanoseconds since base

	mu   sync.Mutex // guards what follows
	last told
	note string // why it is not filled; empty: nothing is in the way
}

// told is what a member said when its record was asked for.
type told struct {
	asked int64 // nanoseconds since base; 0: it was not
	rec   record
	found bool
	err   error
}

var base = time.Now()

func since() int64 { return int64(time.Since(base)) }

func newMember(i int, addr string, o Options) *member {
	m := &member{name: addr}
	mo := memcached.Options{Name: addr, DialTimeout: o.DialTimeout}
	if o.Dial != nil {
		mo.Dial = func(ctx context.Context) (net.Conn, error) { return o.Dial(ctx, addr) }
	}
	m.raw = memcached.New(addr, mo)
	mo.Migration = o.Migration
	m.store = memcached.New(addr, mo)
	m.notes, _ = backends.NotesOf(m.raw, o.Migration)
	return m
}

// fresh tells whether the record was read within Lease.
func (m *member) fresh(now int64) bool {
	at := m.seen.Load()
	return at > 0 && now-at < int64(Lease)
}

// read asks for the record. found is false where the member answers and has none.
func (m *member) read(ctx context.Context) (r record, found bool, err error) {
	said := m.notes.Read(ctx, recordName)[0]
	if said.Err != nil || !said.Found {
		return record{}, false, said.Err
	}
	r, err = parseRecord(said.Data)
	return r, err == nil, err
}

func (m *member) tell(t told) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = t
}

func (m *member) told() told {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// refused tells whether nobody listens: the server is dead, not slow.
func refused(err error) bool {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return true
	}
	late := net.Error(nil)
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && op.Op == "dial" && !(errors.As(err, &late) && late.Timeout()) && !errors.Is(err, context.Canceled)
}

// ask reads the record, and keeps what became of it.
func (m *member) ask(ctx context.Context) told {
	t := told{asked: since()}
	t.rec, t.found, t.err = m.read(ctx)
	return t
}
