package rest

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Headers of a session besides its data.
const (
	headerTTL      = "Crossfade-TTL"      // seconds that it still lives, three decimals at most; or never
	headerDeadline = "Crossfade-Deadline" // RFC 3339 in UTC, to the millisecond; or never; in answers also unknown
	headerFlags    = "Crossfade-Flags"    // memcached's 32 bits, decimal; 0 where it is missing
	never          = "never"
	stamp          = "2006-01-02T15:04:05.000Z07:00"
)

// longest is the longest life: what a time.Duration of whole seconds can be added
// to today.
const longest = 100 * 365 * 24 * time.Hour

// life is the deadline that a request asks for.
func (h *handler) life(r *http.Request) (deadline time.Time, given bool, err error) {
	ttl, at := r.Header.Get(headerTTL), r.Header.Get(headerDeadline)
	switch {
	case ttl != "" && at != "":
		return time.Time{}, false, badRequest(headerTTL + " and " + headerDeadline + " are both given: one is enough")
	case ttl == never || at == never:
		return time.Time{}, true, nil
	case ttl != "":
		n, err := strconv.ParseFloat(ttl, 64)
		if err != nil || math.IsNaN(n) || n < 0 || n > longest.Seconds() || strings.ContainsAny(ttl, "eExXpP_+-") {
			return time.Time{}, false, badRequest(headerTTL + ": accepted is a number of seconds, as 1440, or " + never)
		}
		return h.o.Server.Now().Add(time.Duration(math.Round(n*1000)) * time.Millisecond), true, nil
	case at != "":
		t, err := time.Parse(time.RFC3339Nano, at)
		if err != nil || t.Year() > 9999 {
			return time.Time{}, false, badRequest(headerDeadline + ": accepted is a moment as 2026-01-02T15:04:05.000Z, or " + never)
		}
		return t, true, nil
	}
	return time.Time{}, false, nil
}

func (h *handler) tellLife(head http.Header, s *backends.Session) {
	switch {
	case s.DeadlineUnknown:
		head.Set(headerDeadline, "unknown")
	case s.Deadline.IsZero():
		head.Set(headerDeadline, never)
	default:
		head.Set(headerDeadline, s.Deadline.UTC().Format(stamp))
	}
}

// session reads what a PUT writes.
func (h *handler) session(r *http.Request) (s backends.Session, err error) {
	var given bool
	if s.Deadline, given, err = h.life(r); err != nil {
		return s, err
	}
	if !given {
		return s, badRequest("name a life: " + headerTTL + ", " + headerDeadline + ", or one of them as " + never)
	}
	if f := r.Header.Get(headerFlags); f != "" {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return s, badRequest(headerFlags + ": accepted is a number below 2^32")
		}
		s.Flags = uint32(n)
	}
	if r.Header.Get("Content-Encoding") != "" || r.Header.Get("Content-Range") != "" {
		return s, badRequest("Content-Encoding and Content-Range are not known: send the data as it is, whole")
	}
	s.Data, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, int64(h.o.Server.Value)))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return s, tooLarge
	case err != nil:
		return s, badRequest("the body did not come whole")
	}
	return s, nil
}

// condition is what If-Match and If-None-Match say (RFC 9110, section 13.1).
type condition struct{ match, noneMatch *tags }

type tags struct {
	any    bool // *
	tokens []uint64
}

func conditionOf(r *http.Request) (c condition, err error) {
	if c.match, err = tagsOf(r.Header.Values("If-Match"), "If-Match"); err != nil {
		return c, err
	}
	c.noneMatch, err = tagsOf(r.Header.Values("If-None-Match"), "If-None-Match")
	return c, err
}

func tagsOf(values []string, name string) (*tags, error) {
	if len(values) == 0 {
		return nil, nil
	}
	t := &tags{}
	for _, one := range strings.Split(strings.Join(values, ","), ",") {
		switch one = strings.TrimSpace(one); {
		case one == "":
		case one == "*":
			t.any = true
		case strings.HasPrefix(one, "W/") && len(one) > 2 && one[2] == '"', len(one) >= 2 && one[0] == '"' && one[len(one)-1] == '"':
			// Another server's tag, or a weak one, is none of ours.
			if n, err := strconv.ParseUint(strings.Trim(one, `"`), 16, 64); err == nil && len(one) == 18 {
				t.tokens = append(t.tokens, n)
			}
		default:
			return nil, badRequest(name + `: accepted is * or tags in quotes`)
		}
	}
	return t, nil
}

// holds tells whether a session that is there is one of those named.
func (t *tags) holds(token uint64) bool {
	for _, one := range t.tokens {
		if one == token {
			return true
		}
	}
	return t.any
}

// allows tells whether a change may be made of what is there.
func (c condition) allows(found bool, token func() uint64) bool {
	if c.match != nil && (!found || !c.match.holds(token())) {
		return false
	}
	return c.noneMatch == nil || !found || !c.noneMatch.holds(token())
}

// etag is a session's token as the protocol has it.
func etag(token uint64) string {
	const digits = "0123456789abcdef"
	b := []byte(`"0000000000000000"`)
	for i := 16; token > 0; i-- {
		b[i] = digits[token&15]
		token >>= 4
	}
	return string(b)
}
