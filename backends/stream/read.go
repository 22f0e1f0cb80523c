package stream

// read matches answers to calls until the connection ends.
func (cn *Conn) read() {
	defer cn.end()
	for {
		if _, err := cn.br.Peek(1); err != nil {
			cn.Fail(err)
			return
		}
		cn.mu.Lock()
		f := cn.first
		left := f != nil && f.left
		if f != nil && f.at >= cn.sent {
			f = nil // an answer to what was not asked yet
		}
		cn.mu.Unlock()
		if f == nil {
			cn.Fail(ErrProtocol)
			return
		}
		err := f.call.Read(cn.br, left)
		if err != nil && err != ErrRetire {
			cn.Fail(err)
			return
		}
		cn.finish(f, err == ErrRetire)
	}
}

// finish hands the answers to whoever waits, or ends a doubt. The call is the
// first of the connection.
func (cn *Conn) finish(f *Flight, retire bool) {
	cn.mu.Lock()
	cn.first = f.next
	if cn.first == nil {
		cn.last = nil
	}
	f.next = nil
	cn.load.Add(-1)
	if retire {
		cn.retired = true
		cn.parked.Store(true)
	}
	over := cn.retired && cn.first == nil
	if !f.left {
		f.answered = true
		cn.mu.Unlock()
		f.done <- nil
	} else {
		if f.late {
			if cn.late--; cn.late == 0 && cn.err == nil && !cn.retired {
				cn.parked.Store(false)
			}
		}
		cn.mu.Unlock()
		if f.unknown != nil {
			f.unknown.Resolve()
		}
		if !f.woken { // else who waited may not have looked yet
			f.call.Free()
		}
	}
	if over {
		cn.Fail(ErrLost)
	}
}
