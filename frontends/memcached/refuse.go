package memcached

import "github.com/seed-41165957/crossfade/frontends"

// noFlush is what is refused, and what to do instead.
const noFlush = "flush_all is not supported by crossfade: it would log everybody out; delete the sessions that shall end"

// refuse answers commands that are not served.
func (h *handler) refuse(name word, words []word) error {
	if string(name) != "flush_all" {
		return h.unsupported(frontends.ClassCommand, wrong)
	}
	if len(words) > 2 {
		return h.unsupported(frontends.ClassFlush, wrong)
	}
	h.silence(words)
	return h.unsupported(frontends.ClassFlush, "SERVER_ERROR "+noFlush+crlf)
}
