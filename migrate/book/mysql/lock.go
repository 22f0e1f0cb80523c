package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// lock is a row of crossfade_lock that is renewed while it is held.
type lock struct {
	b           *Book
	name, owner string
	stop        context.CancelFunc
	done        chan struct{} // closed when the renewal has ended
	once        sync.Once
	lost        chan struct{}
}

// TryLock takes a lock whose last owner gave it back, or was not heard of for a
// lease.
func (b *Book) TryLock(ctx context.Context, name string) (book.Lock, error) {
	l := &lock{b: b, name: name, owner: newOwner(), done: make(chan struct{}), lost: make(chan struct{})}
	asked := time.Now()
	taken, err := l.take(ctx)
	if err == nil && !taken {
		// There may be no row yet. One that is there is not touched: two who did
		// would wait for each other.
		if _, err = b.exec(ctx, "INSERT IGNORE INTO crossfade_lock (migration, name, owner, ends) SELECT ?, ?, '', '1970-01-02' FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM crossfade_lock WHERE migration = ? AND name = ?)",
			b.o.Migration, name, b.o.Migration, name); err == nil {
			asked = time.Now()
			taken, err = l.take(ctx)
		}
	}
	if err != nil || !taken {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	l.stop = stop
	go l.renew(run, asked)
	return l, nil
}

func (l *lock) take(ctx context.Context) (bool, error) {
	n, err := l.b.exec(ctx, "UPDATE crossfade_lock SET owner = ?, ends = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE migration = ? AND name = ? AND ends <= UTC_TIMESTAMP(6)",
		l.owner, l.b.o.Lease.Microseconds(), l.b.o.Migration, l.name)
	return n == 1, err
}

// exec is a change of one statement, and tells how many rows it found.
func (b *Book) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = b.change(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, query, args...)
		if err == nil {
			n, err = r.RowsAffected()
		}
		return err
	})
	return n, err
}

// renew keeps the lock until it is released. Three renewals fit into a lease. It
// is given up by this process's own clock before the database can give it to
// somebody else: the lease counts from before the renewal was asked for, and ends
// a tenth early, since a busy machine's timers are late.
func (l *lock) renew(ctx context.Context, asked time.Time) {
	defer close(l.done)
	every := l.b.o.Lease / 3
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		left := time.Until(asked.Add(l.b.o.Lease - l.b.o.Lease/10))
		call, cancel := context.WithTimeout(ctx, max(left, 0))
		begun := time.Now()
		r, err := l.b.db.ExecContext(call, "UPDATE crossfade_lock SET ends = UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND WHERE migration = ? AND name = ? AND owner = ? AND ends > UTC_TIMESTAMP(6)",
			l.b.o.Lease.Microseconds(), l.b.o.Migration, l.name, l.owner)
		cancel()
		if err == nil {
			if n, err := r.RowsAffected(); err == nil && n == 0 {
				l.lose()
				return
			}
			asked, every = begun, l.b.o.Lease/3
			continue
		}
		if every = l.b.o.Lease / 10; time.Until(asked.Add(l.b.o.Lease)) <= every {
			l.lose()
			return
		}
	}
}

func (l *lock) lose() { l.once.Do(func() { close(l.lost) }) }

func (l *lock) gone() bool {
	select {
	case <-l.lost:
		return true
	default:
		return false
	}
}

// Lost is closed when the lock is no longer held.
func (l *lock) Lost() <-chan struct{} { return l.lost }

// stands locks the row while it is the owner's.
func (l *lock) stands(ctx context.Context, tx *sql.Tx) error {
	var one int
	err := tx.QueryRowContext(ctx, "SELECT 1 FROM crossfade_lock WHERE migration = ? AND name = ? AND owner = ? AND ends > UTC_TIMESTAMP(6) FOR UPDATE",
		l.b.o.Migration, l.name, l.owner).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return book.ErrLost
	}
	return err
}

// Release gives the lock back; where the database does not answer, its lease
// runs out.
func (l *lock) Release() {
	l.stop()
	<-l.done
	if l.gone() {
		return
	}
	l.lose()
	ctx, cancel := context.WithTimeout(context.Background(), l.b.o.Lease)
	defer cancel()
	l.b.db.ExecContext(ctx, "UPDATE crossfade_lock SET owner = '', ends = '1970-01-02' WHERE migration = ? AND name = ? AND owner = ?", l.b.o.Migration, l.name, l.owner)
}

func statements(ddl string) (out []string) {
	for _, s := range strings.Split(ddl, ";\n") {
		if strings.TrimSpace(s) != "" {
			out = append(out, s)
		}
	}
	return out
}
