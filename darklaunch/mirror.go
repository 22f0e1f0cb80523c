package darklaunch

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// mirrorLanes is how many sessions' writes are on their way at one time. One
// session's go through one lane, in their order.
const mirrorLanes = 32

// mirror is the queue of writes for the store that does not decide. It is
// bounded in operations and bytes; what does not fit makes its session dirty.
type mirror struct {
	lanes      [mirrorLanes]chan *operation
	most       int64
	mostBytes  int64
	operations atomic.Int64
	bytes      atomic.Int64
	dropped    atomic.Int64
	lag        atomic.Int64 // nanoseconds that the one delivered last had waited

	mu     sync.RWMutex // guards closed, and the lanes against sends after close
	closed bool
}

func newMirror(most, mostBytes int) *mirror {
	m := &mirror{most: int64(most), mostBytes: int64(mostBytes)}
	for i := range m.lanes {
		m.lanes[i] = make(chan *operation, most)
	}
	return m
}

func (m *mirror) length() int64 { return m.operations.Load() }

func (m *mirror) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for i := range m.lanes {
		close(m.lanes[i])
	}
}

func (m *mirror) ended() bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.closed
}

// push queues an operation, or tells that it does not fit.
func (m *mirror) push(op *operation) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	size := int64(len(op.write.Data)) + 256
	if m.closed {
		return false
	}
	if m.operations.Add(1) > m.most {
		m.operations.Add(-1)
		return false
	}
	if m.bytes.Add(size) > m.mostBytes {
		m.bytes.Add(-size)
		m.operations.Add(-1)
		return false
	}
	m.lanes[op.hash[1]%mirrorLanes] <- op // a lane holds as many as the queue: never blocks
	return true
}

func (m *mirror) popped(op *operation) {
	m.operations.Add(-1)
	m.bytes.Add(-int64(len(op.write.Data)) - 256)
}

// enqueue queues the copy of an acknowledged write. The session's write lock is
// held, so that the order in the queue is the order of the writes.
func (l *Layer) enqueue(op *operation) {
	kind := rules.MirrorSet
	switch op.became(op.m.Op(), rules.Done) {
	case rules.Delete:
		kind = rules.MirrorDelete
	case rules.Touch:
		kind = rules.MirrorTouch
	}
	q := &operation{l: l, era: op.era.keep(), at: op.at, ref: op.ref, hash: op.hash, purpose: Mirror,
		write: op.write, deadline: op.deadline, queued: time.Now()}
	if l.taken { // else it is a copy already
		q.write.Data = bytes.Clone(q.write.Data)
	}
	q.m = rules.Start(kind, op.at.Position, l.env(op.at))
	l.table.queuedOne(op.hash, op.ref, 1)
	if l.mirror.push(q) {
		return
	}
	q.era.release()
	l.table.queuedOne(op.hash, op.ref, -1)
	l.mirror.dropped.Add(1)
	l.seen(op.ref).MirrorDropped()
	l.soil(op.hash, op.ref, mirrorTarget(op.at.Position))
}

// mirrorTarget is the store that a mirrored write goes to.
func mirrorTarget(p position.Position) rules.Side {
	if p == position.Cutover {
		return rules.Old
	}
	return rules.New
}

// mirrorTick is how often mirrored writes go out: those of all lanes together,
// so that they share packets, and wake the other server and this process once
// in a while, not beside each request that users wait for.
const mirrorTick = 2 * time.Millisecond

// next gives what is to be delivered, at the next tick where there was nothing.
func (m *mirror) next(lane int) (op *operation, ok bool) {
	select {
	case op, ok = <-m.lanes[lane]:
		return op, ok
	default:
	}
	if op, ok = <-m.lanes[lane]; ok && !m.ended() {
		now := time.Now()
		time.Sleep(now.Truncate(mirrorTick).Add(mirrorTick).Sub(now))
	}
	return op, ok
}

// deliver empties one lane until it is closed.
func (l *Layer) deliver(lane int) {
	for op, ok := l.mirror.next(lane); ok; op, ok = l.mirror.next(lane) {
		now := time.Now()
		l.mirror.lag.Store(int64(now.Sub(op.queued)))
		op.notAfter = now.Add(l.o.CopyTimeout)
		if l.mirror.ended() {
			l.soil(op.hash, op.ref, mirrorTarget(op.at.Position))
		} else {
			op.run()
		}
		l.mirror.popped(op)
		l.table.queuedOne(op.hash, op.ref, -1)
		op.era.release()
	}
}
