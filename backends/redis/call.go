package redis

import (
	"bufio"
	"strconv"
	"sync"

	"github.com/seed-41165957/crossfade/backends/stream"
)

// call is one packet of commands, and their answers.
type call struct {
	flight stream.Flight
	buf    []byte // the packet
	cmds   int    // commands in it
	skip   int    // of those, how many are none of the asker's (ASKING)
	does   bool   // it may change the server
	ans    []reply
	got    int // answers read
}

var _ stream.Call = (*call)(nil)

var calls = sync.Pool{New: func() any {
	c := &call{}
	c.flight = stream.NewFlight(c)
	return c
}}

// keepBuffer is the largest packet whose memory is kept for the next.
const keepBuffer = 64 << 10

// newCall gives an empty call; cmd and what follows it fill it.
func newCall(changes bool) *call {
	c := calls.Get().(*call)
	c.does = changes
	return c
}

// cmd begins a command of so many words, its name included.
func (c *call) cmd(words int, name string) *call {
	c.cmds++
	c.buf = append(c.buf, '*')
	c.buf = strconv.AppendInt(c.buf, int64(words), 10)
	c.buf = append(c.buf, '\r', '\n')
	return c.str(name)
}

func (c *call) head(n int) {
	c.buf = append(c.buf, '$')
	c.buf = strconv.AppendInt(c.buf, int64(n), 10)
	c.buf = append(c.buf, '\r', '\n')
}

// str adds a word.
func (c *call) str(s string) *call {
	c.head(len(s))
	c.buf = append(append(c.buf, s...), '\r', '\n')
	return c
}

// bytes adds a word, of which nothing is kept.
func (c *call) bytes(b []byte) *call {
	c.head(len(b))
	c.buf = append(append(c.buf, b...), '\r', '\n')
	return c
}

// num adds a number.
func (c *call) num(n int64) *call {
	var b [20]byte
	return c.bytes(strconv.AppendInt(b[:0], n, 10))
}

// strs adds words.
func (c *call) strs(ss ...string) *call {
	for _, s := range ss {
		c.str(s)
	}
	return c
}

// answer is what the i-th command was answered.
func (c *call) answer(i int) *reply { return &c.ans[c.skip+i] }

// err is the first error among the answers; one that aborted a transaction only
// where nothing else says why.
func (c *call) err() error {
	var aborted error
	for i := range c.ans {
		if err := c.ans[i].err(); err != nil && !isAbort(err) {
			return err
		} else if err != nil {
			aborted = err
		}
	}
	return aborted
}

// Flight implements stream.Call, as do all that follow.
func (c *call) Flight() *stream.Flight   { return &c.flight }
func (c *call) Changes() bool            { return c.does }
func (c *call) Size() int                { return len(c.buf) }
func (c *call) AppendTo(b []byte) []byte { return append(b, c.buf...) }

func (c *call) Read(br *bufio.Reader, left bool) error {
	for ; c.got < c.cmds; c.got++ {
		if c.got == len(c.ans) {
			c.ans = append(c.ans, reply{})
		}
		if err := readReply(br, &c.ans[c.got], left); err != nil {
			return err
		}
	}
	for i := range c.ans {
		if c.ans[i].kind == '-' && givesUp(c.ans[i].err()) {
			return stream.ErrRetire
		}
	}
	return nil
}

// Free recycles the call; its answers must not be used any more, but for their
// bytes.
func (c *call) Free() {
	if cap(c.buf) > keepBuffer || cap(c.ans) > 64 {
		return
	}
	clear(c.ans)
	c.flight.Again()
	c.buf, c.ans, c.cmds, c.skip, c.got, c.does = c.buf[:0], c.ans[:0], 0, 0, 0, false
	calls.Put(c)
}
