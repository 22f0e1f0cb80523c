package migrate

import "sync"

// front is how far a scan has come for good: up to the first page of which
// something is not done.
type front struct {
	mu    sync.Mutex // guards all
	pages []*page    // in the order in which they were listed
	start string     // where the scan began
	place string
}

// page is what a scan listed at once.
type page struct {
	next   string // the place behind it; empty: none can be had
	left   int    // batches that are not done
	failed bool
}

// begin notes a page of so many batches.
func (f *front) begin(next string, batches int) *page {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := &page{next: next, left: batches}
	f.pages = append(f.pages, p)
	if batches == 0 {
		f.move()
	}
	return p
}

// finish notes that a batch is over, and whether it is done for good. It tells
// whether the front has moved.
func (f *front) finish(p *page, done bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.left--
	p.failed = p.failed || !done
	return f.move()
}

func (f *front) move() (moved bool) {
	for len(f.pages) > 0 && f.pages[0].left == 0 && !f.pages[0].failed {
		if f.pages[0].next != "" {
			f.place, moved = f.pages[0].next, true
		}
		f.pages = f.pages[1:]
	}
	return moved
}

// empty tells whether all that was listed is done for good.
func (f *front) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.pages) == 0
}

func (f *front) at() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.place
}
