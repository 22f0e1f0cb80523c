package walk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Options are how a walk is run. The zero value works.
type Options struct {
	// MaxStates ends the walk with ErrCut. 0: 2 billion.
	MaxStates int
	// MaxDepth ends the walk with ErrCut after histories of so many steps. 0: no
	// bound.
	MaxDepth int
	// Workers is how many goroutines walk: 0 is one for each core.
	Workers int
	// Only: the walk passes over what breaks another promise, so that the
	// history is the shortest for this one. Empty: the first that breaks.
	Only Promise
	// Progress is told the number of states from time to time.
	Progress func(states, depth int)
}

// Result is what a walk came to.
type Result struct {
	States    int // distinct states visited
	Depth     int // steps of the longest shortest history
	Violation *Violation
	History   []string // the shortest history that breaks, a step a line
	Faults    int      // faults of calls in it
	Took      time.Duration
}

func (r Result) String() string {
	if r.Violation == nil {
		return fmt.Sprintf("%d states, %d steps deep, every promise held", r.States, r.Depth)
	}
	return fmt.Sprintf("%s\n  %s", r.Violation, strings.Join(r.History, "\n  "))
}

// ErrCut is returned when a walk ended before it had seen all: nothing may be
// concluded from it.
var ErrCut = errors.New("walk: cut short: not every state was visited")

// Run visits every state that the configuration can reach, or stops at the
// first promise that is broken; that is a Result with a Violation, not an
// error.
func Run(ctx context.Context, c Config, o Options) (Result, error) {
	if err := c.validate(); err != nil {
		return Result{}, err
	}
	began := time.Now()
	x := &explorer{cfg: &c, opt: o, seed: maphash.MakeSeed()}
	if x.opt.Workers == 0 {
		x.opt.Workers = runtime.GOMAXPROCS(0)
	}
	if x.opt.MaxStates == 0 {
		x.opt.MaxStates = 2_000_000_000
	}
	r, err := x.run(ctx)
	r.Took = time.Since(began)
	if err == nil && r.Violation != nil {
		err = x.history(&r)
	}
	return r, err
}

func (c *Config) validate() error {
	if len(c.Path) == 0 || len(c.Path) > 12 {
		return errors.New("walk: a path has 1 to 12 phases")
	}
	least := 1
	if c.fleet() { // what the promises rest on is looked at without a client
		least = 0
	}
	if c.Ops < least || c.Ops > 5 || c.Late > lateSize {
		return fmt.Errorf("walk: 1 to 5 operations and at most %d late calls, got %d and %d", lateSize, c.Ops, c.Late)
	}
	return nil
}

const shards = 256

// explorer is a breadth-first search, so that the first history that breaks is
// a shortest one.
type explorer struct {
	cfg  *Config
	opt  Options
	seed maphash.Seed
	seen [shards]struct {
		mu  sync.Mutex
		set set
	}
	mu     sync.Mutex // guards what follows
	next   [][]state
	found  *Violation
	broken state // the state whose step breaks, or that is broken
	levels int
}

func (x *explorer) hash(s *state) uint64 { return maphash.Bytes(x.seed, bytesOf(s)) }

// add tells whether the state is new.
func (x *explorer) add(s *state) bool {
	h := x.hash(s)
	sh := &x.seen[h%shards]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.set.add(h | 1<<63) // never 0, the mark of an empty place
}

func (x *explorer) states() int {
	n := 0
	for i := range x.seen {
		n += x.seen[i].set.n
	}
	return n
}

func (x *explorer) walker() *walker {
	w := &walker{cfg: x.cfg, only: x.opt.Only}
	for _, p := range x.cfg.Path {
		w.env = append(w.env, x.cfg.env(p))
	}
	return w
}

const chunk = 1024 // states a worker takes at a time, and hands on

func (x *explorer) run(ctx context.Context) (Result, error) {
	var s state
	s.begin(x.cfg)
	x.add(&s)
	level := [][]state{{s}}
	for len(level) > 0 {
		x.next = nil
		x.walkLevel(ctx, level)
		r := Result{States: x.states(), Depth: x.levels, Violation: x.found}
		if x.found != nil {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, fmt.Errorf("%w after %d states: %w", ErrCut, r.States, ctx.Err())
		}
		if r.States > x.opt.MaxStates {
			return r, fmt.Errorf("%w after %d states", ErrCut, r.States)
		}
		if x.opt.MaxDepth > 0 && x.levels+1 >= x.opt.MaxDepth {
			return r, fmt.Errorf("%w after histories of %d steps", ErrCut, x.opt.MaxDepth)
		}
		if x.opt.Progress != nil {
			x.opt.Progress(r.States, r.Depth)
		}
		if len(x.next) > 0 {
			x.levels++
		}
		level = x.next
	}
	return Result{States: x.states(), Depth: x.levels}, nil
}

func (x *explorer) walkLevel(ctx context.Context, level [][]state) {
	var wg sync.WaitGroup
	work := make(chan []state, len(level))
	for _, l := range level {
		work <- l
	}
	close(work)
	for range x.opt.Workers {
		wg.Go(func() {
			w := x.walker()
			var mine []state
			for states := range work {
				for i := range states {
					w.successors(&states[i])
					if w.broken != nil {
						x.report(w, &states[i])
						return
					}
					for j := range w.out {
						if x.add(&w.out[j]) {
							mine = append(mine, w.out[j])
						}
					}
					if len(mine) >= chunk {
						x.hand(mine)
						mine = make([]state, 0, chunk+64)
					}
				}
				if ctx.Err() != nil || x.isFound() {
					return
				}
			}
			x.hand(mine)
		})
	}
	wg.Wait()
}

func (x *explorer) hand(states []state) {
	if len(states) == 0 {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.next = append(x.next, states)
}

func (x *explorer) report(w *walker, s *state) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.found == nil {
		x.found, x.broken = w.broken, *s
	}
}

func (x *explorer) isFound() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.found != nil
}

// history finds the steps to the broken state: it walks once more, alone, and
// keeps where each state came from.
func (x *explorer) history(r *Result) error {
	type node struct {
		s    state
		from int32
	}
	var s state
	s.begin(x.cfg)
	nodes := []node{{s, -1}}
	seen := map[uint64]bool{x.hash(&s): true}
	w := x.walker()
	for i := 0; i < len(nodes); i++ {
		here := nodes[i].s
		w.successors(&here)
		if w.broken != nil {
			w.explain = true
			var path []int32
			for at := int32(i); at >= 0; at = nodes[at].from {
				path = append([]int32{at}, path...)
			}
			for k, at := range path {
				from := nodes[at].s
				w.successors(&from)
				if k == len(path)-1 {
					r.History = append(r.History, w.labels[len(w.labels)-1])
					last := w.out[len(w.out)-1]
					r.Faults = x.cfg.Faults - int(last.faults)
					r.Violation = w.broken
					break
				}
				want := nodes[path[k+1]].s
				for j := range w.out {
					if w.out[j] == want {
						r.History = append(r.History, w.labels[j])
						break
					}
				}
			}
			return nil
		}
		for j := range w.out {
			if h := x.hash(&w.out[j]); !seen[h] {
				seen[h] = true
				nodes = append(nodes, node{w.out[j], int32(i)})
			}
		}
		if len(nodes) > 40_000_000 {
			return errors.New("walk: the history is too far to find again")
		}
	}
	return errors.New("walk: the broken state was not found again")
}
