package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// beat is how often a copier says that it is there.
const beat = time.Second

// Copying is what a copier says of itself beside the flag file.
type Copying struct {
	Version int       `json:"version"`
	Job     string    `json:"job"`
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Began   time.Time `json:"began"`
	Beat    time.Time `json:"beat"`
	Ended   bool      `json:"ended"`
	Done    int64     `json:"done"`
	Total   int64     `json:"total"`
}

// lease is held by whoever copies, so that no revision is published meanwhile.
// The lock ends with the process, also while it is stopped; the record beside it
// says who it is, and whether what it sent last may still arrive.
type lease struct {
	m    *Migration
	lock book.Lock
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu  sync.Mutex // guards rec
	rec Copying
}

// still takes the copier's lock for a moment, to see that nobody copies.
func (m *Migration) still(ctx context.Context) (book.Lock, error) {
	lock, err := m.o.Book.TryLock(ctx, book.Copy)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	was, _ := m.copying()
	if lock == nil {
		return nil, refuse(GateCopier, "wait until it is done, or end it", "%s", was.text())
	}
	// One that died may have sent a batch that the store refuses only when the
	// copy's own time is over.
	if left := time.Until(was.Beat.Add(m.copyMost() + beat)); !was.Ended && was.PID != 0 && left > 0 {
		if err := pause(ctx, left); err != nil {
			lock.Release()
			return nil, err
		}
	}
	return lock, nil
}

// copying reads who copies, or copied last.
func (m *Migration) copying() (c Copying, ok bool) {
	data, err := m.page(book.Copier)
	if err != nil || data == nil || json.Unmarshal(data, &c) != nil {
		return Copying{}, false
	}
	return c, true
}

func (c *Copying) text() string {
	if c.PID == 0 {
		return "a copy is running"
	}
	return fmt.Sprintf("a %s is running since %s (process %d on %s)", c.Job, c.Began.Format(time.TimeOnly), c.PID, c.Host)
}

// take takes the lease for a job.
func (m *Migration) take(ctx context.Context, job string) (*lease, error) {
	lock, err := m.still(ctx)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	l := &lease{m: m, lock: lock, rec: Copying{Version: 1, Job: job, Host: host, PID: os.Getpid(), Began: time.Now().UTC()}}
	if err := l.save(false); err != nil {
		lock.Release()
		return nil, err
	}
	ctx, l.stop = context.WithCancel(ctx)
	l.wg.Go(func() {
		for pause(ctx, beat) == nil {
			l.save(false) // the lock is what counts; the next beat tries again
		}
	})
	return l, nil
}

func (l *lease) progress(done, total int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rec.Done, l.rec.Total = done, total
}

func (l *lease) save(ended bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rec.Beat, l.rec.Ended = time.Now().UTC(), ended
	data, err := json.Marshal(l.rec)
	if err != nil {
		return fmt.Errorf("migrate: the copier's page: %w", err)
	}
	return l.m.write(l.lock, book.Copier, append(data, '\n'))
}

// release gives the lease back. settled: nothing that was sent can still
// arrive.
func (l *lease) release(settled bool) {
	l.stop()
	l.wg.Wait()
	l.save(settled)
	l.lock.Release()
}
