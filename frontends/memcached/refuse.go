package memcached

import (
	"math"

	"github.com/seed-41165957/crossfade/frontends"
)

// refusal is how one command of memcached's is refused.
type refusal struct {
	class       string
	fewest      int // words that it has, at the least and at the most; else it
	most        int // is malformed
	size        int // which word is the length of a data block; 0: there is none
	remedy, why string
}

const (
	whole = "read the session, change it, and set it whole"
	meta  = "let the client speak the ASCII protocol without meta commands"
)

var refusals = map[string]refusal{
	"replace":   {class: frontends.ClassReplace, fewest: 4, most: 5, size: 4, remedy: "use set"},
	"append":    {class: frontends.ClassConcat, fewest: 4, most: 5, size: 4, remedy: whole},
	"prepend":   {class: frontends.ClassConcat, fewest: 4, most: 5, size: 4, remedy: whole},
	"cas":       {class: frontends.ClassCas, fewest: 5, most: 6, size: 4, remedy: "use set, under a lock (add) where two may write", why: " in this version"},
	"incr":      {class: frontends.ClassArithmetic, fewest: 2, most: 3, remedy: "use add for locks, and another server for counters"},
	"decr":      {class: frontends.ClassArithmetic, fewest: 2, most: 3, remedy: "use another server for counters"},
	"flush_all": {class: frontends.ClassFlush, most: 2, remedy: "it would log everybody out; delete the sessions that shall end"},
	"mg":        {class: frontends.ClassMeta, most: wordLimit, remedy: meta},
	"ms":        {class: frontends.ClassMeta, fewest: 2, most: wordLimit, size: 2, remedy: meta},
	"md":        {class: frontends.ClassMeta, most: wordLimit, remedy: meta},
	"ma":        {class: frontends.ClassMeta, most: wordLimit, remedy: meta},
	"me":        {class: frontends.ClassMeta, most: wordLimit, remedy: meta},
	"mn":        {class: frontends.ClassMeta, most: wordLimit, remedy: meta},
}

// refuse answers commands that are not served. Where one has a data block,
// that is read away.
func (h *handler) refuse(name word, words []word) error {
	f, known := refusals[string(name)]
	if !known {
		return h.unsupported(frontends.ClassCommand, wrong)
	}
	malformed := len(words) < f.fewest || len(words) > f.most
	if !malformed && f.class != frontends.ClassMeta {
		h.silence(words)
	}
	answer := "SERVER_ERROR " + string(name) + " is not supported by crossfade" + f.why + ": " + f.remedy + crlf
	if malformed {
		answer = wrong
	}
	if f.size == 0 {
		return h.unsupported(f.class, answer)
	}
	if malformed {
		h.unsupported(f.class, answer)
		return frontends.ErrFraming
	}
	size, ok := number(words[f.size-1], 0, math.MaxInt32-2)
	if !ok {
		h.unsupported(f.class, badLine)
		return frontends.ErrFraming
	}
	if err := h.swallow(int(size)); err != nil {
		return err
	}
	return h.unsupported(f.class, answer)
}
