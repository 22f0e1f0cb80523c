package memcached

import (
	"context"
	"encoding/binary"
	"math"
)

// packetStore is set, add, replace, append and prepend. A cas that is not 0
// makes the first three a compare and swap.
func (h *handler) packetStore(ctx context.Context, p *packet) error {
	st := storing{mode: map[opcode]mode{opSet: setMode, opAdd: addMode, opReplace: replaceMode, opAppend: appendMode, opPrepend: prependMode}[p.op],
		compare: p.cas != 0, cas: p.cas}
	switch p.op {
	case opSet, opAdd, opReplace:
		st.s.Flags = binary.BigEndian.Uint32(p.extras[:])
		st.s.Deadline = expiry(p.extras[4:], h.c.Options.Now())
		if st.compare {
			st.mode = setMode
		}
	}
	problem := h.packetKey(p)
	if problem == "" && p.value > h.c.Options.Value {
		problem = tooLarge
	}
	if problem != "" {
		if err := h.c.Discard(p.value); err != nil {
			return err
		}
		return h.packetReject(p, problem)
	}
	data, err := h.c.Bytes(p.value)
	if err != nil {
		return err
	}
	st.r, st.s.Data = p.r, data[:p.value:p.value]
	v, problem, err := h.carryOut(ctx, &st)
	if problem != "" {
		return h.packetReject(p, problem)
	}
	token := uint64(0)
	if v == done && err == nil && !p.quiet {
		token = h.s.Token(st.s.Flags, st.s.Data)
	}
	return h.packetVerdict(p, v, err, token)
}

// packetTouch is touch. memcached answers it with flags and a token, which no
// client is known to look at; here they would cost a read of each session that
// PHP finds unchanged, so the flags are the kind's usual ones, and no token.
func (h *handler) packetTouch(ctx context.Context, p *packet) error {
	found, err := h.move(ctx, p.r, expiry(p.extras[:], h.c.Options.Now()))
	switch {
	case err != nil:
		return h.packetFail(p, err)
	case !found:
		return h.failure(p, statusNotFound, "")
	}
	h.header(p, statusOK, 4, 0, 4, 0)
	h.c.KeepBuffer(binary.BigEndian.AppendUint32(h.c.Buffer(), p.r.Kind().Flags))
	return nil
}

// packetGet is get and get-and-touch, with the key in the answer or not.
func (h *handler) packetGet(ctx context.Context, p *packet) error {
	g := reading{touch: p.op == opGat || p.op == opGatK}
	if g.touch {
		g.deadline = expiry(p.extras[:], h.c.Options.Now())
	}
	s, found, err := h.lookup(ctx, p.r, g)
	withKey := p.op == opGetK || p.op == opGatK
	switch {
	case err != nil:
		return h.packetFail(p, err)
	case !found && p.quiet:
		return nil
	case !found && withKey:
		h.header(p, statusNotFound, 0, len(p.key), len(p.key), 0)
		h.c.Write(p.key)
		return nil
	case !found:
		return h.failure(p, statusNotFound, "")
	}
	var extras [4]byte
	binary.BigEndian.PutUint32(extras[:], s.Flags)
	key, data := []byte(nil), s.Data
	if withKey {
		key = p.key
	}
	h.header(p, statusOK, len(extras), len(key), len(extras)+len(key)+len(data), h.s.Token(s.Flags, s.Data))
	h.c.Write(extras[:])
	h.c.Write(key)
	h.c.Write(data)
	return nil
}

// noCreate as an exptime of an increment says that nothing is made.
const noCreate = math.MaxUint32

// packetCount is increment and decrement.
func (h *handler) packetCount(ctx context.Context, p *packet) error {
	c := counting{r: p.r, down: p.op == opDecrement, delta: binary.BigEndian.Uint64(p.extras[:]),
		initial: binary.BigEndian.Uint64(p.extras[8:]), compare: p.cas != 0, cas: p.cas,
		create: binary.BigEndian.Uint32(p.extras[16:]) != noCreate}
	c.until = expiry(p.extras[16:], h.c.Options.Now())
	if p.r.Lock {
		if c.create {
			return h.packetReject(p, isLock)
		}
		return h.failure(p, statusNotFound, "")
	}
	v, n, s, _, err := h.count(ctx, c)
	if err != nil || v != done {
		return h.packetVerdict(p, v, err, 0)
	}
	if p.quiet {
		return nil
	}
	h.header(p, statusOK, 0, 0, 8, h.s.Token(s.Flags, s.Data))
	h.c.KeepBuffer(binary.BigEndian.AppendUint64(h.c.Buffer(), n))
	return nil
}

// packetStats is stat: a packet a number, and an empty one.
func (h *handler) packetStats(p *packet) error {
	if err := h.c.Discard(p.value); err != nil {
		return err
	}
	switch string(p.key) {
	case "":
		for _, s := range h.numbers() {
			h.header(p, statusOK, 0, len(s.name), len(s.name)+len(s.value), 0)
			h.c.WriteString(s.name + s.value)
		}
	case "reset", "items", "slabs", "sizes", "settings", "conns":
	default:
		return h.failure(p, statusNotFound, "")
	}
	return h.success(p, 0)
}
