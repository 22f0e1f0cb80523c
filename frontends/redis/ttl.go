package redis

import "context"

func (h *handler) ttl(ctx context.Context) error         { return h.left(ctx, seconds, false) }
func (h *handler) pttl(ctx context.Context) error        { return h.left(ctx, millis, false) }
func (h *handler) expiretime(ctx context.Context) error  { return h.left(ctx, seconds, true) }
func (h *handler) pexpiretime(ctx context.Context) error { return h.left(ctx, millis, true) }

func seconds(ms int64) int64 { return (ms + 500) / 1000 } // rounded, as Redis does
func millis(ms int64) int64  { return ms }

// left answers how long a session still lives, or until when: -1 for ever, -2 it
// is missing. Where the store cannot say, that is an error: -1 would be a lie.
func (h *handler) left(ctx context.Context, unit func(ms int64) int64, until bool) error {
	r, ok := h.resolve(h.args[1])
	if !ok {
		return nil
	}
	if r.Lock {
		return h.simple(":-2\r\n")
	}
	s, found, err := h.s.Read(ctx, r)
	switch {
	case err != nil:
		return h.fail(err, r)
	case !found:
		return h.simple(":-2\r\n")
	case s.DeadlineUnknown:
		return h.fault(errUnknown)
	case s.Deadline.IsZero():
		return h.simple(":-1\r\n")
	case until:
		return h.number(':', unit(s.Deadline.UnixMilli()))
	}
	return h.number(':', unit(max(s.Deadline.Sub(h.now()), 0).Milliseconds()))
}
