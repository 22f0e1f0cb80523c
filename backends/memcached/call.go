package memcached

import (
	"bufio"
	"sync"

	"github.com/seed-41165957/crossfade/backends/stream"
)

// call is one operation on its way: commands sent in one packet, and what was
// answered.
type call struct {
	flight stream.Flight
	cmds   []command
	ans    []answer
	does   bool // some command changes the store
	got    int  // answers read
}

var _ stream.Call = (*call)(nil)

var calls = sync.Pool{New: func() any {
	c := &call{}
	c.flight = stream.NewFlight(c)
	return c
}}

// newCall gives an empty call; add fills it.
func newCall() *call { return calls.Get().(*call) }

// add puts one more command into the packet.
func (c *call) add(cmd command) *call {
	c.cmds = append(c.cmds, cmd)
	c.does = c.does || cmd.changes()
	return c
}

// free recycles the call; its answers must not be used any more.
func (c *call) free() {
	if cap(c.cmds) > 16 {
		return // one of ReadMany: not worth keeping
	}
	clear(c.cmds)
	clear(c.ans)
	c.flight.Again()
	c.cmds, c.ans, c.does, c.got = c.cmds[:0], c.ans[:0], false, 0
	calls.Put(c)
}

// expect makes room for the answers.
func (c *call) expect() {
	for len(c.ans) < len(c.cmds) {
		c.ans = append(c.ans, answer{})
	}
}

// Flight implements stream.Call, as do all that follow.
func (c *call) Flight() *stream.Flight { return &c.flight }
func (c *call) Changes() bool          { return c.does }
func (c *call) Free()                  { c.free() }

func (c *call) Size() int {
	need := 0
	for i := range c.cmds {
		need += len(c.cmds[i].key) + len(c.cmds[i].data) + overhead
	}
	return need
}

func (c *call) AppendTo(b []byte) []byte {
	c.expect()
	for i := range c.cmds {
		b = c.cmds[i].appendTo(b)
		c.cmds[i].data = nil // the caller's: not ours to keep
	}
	return b
}

func (c *call) Read(br *bufio.Reader, left bool) error {
	for ; c.got < len(c.cmds); c.got++ {
		line, err := readLine(br)
		if err == nil {
			err = c.readAnswer(br, line, left)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
