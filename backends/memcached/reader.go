package memcached

import (
	"bufio"
	"io"
)

func (c *call) readAnswer(br *bufio.Reader, line []byte, left bool) error {
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
