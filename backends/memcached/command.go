package memcached

import "strconv"

// verb is what one command asks of the server.
type verb uint8

const (
	vGet      verb = iota // the value, with flags, token and time left
	vLook                 // the same without the value, its size instead
	vSet                  // write
	vAdd                  // write where there is nothing
	vSwap                 // write where the token is cas
	vBump                 // append nothing: the same session under a new token
	vTouch                // move the deadline
	vDelete               // remove
	vDeleteIf             // remove where the token is cas
)

// command is one command to the server. An operation is a few of them, sent in
// one packet and executed in this order.
type command struct {
	verb  verb
	key   string
	data  []byte
	flags uint32
	exp   int64  // memcached's exptime
	cas   uint64 // for vSwap, vDeleteIf
	token bool   // vSet, vAdd, vSwap: give the new token
}

// changes tells whether the command can change the store.
func (c *command) changes() bool { return c.verb > vLook }

// status is what the server said of one command.
type status uint8

const (
	stOK        status = iota
	stMissing          // no such key
	stExists           // another token than the one given
	stNotStored        // add: there is one already; append: there is none
	stRefused          // SERVER_ERROR: answer.err says which
)

// Time left that is not a number of seconds.
const (
	leftNever   = -1
	leftUnknown = -2 // without meta the server does not say
)

// answer is the server's answer to one command.
type answer struct {
	status status
	data   []byte // vGet; belongs to whoever asked
	size   int    // vLook: of the value
	flags  uint32
	cas    uint64
	left   int64 // seconds, or leftNever, leftUnknown
	err    error // with stRefused
}

// overhead is more than what a command takes beside its key and data.
const overhead = 100

// appendTo encodes the command (protocol.txt, "Meta Commands" and "Storage
// commands"). A conditional write goes out as add, cas or append, not as ms
// with a mode: an ms that finds no memory removes the item that it was not
// allowed to touch (seen with 1.6.18: "ms K n ME" on a live K answers
// SERVER_ERROR out of memory, and K is gone); add, cas and append leave it.
// Only where the new token is wanted in the same answer is it an ms, on a key
// that was seen absent, claimed or our own.
func (c *command) appendTo(b []byte) []byte {
	switch c.verb {
	case vGet:
		b = append(append(b, "mg "...), c.key...)
		return append(b, " k v f c t\r\n"...)
	case vLook:
		b = append(append(b, "mg "...), c.key...)
		return append(b, " s f c t\r\n"...)
	case vTouch:
		b = append(append(b, "mg "...), c.key...)
		b = strconv.AppendInt(append(b, " s f c t T"...), c.exp, 10)
		return append(b, "\r\n"...)
	case vDelete:
		b = append(append(b, "md "...), c.key...)
		return append(b, "\r\n"...)
	case vDeleteIf:
		b = append(append(b, "md "...), c.key...)
		b = strconv.AppendUint(append(b, " C"...), c.cas, 10)
		return append(b, "\r\n"...)
	}
	if c.token {
		b = append(append(b, "ms "...), c.key...)
		b = strconv.AppendInt(append(b, ' '), int64(len(c.data)), 10)
		b = strconv.AppendUint(append(b, " c F"...), uint64(c.flags), 10)
		b = strconv.AppendInt(append(b, " T"...), c.exp, 10)
		switch c.verb {
		case vAdd:
			b = append(b, " ME"...)
		case vSwap:
			b = strconv.AppendUint(append(b, " C"...), c.cas, 10)
		}
	} else {
		switch c.verb {
		case vSet:
			b = append(b, "set "...)
		case vAdd:
			b = append(b, "add "...)
		case vSwap:
			b = append(b, "cas "...)
		case vBump:
			b = append(b, "append "...)
		}
		b = append(b, c.key...)
		b = strconv.AppendUint(append(b, ' '), uint64(c.flags), 10)
		b = strconv.AppendInt(append(b, ' '), c.exp, 10)
		b = strconv.AppendInt(append(b, ' '), int64(len(c.data)), 10)
		if c.verb == vSwap {
			b = strconv.AppendUint(append(b, ' '), c.cas, 10)
		}
	}
	b = append(b, "\r\n"...)
	b = append(b, c.data...)
	return append(b, "\r\n"...)
}
