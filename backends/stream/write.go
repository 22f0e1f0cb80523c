package stream

import "runtime"

// flush writes until nothing is left. The caller has set writing. Before each
// packet whoever is ready to run adds his to it: ten calls in a packet cost both
// programs a tenth of the system calls, and where nobody is ready nobody waits.
func (cn *Conn) flush() {
	for turn := 0; ; turn++ {
		runtime.Gosched()
		buf := cn.take()
		if len(buf) == 0 {
			return
		}
		if cn.sock == nil || turn == turns {
			cn.handOver(buf, 0)
			return
		}
		n, err := cn.sock.WriteNow(buf)
		if err != nil {
			cn.Fail(err)
			return
		}
		if n < len(buf) {
			cn.handOver(buf, n)
			return
		}
		cn.giveBack(buf)
	}
}

// take gives what is to be written, or ends the writing.
func (cn *Conn) take() []byte {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	buf := cn.out
	if len(buf) == 0 || cn.err != nil {
		cn.writing = false
		return nil
	}
	cn.sent = cn.queued // before it is: a call must never be thought unsent that was sent
	cn.out, cn.spare = cn.spare[:0], nil
	return buf
}

func (cn *Conn) giveBack(buf []byte) {
	if cap(buf) > spareMax {
		return
	}
	cn.mu.Lock()
	cn.spare = buf[:0]
	cn.mu.Unlock()
}

// handOver lets a goroutine wait for the socket. It ends when all is written
// or the connection is closed.
func (cn *Conn) handOver(buf []byte, from int) {
	cn.mu.Lock()
	defer cn.mu.Unlock()
	if cn.err != nil {
		return
	}
	cn.p.wg.Add(1) // the reader still counts, so nobody has done waiting
	go func() {
		defer cn.p.wg.Done()
		for ; len(buf) > 0; buf, from = cn.take(), 0 {
			if _, err := cn.nc.Write(buf[from:]); err != nil {
				cn.Fail(err)
				return
			}
			cn.giveBack(buf)
			runtime.Gosched()
		}
	}()
}
