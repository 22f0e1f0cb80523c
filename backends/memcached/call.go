package memcached

import (
	"sync"

	"github.com/seed-41165957/crossfade/backends"
)

// call is one operation on its way: commands sent in one packet, and what was
// answered. It belongs to whoever asked until it is submitted, then to the
// connection's reader until done gets a value, then to whoever asked again; if
// that one has left, the reader recycles it.
type call struct {
	cmds []command
	ans  []answer
	err  error // why there are no answers
	done chan struct{}

	// Of the reader.
	got int // answers read

	// Guarded by conn.mu.
	next     *call
	at, size uint64 // its bytes in the stream of all that went out on the connection
	changes  bool
	answered bool // done has, or is about to get, its value
	left     bool // nobody waits for it any more
	late     bool // it was left because its deadline had passed: it keeps the connection parked
	unknown  *backends.Unknown
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

// newCall gives an empty call; add fills it.
func newCall() *call { return calls.Get().(*call) }

// add puts one more command into the packet.
func (c *call) add(cmd command) *call {
	c.cmds = append(c.cmds, cmd)
	c.changes = c.changes || cmd.changes()
	return c
}

// free recycles the call; its answers must not be used any more.
func (c *call) free() {
	if cap(c.cmds) > 16 {
		return // one of ReadMany: not worth keeping
	}
	clear(c.cmds)
	clear(c.ans)
	*c = call{cmds: c.cmds[:0], ans: c.ans[:0], done: c.done}
	calls.Put(c)
}

// expect makes room for the answers.
func (c *call) expect() {
	for len(c.ans) < len(c.cmds) {
		c.ans = append(c.ans, answer{})
	}
}
