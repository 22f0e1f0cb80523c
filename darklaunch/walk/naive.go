package walk

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Naive walks the usual way to migrate, which none of the rules is in: two
// flags, one for writes to new and one for reads from new, that each agent sees
// at its own time; errors of new ignored; new filled before. It is here to show
// what the rules are for. faults is how many calls to new may fail.
func Naive(ctx context.Context, only Promise, faults int) (Result, error) {
	began := time.Now()
	start := naive{val: [2]uint8{1, 1}, ops: 2, faults: uint8(faults)}
	start.ledger = ledger{writes: 1, started: 1, acked: 1}
	type from struct {
		before naive
		label  string
	}
	seen := map[naive]from{start: {}}
	for level, depth := []naive{start}, 0; len(level) > 0; depth++ {
		var next []naive
		for _, s := range level {
			if ctx.Err() != nil {
				return Result{States: len(seen)}, fmt.Errorf("%w: %w", ErrCut, ctx.Err())
			}
			for _, n := range s.successors() {
				if v := n.broken; v != nil && (only == "" || v.Promise == only) {
					history := []string{n.label + ": " + v.Text}
					for at := s; at != start; at = seen[at].before {
						history = append([]string{seen[at].label}, history...)
					}
					return Result{States: len(seen), Depth: depth + 1, Violation: v, History: history,
						Faults: faults - int(n.s.faults), Took: time.Since(began)}, nil
				}
				if _, ok := seen[n.s]; !ok {
					seen[n.s] = from{s, n.label}
					next = append(next, n.s)
				}
			}
		}
		level = next
	}
	return Result{States: len(seen), Took: time.Since(began)}, nil
}

// naive is one state of that walk.
type naive struct {
	val         [2]uint8
	turned      [2]bool         // the flags as they are: write new, read new
	sees        [agents][2]bool // ... and as each agent has them
	clients     [clients]naiveOp
	ops, faults uint8
	ledger      ledger
}

const writesNew, readsNew = 0, 1

// naiveOp is one operation: the stores that it has still to ask, in order.
type naiveOp struct {
	op    rules.Op
	agent uint8
	val   uint8
	snap  uint8
	todo  [2]uint8 // side+1, 0: none
}

// naiveStep is one step to another state.
type naiveStep struct {
	s      naive
	label  string
	broken *Violation
}

var naiveFlag = [2]string{"writes to new", "reads from new"}

func (s *naive) successors() (out []naiveStep) {
	for f := range s.turned {
		if !s.turned[f] {
			n := *s
			n.turned[f] = true
			out = append(out, naiveStep{s: n, label: "the flag for " + naiveFlag[f] + " is turned on"})
		}
		for a := range s.sees {
			if s.turned[f] && !s.sees[a][f] {
				n := *s
				n.sees[a][f] = true
				out = append(out, naiveStep{s: n, label: agentName(uint8(a)) + " sees the flag for " + naiveFlag[f]})
			}
		}
	}
	for i := range s.clients {
		if s.clients[i].op != rules.None {
			out = s.asks(out, i)
			continue
		}
		if s.ops == 0 || i == 1 && s.clients[0].op == rules.None {
			continue
		}
		for a := range uint8(agents) {
			for _, op := range []rules.Op{rules.Set, rules.Delete} {
				out = append(out, s.begin(i, a, op))
			}
		}
	}
	for a := range uint8(agents) { // what a client that comes now is told
		side := rules.Old
		if s.sees[a][readsNew] {
			side = rules.New
		}
		if v := s.ledger.read(s.val[side], s.ledger.superseded); v != nil {
			out = append(out, naiveStep{s: *s, label: fmt.Sprintf("a client reads at %s, in %s", agentName(a), side), broken: v})
		}
	}
	return out
}

func (s *naive) begin(i int, a uint8, op rules.Op) naiveStep {
	n := *s
	n.ops--
	l := &n.ledger
	l.writes++
	o := naiveOp{op: op, agent: a, val: l.writes, snap: l.acked}
	l.started |= bit(o.val)
	if op == rules.Delete {
		l.deletes |= bit(o.val)
	}
	old, new := uint8(rules.Old)+1, uint8(rules.New)+1
	switch w, r := s.sees[a][writesNew], s.sees[a][readsNew]; {
	case w && r && op == rules.Set:
		o.todo = [2]uint8{new}
	case w:
		o.todo = [2]uint8{new, old}
	default:
		o.todo = [2]uint8{old}
	}
	n.clients[i] = o
	step := naiveStep{s: n, label: fmt.Sprintf("a client at %s %s", agentName(a), asks(op, o.val))}
	if o.todo == [2]uint8{new, old} && !s.sees[a][readsNew] {
		step.broken = &Violation{NewHurtsNobody, "the client waits for new, though old holds its session"}
	}
	return step
}

func (s *naive) asks(out []naiveStep, i int) []naiveStep {
	o := s.clients[i]
	side := rules.Side(o.todo[0] - 1)
	for fails := range 2 {
		if fails == 1 && (side == rules.Old || s.faults == 0) {
			break
		}
		n := *s
		label := fmt.Sprintf("%s sets value %d in %s", agentName(o.agent), o.val, side)
		if o.op == rules.Delete {
			label = fmt.Sprintf("%s deletes the session in %s", agentName(o.agent), side)
		}
		switch {
		case fails == 1:
			n.faults--
			label += ": that fails, and is ignored"
		case o.op == rules.Delete:
			n.val[side] = 0
		default:
			n.val[side] = o.val
		}
		if n.clients[i].todo = [2]uint8{o.todo[1]}; o.todo[1] == 0 {
			n.ledger.ack(o.val, o.snap)
			n.clients[i] = naiveOp{}
			label += "; the client is told: done"
		}
		out = append(out, naiveStep{s: n, label: label})
	}
	return out
}
