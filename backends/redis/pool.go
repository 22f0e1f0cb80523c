package redis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-41165957/crossfade/backends"
)

// pool bounds the lines of one purpose to one server. A token stands for a line that is in
// use or parked; lines are made only by holders of a token who find none idle,
// so there are never more lines than tokens.
type pool struct {
	node   *node
	size   int
	tokens chan struct{}
	parked atomic.Int32

	mu      sync.Mutex
	idle    []*line            // guarded by mu; the last used is last
	lines   map[*line]struct{} // guarded by mu: all
	closed  bool               // guarded by mu: by close or retire
	workers sync.WaitGroup
}

func newPool(n *node, size int) *pool {
	return &pool{node: n, size: size, tokens: make(chan struct{}, size), lines: map[*line]struct{}{}}
}

// take gives a line to its caller alone, until put or drop. Its errors mean
// that nothing was sent.
func (p *pool) take(ctx context.Context) (*line, error) {
	// With half of the connections parked the server is not well: who comes now
	// is told at once, and what is left serves those who hold a line.
	if int(p.parked.Load())*2 >= p.size {
		return nil, backends.ErrBusy
	}
	select {
	case p.tokens <- struct{}{}:
	default:
		select {
		case p.tokens <- struct{}{}:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", backends.ErrBusy, ctx.Err())
		}
	}
	for {
		l := p.pop()
		if l == nil {
			l, err := p.openLine(ctx)
			if err != nil {
				p.release()
			}
			return l, err
		}
		if l.alive() {
			return l, nil
		}
		l.stop()
	}
}

func (p *pool) pop() *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	l := p.idle[n-1]
	p.idle = p.idle[:n-1]
	return l
}

// put gives a usable line back.
func (p *pool) put(l *line) {
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.idle = append(p.idle, l)
	}
	p.mu.Unlock()
	if closed {
		l.stop()
	}
	p.release()
}

// drop ends a line that its caller owns.
func (p *pool) drop(l *line) {
	l.stop()
	p.release()
}

func (p *pool) release() { <-p.tokens }

func (p *pool) add(l *line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.lines[l] = struct{}{}
	p.workers.Add(1)
	return true
}

func (p *pool) remove(l *line) {
	p.mu.Lock()
	delete(p.lines, l)
	p.mu.Unlock()
	p.workers.Done()
}

// open is how many lines there are.
func (p *pool) open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.lines)
}

// close stops all lines and waits for their goroutines.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.idle = nil
	lines := make([]*line, 0, len(p.lines))
	for l := range p.lines {
		lines = append(lines, l)
	}
	p.mu.Unlock()
	for _, l := range lines {
		l.stop()
	}
	p.workers.Wait()
}

// retire lets lines in use, and parked ones, end by themselves.
func (p *pool) retire() {
	p.mu.Lock()
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, l := range idle {
		l.stop()
	}
}
