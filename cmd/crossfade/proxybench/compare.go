package main

import (
	"fmt"
	"slices"
	"time"
)

// way is one of the two that a comparison sets against each other.
type way struct {
	pid     int // of the proxy, for its processor time; 0: none
	addr    string
	speak   func(id string) wire
	clients []*client
	err     error
}

// sample is one run through one way.
type sample struct {
	rate, cpu         float64 // operations a second; processor seconds an operation
	p50, p99          float64 // ns
	reads50, writes50 float64
	reads99           float64
	unanswered        error
}

// pairs has both ways take turns, n times, so that whatever else the machine
// does meets both alike. run measures one turn.
func pairs(n int, a, b *way, run func([]*client) *result) (as, bs []sample) {
	for i := range n {
		// Whoever comes second is not always the same.
		if i%2 == 0 {
			as, bs = append(as, turn(a, run)), append(bs, turn(b, run))
		} else {
			second := turn(b, run)
			as, bs = append(as, turn(a, run)), append(bs, second)
		}
	}
	return as, bs
}

func turn(w *way, run func([]*client) *result) sample {
	before := time.Duration(0)
	if w.pid > 0 {
		before = cpu(w.pid)
	}
	r := run(w.clients)
	s := sample{rate: r.rate(), p50: float64(r.all.ValueAtQuantile(50)), p99: float64(r.all.ValueAtQuantile(99)),
		reads50: float64(r.reads.ValueAtQuantile(50)), writes50: float64(r.writes.ValueAtQuantile(50)),
		reads99: float64(r.reads.ValueAtQuantile(99)), unanswered: r.err}
	if w.pid > 0 && r.done > 0 {
		s.cpu = (cpu(w.pid) - before).Seconds() / float64(r.done)
	}
	if r.err != nil && w.err == nil {
		w.err = r.err
	}
	return s
}

// open connects a way's clients.
func (w *way) open(n int, name string) (err error) {
	w.clients, err = connect(n, w.addr, w.speak, name)
	return err
}

func (w *way) close() { hangUp(w.clients) }

// ratio is the median of the pairs' ratios.
func ratio(as, bs []sample, of func(sample) float64) float64 {
	rs := make([]float64, len(as))
	for i := range as {
		rs[i] = of(as[i]) / of(bs[i])
	}
	slices.Sort(rs)
	if n := len(rs); n%2 == 0 {
		return (rs[n/2-1] + rs[n/2]) / 2
	}
	return rs[len(rs)/2]
}

// median of one side.
func median(ss []sample, of func(sample) float64) float64 {
	vs := make([]float64, len(ss))
	for i, s := range ss {
		vs[i] = of(s)
	}
	slices.Sort(vs)
	return vs[len(vs)/2]
}

func rate(s sample) float64     { return s.rate }
func perOp(s sample) float64    { return s.cpu }
func p50(s sample) float64      { return s.p50 }
func p99(s sample) float64      { return s.p99 }
func reads50(s sample) float64  { return s.reads50 }
func writes50(s sample) float64 { return s.writes50 }

// row prints one line of the table.
func row(what, against string, as, bs []sample, note string) {
	fmt.Printf("| %s | %s | %.2f | %.2f | %.2f | %.2f | %s |\n", what, against,
		ratio(as, bs, rate), ratio(as, bs, p50), ratio(as, bs, p99), ratio(as, bs, perOp), note)
}
