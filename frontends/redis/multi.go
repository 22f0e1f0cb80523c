package redis

import (
	"bytes"
	"context"
	"strings"
)

// transaction is what a client has queued since MULTI. EXEC carries it out one
// after the other: it is a batch, and not one change of several sessions. So
// WATCH is refused (refusals), since EXEC could not keep what it promises.
type transaction struct {
	queue  []queued
	size   int  // of the queue in memory, about
	broken bool // a command was refused: EXEC carries out nothing
}

type queued struct {
	do   func(*handler, context.Context) error
	args [][]byte
}

const (
	// queueValues is how many of the largest values a queue holds.
	queueValues = 4
	// queueCost is what an argument costs beside its bytes: its slice, and its
	// share of the lists.
	queueCost = 64

	errLongTx  = "ERR transaction is too long for crossfade: send it in parts"
	errAborted = "EXECABORT Transaction discarded because of previous errors."
)

// reject answers a command that is not even queued.
func (h *handler) reject(text string) error {
	if h.tx != nil {
		h.tx.spoil()
	}
	return h.fault(text)
}

// rejectCommand is reject of a command that is served. An EXEC that is rejected
// ends the transaction, also one that there is not.
func (h *handler) rejectCommand(name, text string) error {
	if name != "exec" {
		return h.reject(text)
	}
	h.tx = nil
	return h.fault("EXECABORT Transaction discarded because of: " + strings.TrimPrefix(text, "ERR "))
}

// spoil has EXEC refuse. What was queued is of no use any more.
func (t *transaction) spoil() { *t = transaction{broken: true} }

func (h *handler) enqueue(do func(*handler, context.Context) error) error {
	t := h.tx
	if t.broken {
		return h.simple("+QUEUED\r\n") // as Redis does; it need not be kept
	}
	for _, arg := range h.args {
		t.size += len(arg) + queueCost
	}
	if t.size > queueValues*h.c.Options.Value {
		return h.reject(errLongTx)
	}
	args := make([][]byte, len(h.args))
	for i, arg := range h.args {
		args[i] = bytes.Clone(arg)
	}
	t.queue = append(t.queue, queued{do, args})
	return h.simple("+QUEUED\r\n")
}

func (h *handler) multi(context.Context) error {
	if h.tx != nil {
		return h.fault("ERR MULTI calls can not be nested")
	}
	h.tx = &transaction{}
	return h.ok()
}

// exec answers all that was queued. An error of one command is its answer, and
// the others are carried out, as Redis does.
func (h *handler) exec(ctx context.Context) error {
	t := h.tx
	h.tx = nil
	switch {
	case t == nil:
		return h.fault("ERR EXEC without MULTI")
	case t.broken:
		return h.fault(errAborted)
	}
	h.number('*', int64(len(t.queue)))
	for _, q := range t.queue {
		h.args = q.args
		if err := q.do(h, ctx); err != nil {
			return err
		}
	}
	h.args, h.ends = nil, nil // they are the queue's
	return nil
}

func (h *handler) discard(context.Context) error {
	if h.tx == nil {
		return h.fault("ERR DISCARD without MULTI")
	}
	h.tx = nil
	return h.ok()
}

// unwatch is UNWATCH: nothing is.
func (h *handler) unwatch(context.Context) error { return h.ok() }
