package rest

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

// problem is the body of an error (RFC 9457). Type is a word, the same in every
// version.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (p problem) Error() string { return p.Title }

var (
	noSession   = problem{Type: "missing", Title: "there is no such session", Status: http.StatusNotFound}
	noKind      = problem{Type: "no-kind", Title: "the name is no session of crossfade's configuration: add its pattern to a kind's keys", Status: http.StatusBadRequest}
	isLock      = problem{Type: "lock", Title: "the name is a session's lock: locks are taken over memcached or Redis", Status: http.StatusBadRequest}
	tooLarge    = problem{Type: "too-large", Title: "the session is larger than the store takes", Status: http.StatusRequestEntityTooLarge}
	badName     = problem{Type: "name", Title: "the store takes no such name", Status: http.StatusBadRequest}
	wasRevoked  = problem{Type: "revoked", Title: "somebody has deleted the session in the store: it is gone", Status: http.StatusConflict}
	failed      = problem{Type: "precondition", Title: "the session is not what the condition names", Status: http.StatusPreconditionFailed}
	fromAPage   = problem{Type: "origin", Title: "a page in a browser may not ask: use a program", Status: http.StatusForbidden}
	badHost     = problem{Type: "host", Title: "the Host header names neither an address nor localhost: ask by address", Status: http.StatusForbidden}
	notFound    = problem{Type: "path", Title: "there is nothing at this path: see /openapi.json", Status: http.StatusNotFound}
	notAllowed  = problem{Type: "method", Title: "the path does not take this method: see /openapi.json", Status: http.StatusMethodNotAllowed}
	unavailable = problem{Type: "unavailable", Title: "the session store did not say", Status: http.StatusServiceUnavailable}
)

func badRequest(detail string) problem {
	return problem{Type: "request", Title: "the request is not well formed", Status: http.StatusBadRequest, Detail: detail}
}

// of is the problem that an error of Sessions is.
func of(err error, r kinds.Ref) problem {
	var p problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, backends.ErrTooLarge):
		return tooLarge
	case errors.Is(err, backends.ErrKey):
		return badName
	case errors.Is(err, backends.ErrRevoked):
		return wasRevoked
	}
	p = unavailable
	p.Detail = frontends.ErrorText(err, r)
	return p
}

func (p problem) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p)
}
