package memcached

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/frontends"
)

// The binary protocol: protocol-binary.txt, as memcached 1.6.18 speaks it.
// libmemcached prefers it for PHP's sessions.
const (
	binaryRequest  = 0x80
	binaryResponse = 0x81
	binaryHeader   = 24
)

// packet reads and answers one request.
func (h *handler) packet(ctx context.Context) error {
	head, err := h.c.Bytes(binaryHeader)
	if err != nil {
		return err
	}
	p := &h.pkt
	*p = packet{given: opcode(head[1])}
	p.op = p.given
	if loud, ok := quietly[p.given]; ok {
		p.op, p.quiet = loud, true
	}
	copy(p.opaque[:], head[12:16])
	p.cas = binary.BigEndian.Uint64(head[16:])
	keys, extras, body := int(binary.BigEndian.Uint16(head[2:])), int(head[4]), int(binary.BigEndian.Uint32(head[8:]))
	h.quiet = false
	switch {
	case head[0] != binaryRequest:
		return frontends.ErrFraming // nothing to say it in
	case keys+extras > body:
		h.failure(p, statusUnknown, "")
		return frontends.ErrFraming
	case keys > keyLimit, body-keys-extras > math.MaxInt32:
		h.failure(p, statusInvalid, "")
		return frontends.ErrFraming
	}
	p.value = body - keys - extras
	want, known := shapes[p.op]
	if known && (extras != want.extras || want.key != (keys > 0) || !want.value && p.value > 0) {
		h.failure(p, statusInvalid, "")
		return frontends.ErrFraming
	}
	b, err := h.c.Bytes(extras + keys)
	if err != nil {
		return err
	}
	copy(p.extras[:], b[:min(extras, len(p.extras))])
	h.kept = append(h.kept[:0], b[extras:]...) // the value is read into the same buffer
	p.key = h.kept
	return h.serve(ctx, p)
}

// serve answers a packet whose shape is right.
func (h *handler) serve(ctx context.Context, p *packet) error {
	switch p.op {
	case opNoop:
		return h.success(p, 0)
	case opQuit:
		h.success(p, 0)
		return frontends.ErrQuit
	case opVersion:
		v := h.p.version[len("VERSION ") : len(h.p.version)-len(crlf)]
		h.header(p, statusOK, 0, 0, len(v), 0)
		h.c.WriteString(v)
		return nil
	case opStat:
		return h.packetStats(p)
	case opSet, opAdd, opReplace, opAppend, opPrepend:
		return h.packetStore(ctx, p)
	}
	if err := h.c.Discard(p.value); err != nil {
		return err
	}
	switch p.op {
	case opFlush:
		h.unsupported(frontends.ClassFlush, "")
		return h.failure(p, statusRefused, noFlush)
	case opGet, opGetK, opGat, opGatK, opTouch, opDelete, opIncrement, opDecrement:
	default: // SASL too: as a memcached without it
		h.unsupported(frontends.ClassBinary, "")
		return h.failure(p, statusUnknown, "")
	}
	if problem := h.packetKey(p); problem != "" {
		return h.packetReject(p, problem)
	}
	switch p.op {
	case opDelete:
		v, err := h.removeAny(ctx, p.r, p.cas != 0, p.cas)
		return h.packetVerdict(p, v, err, 0)
	case opIncrement, opDecrement:
		return h.packetCount(ctx, p)
	}
	if p.r.Lock && p.op != opGet && p.op != opGetK {
		return h.packetReject(p, isLock)
	}
	if p.op == opTouch {
		return h.packetTouch(ctx, p)
	}
	return h.packetGet(ctx, p)
}

// packetKey resolves the key.
func (h *handler) packetKey(p *packet) (problem string) {
	p.r, problem = h.resolve(p.key)
	return problem
}

// packetReject answers a key, or a size, that is not taken.
func (h *handler) packetReject(p *packet, problem string) error {
	switch problem {
	case noKind:
		h.unsupported(frontends.ClassKey, "")
	case isLock:
		h.unsupported(frontends.ClassLock, "")
	case tooLarge:
		return h.failure(p, statusTooLarge, "")
	default:
		return h.failure(p, statusInvalid, "")
	}
	return h.failure(p, statusRefused, problem[len("CLIENT_ERROR "):len(problem)-len(crlf)])
}

// packetVerdict answers what became of a change. token is asked for in vain
// where it is 0.
func (h *handler) packetVerdict(p *packet, v verdict, err error, token uint64) error {
	if err != nil {
		return h.packetFail(p, err)
	}
	switch v {
	case done:
		return h.success(p, token)
	case differs:
		return h.failure(p, statusExists, "")
	case none:
		return h.failure(p, statusNotFound, "")
	case noNumber:
		return h.failure(p, statusNoNumber, "")
	case tooLong:
		return h.failure(p, statusTooLarge, "")
	}
	switch p.op { // its condition does not hold
	case opAdd:
		return h.failure(p, statusExists, "")
	case opReplace:
		return h.failure(p, statusNotFound, "")
	}
	return h.failure(p, statusNotStored, "")
}

// packetFail answers an error of Sessions. It is never a miss.
func (h *handler) packetFail(p *packet, err error) error {
	switch {
	case errors.Is(err, backends.ErrTooLarge):
		return h.failure(p, statusTooLarge, "")
	case errors.Is(err, backends.ErrKey):
		return h.failure(p, statusInvalid, "")
	case errors.Is(err, backends.ErrRevoked):
		return h.failure(p, statusNotStored, "")
	}
	return h.failure(p, statusInternal, frontends.ErrorText(err, p.r))
}

// header begins an answer.
func (h *handler) header(p *packet, s status, extras, key, body int, cas uint64) {
	b := slices.Grow(h.c.Buffer(), binaryHeader)
	b = append(b, binaryResponse, byte(p.given))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = append(b, byte(extras), 0)
	b = binary.BigEndian.AppendUint16(b, uint16(s))
	b = binary.BigEndian.AppendUint32(b, uint32(body))
	b = append(b, p.opaque[:]...)
	h.c.KeepBuffer(binary.BigEndian.AppendUint64(b, cas))
}

// success answers with a header alone.
func (h *handler) success(p *packet, cas uint64) error {
	if !p.quiet {
		h.header(p, statusOK, 0, 0, 0, cas)
	}
	return nil
}

// failure answers an error, also to a quiet packet.
func (h *handler) failure(p *packet, s status, text string) error {
	if text == "" {
		text = statusText[s]
	}
	h.header(p, s, 0, 0, len(text), 0)
	h.c.WriteString(text)
	return nil
}

// expiry reads an exptime of a packet.
func expiry(b []byte, now time.Time) time.Time {
	return moment(int64(binary.BigEndian.Uint32(b)), now)
}
