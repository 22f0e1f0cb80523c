package migrate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

const (
	probeEvery  = 20 * time.Millisecond
	probeWindow = 25 // probes of each store that a judgement looks at: half a second
	// slower is what a store may be slower than when it was quiet before the
	// copy gives way; below noise two answers differ by chance.
	slower = 1.3
	noise  = 300 * time.Microsecond
	// startRate is how fast a copy begins that gives way, and leastRate the
	// slowest that it goes: one that stands still never ends.
	startRate, leastRate = 2000.0, 100.0
)

// pace is how fast a job goes: an upper bound, and below that, where it gives
// way, as fast as both stores stay as quick as they were before. Rates are
// sessions a second; 0 is no bound. It is safe for concurrent use.
type pace struct {
	mu    sync.Mutex // guards what follows
	most  float64
	limit float64   // what the stores allow
	next  time.Time // when the next batch may go
	used  int64     // since the last judgement
	met   bool      // it has given way: from then on it rises slowly
	o     Pace      // not changed
}

// Pace is how fast a job goes.
type Pace struct {
	Rate    float64 `json:"rate,omitempty"`     // sessions a second at most; 0: no bound
	Workers int     `json:"workers,omitempty"`  // that copy at the same time; 0: the default
	GiveWay bool    `json:"give_way,omitempty"` // go slower while a store answers later than before the job began
}

type paceKey struct{}

// WithPace gives the jobs that are begun with ctx a pace of their own.
func WithPace(ctx context.Context, p Pace) context.Context {
	return context.WithValue(ctx, paceKey{}, p)
}

func (m *Migration) paceOf(ctx context.Context) Pace {
	if p, ok := ctx.Value(paceKey{}).(Pace); ok {
		return p
	}
	return m.o.Pace
}

func newPace(o Pace) *pace {
	p := &pace{o: o, most: o.Rate}
	if o.GiveWay {
		p.limit = startRate
	}
	return p
}

func (p *pace) rate() float64 {
	switch {
	case p.limit == 0:
		return p.most
	case p.most == 0:
		return p.limit
	}
	return min(p.most, p.limit)
}

// wait waits until n sessions may go.
func (p *pace) wait(ctx context.Context, n int) error {
	p.mu.Lock()
	p.used += int64(n)
	r := p.rate()
	if r == 0 {
		p.mu.Unlock()
		return ctx.Err()
	}
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(time.Duration(float64(n) / r * float64(time.Second)))
	p.mu.Unlock()
	if left := time.Until(at); left > 0 {
		return pause(ctx, left)
	}
	return ctx.Err()
}

// judge moves the limit: down by a third where a store is slower than it may
// be (busy), else up by a tenth, if the last one was used up; by a half as long
// as it has never given way.
func (p *pace) judge(busy bool, over time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.used
	p.used = 0
	switch {
	case busy:
		p.limit, p.met = max(leastRate, p.limit*2/3), true
	case float64(was) >= 0.8*p.limit*over.Seconds():
		if p.limit *= 1.1; !p.met {
			p.limit *= 1.5 / 1.1
		}
	}
}

// latency is how long one store takes to answer a small question.
type latency struct {
	store backends.Store
	key   backends.Key
	quiet time.Duration // before the copy; or less, if it was since
	last  []time.Duration
}

// probe asks once. What is not answered within a second counts as that.
func (l *latency) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	began := time.Now()
	l.store.Get(ctx, l.key) // the answer does not matter
	l.last = append(l.last, time.Since(began))
	if len(l.last) > probeWindow {
		l.last = l.last[1:]
	}
}

// high is the 9th decile of the window: a single late answer says nothing.
func (l *latency) high() time.Duration {
	s := slices.Clone(l.last)
	slices.Sort(s)
	return s[len(s)*9/10]
}

func (l *latency) busy() bool {
	h := l.high()
	l.quiet = min(l.quiet, h)
	return h > time.Duration(slower*float64(l.quiet)) && h > l.quiet+noise
}

// follow measures both stores while nothing is copied, then moves the pace
// until ctx ends. The first half second is spent before it returns.
func (c *copier) follow(ctx context.Context, wg *sync.WaitGroup) error {
	var ls []*latency
	for _, st := range []backends.Store{c.o.Old.Store, c.o.New.Store} {
		l := &latency{store: st, key: backends.Key{Name: "crossfade:" + c.m.o.Migration + ":probe"}}
		ls = append(ls, l)
	}
	for range probeWindow {
		for _, l := range ls {
			l.probe(ctx)
		}
		if err := pause(ctx, probeEvery); err != nil {
			return err
		}
	}
	for _, l := range ls {
		l.quiet = l.high()
	}
	wg.Go(func() {
		last := time.Now()
		for n := 1; pause(ctx, probeEvery) == nil; n++ {
			for _, l := range ls {
				l.probe(ctx)
			}
			if n%probeWindow == 0 {
				now := time.Now()
				c.pace.judge(ls[0].busy() || ls[1].busy(), now.Sub(last))
				last = now
			}
		}
	})
	return nil
}
