package control

import (
	"bytes"
	"context"
	"sync"

	"github.com/seed-41165957/crossfade/migrate/book"
)

// board holds the newest flags and tells whoever gives them to an agent.
type board struct {
	b book.Book

	mu      sync.Mutex // guards what follows
	data    []byte
	changed chan struct{} // closed when data is another
}

func newBoard(b book.Book) *board { return &board{b: b, changed: make(chan struct{})} }

// run looks again and again: another process may have published.
func (b *board) run(ctx context.Context) {
	for ctx.Err() == nil {
		b.look(ctx)
		sleep(ctx, boardEvery)
	}
}

func (b *board) look(ctx context.Context) {
	data, err := b.b.Load(ctx, book.Flags)
	if err != nil || data == nil {
		return // what was known stays
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !bytes.Equal(data, b.data) {
		b.data = data
		close(b.changed)
		b.changed = make(chan struct{})
	}
}

// now gives the flags, nil before any are known, and a channel that is closed
// when there are others.
func (b *board) now() ([]byte, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data, b.changed
}
