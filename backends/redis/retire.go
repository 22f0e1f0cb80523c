package redis

import (
	"errors"
	"sync"
)

// retirees are nodes that have been replaced and still hold parked connections.
type retirees struct {
	mu   sync.Mutex
	list []*node // guarded by mu
}

func (r *retirees) add(n *node) {
	n.retire()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, n)
}

// held gives those with connections, and forgets the others.
func (r *retirees) held() []*node {
	r.mu.Lock()
	defer r.mu.Unlock()
	var held []*node
	for _, n := range r.list {
		if open, _ := n.lines(); open > 0 {
			held = append(held, n)
		} else {
			n.close()
		}
	}
	r.list = held
	return append([]*node(nil), held...)
}

func (r *retirees) close() (err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.list {
		err = errors.Join(err, n.close())
	}
	r.list = nil
	return err
}

// leave closes what is parked: those servers' changes count no more.
func (r *retirees) leave() {
	for _, n := range r.held() {
		n.leave()
	}
}
