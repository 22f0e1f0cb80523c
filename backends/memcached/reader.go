package memcached

import (
	"bufio"
	"io"
)

// read matches answers to calls until the connection ends.
func (cn *conn) read() {
	br := cn.br
	defer cn.end()
	for {
		line, err := readLine(br)
		if err != nil {
			cn.fail(err)
			return
		}
		cn.mu.Lock()
		c := cn.first
		left := c != nil && c.left
		if c != nil && c.at >= cn.sent {
			c = nil // an answer to what was not asked yet
		}
		cn.mu.Unlock()
		if c == nil {
			cn.fail(errProtocol)
			return
		}
		if err := cn.readAnswer(br, line, c, left); err != nil {
			cn.fail(err)
			return
		}
		if c.got++; c.got == len(c.cmds) {
			cn.finish(c)
		}
	}
}

func (cn *conn) readAnswer(br *bufio.Reader, line []byte, c *call, left bool) error {
	a := &c.ans[c.got]
	size, err := parseAnswer(line, &c.cmds[c.got], a)
	if err != nil || size < 0 {
		return err
	}
	if left {
		_, err = br.Discard(size)
	} else {
		a.data, err = readValue(br, size)
	}
	if err != nil {
		return err
	}
	var end [2]byte
	if end[0], err = br.ReadByte(); err == nil {
		end[1], err = br.ReadByte()
	}
	if err == nil && string(end[:]) != "\r\n" {
		err = errProtocol
	}
	return err
}

// readLine reads a line without its end; it is good until the next read.
func readLine(br *bufio.Reader) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if err != nil {
		if err == bufio.ErrBufferFull {
			err = errProtocol
		}
		return nil, err
	}
	n := len(line)
	if n < 2 || line[n-2] != '\r' || n > maxLine {
		return nil, errProtocol
	}
	return line[:n-2], nil
}

// readValue reads size bytes. A server that only promises many does not get
// the memory for them before they come.
func readValue(br *bufio.Reader, size int) ([]byte, error) {
	const step = 1 << 20
	data := make([]byte, min(size, step))
	_, err := io.ReadFull(br, data)
	for err == nil && len(data) < size {
		from := len(data)
		data = append(data, make([]byte, min(size-from, max(step, from)))...)
		_, err = io.ReadFull(br, data[from:])
	}
	return data, err
}

// finish hands the answers to whoever waits, or ends a doubt. The call is the
// first of the connection.
func (cn *conn) finish(c *call) {
	cn.mu.Lock()
	cn.first = c.next
	if cn.first == nil {
		cn.last = nil
	}
	c.next = nil
	cn.load.Add(-1)
	if !c.left {
		c.answered = true
		cn.mu.Unlock()
		c.done <- struct{}{}
		return
	}
	if c.late {
		if cn.late--; cn.late == 0 && cn.err == nil {
			cn.parked.Store(false)
		}
	}
	cn.mu.Unlock()
	if c.unknown != nil {
		c.unknown.Resolve()
	}
	c.free()
}
