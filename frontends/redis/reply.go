package redis

import "strconv"

// Replies. Each returns nil, so that it can be what a command returns. Those
// that RESP2 and RESP3 write differently look at h.resp.

const crlf = "\r\n"

func (h *handler) simple(s string) error {
	h.c.WriteString(s)
	return nil
}

func (h *handler) fault(text string) error {
	b := append(h.c.Buffer(), '-')
	b = append(b, text...)
	h.c.KeepBuffer(append(b, crlf...))
	return nil
}

// number is a number, or of an array, a map or a bulk how long it is.
func (h *handler) number(kind byte, n int64) error {
	b := append(h.c.Buffer(), kind)
	b = strconv.AppendInt(b, n, 10)
	h.c.KeepBuffer(append(b, crlf...))
	return nil
}

func (h *handler) truth(ok bool) error {
	if ok {
		return h.simple(":1\r\n")
	}
	return h.simple(":0\r\n")
}

func (h *handler) bulk(v []byte) error {
	h.number('$', int64(len(v)))
	h.c.Write(v)
	return h.simple(crlf)
}

func (h *handler) text(s string) error {
	h.number('$', int64(len(s)))
	h.c.WriteString(s)
	return h.simple(crlf)
}

// verbatim is text for people: in RESP3 its format goes before it.
func (h *handler) verbatim(s string) error {
	if h.resp < 3 {
		return h.text(s)
	}
	h.number('=', int64(len("txt:")+len(s)))
	h.simple("txt:")
	h.c.WriteString(s)
	return h.simple(crlf)
}

// dict begins a map of so many pairs.
func (h *handler) dict(pairs int64) error {
	if h.resp < 3 {
		return h.number('*', 2*pairs)
	}
	return h.number('%', pairs)
}

func (h *handler) null() error {
	if h.resp < 3 {
		return h.simple("$-1\r\n")
	}
	return h.simple("_\r\n")
}

// value is a bulk, or null.
func (h *handler) value(v []byte, found bool) error {
	if !found {
		return h.null()
	}
	return h.bulk(v)
}

func (h *handler) ok() error { return h.simple("+OK\r\n") }
