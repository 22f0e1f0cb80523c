package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
)

type handler struct {
	s frontends.Sessions
	o Options
}

const (
	root   = "/v1/sessions"
	prefix = root + "/"
)

func (h *handler) routes() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if p := h.answer(w, r); p != nil {
			p.write(w)
		}
	})
}

// answer carries one request out; nil: it was answered. Paths are taken as they
// were sent: a name may have any byte, percent-encoded.
func (h *handler) answer(w http.ResponseWriter, r *http.Request) *problem {
	if p := stranger(r); p != nil {
		return p
	}
	path := r.URL.EscapedPath()
	switch {
	case path == "/openapi.json":
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return h.notAllowed(w, "GET, HEAD")
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(openapi)
		return nil
	case path == root:
		if r.Method != http.MethodDelete {
			return h.notAllowed(w, "DELETE")
		}
		return h.deleteMany(w, r)
	case !strings.HasPrefix(path, prefix):
		h.unsupported(frontends.ClassCommand)
		return &notFound
	}
	name, err := url.PathUnescape(path[len(prefix):])
	if err != nil {
		p := badRequest("the name is not percent-encoded as it should be")
		return &p
	}
	ref, p := h.resolve(name)
	if p != nil {
		return p
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		err = h.get(w, r, ref)
	case http.MethodPut:
		err = h.put(w, r, ref)
	case http.MethodPatch:
		err = h.touch(w, r, ref)
	case http.MethodDelete:
		err = h.delete(w, r, ref)
	default:
		return h.notAllowed(w, "GET, HEAD, PUT, PATCH, DELETE")
	}
	if err != nil {
		p := of(err, ref)
		return &p
	}
	return nil
}

// stranger refuses what a page in a browser could send: it is let in by no
// header of its own, and reaches this host under a name of its own. (Not in TLS:
// there a name is one of the certificate's, or the client looks at none.)
func stranger(r *http.Request) *problem {
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return &fromAPage
	}
	if r.TLS != nil {
		return nil
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return &badHost
	}
	return nil
}

func (h *handler) unsupported(class string) {
	if o := h.o.Server.Observer; o != nil {
		o.Unsupported(class)
	}
}

func (h *handler) notAllowed(w http.ResponseWriter, allowed string) *problem {
	h.unsupported(frontends.ClassCommand)
	w.Header().Set("Allow", allowed)
	return &notAllowed
}

func (h *handler) resolve(name string) (kinds.Ref, *problem) {
	ref, ok := h.s.Resolve([]byte(name))
	switch {
	case !ok:
		h.unsupported(frontends.ClassKey)
		return ref, &noKind
	case ref.Lock:
		h.unsupported(frontends.ClassLock)
		return ref, &isLock
	}
	return ref, nil
}

func (h *handler) get(w http.ResponseWriter, r *http.Request, ref kinds.Ref) error {
	s, found, err := h.s.Read(r.Context(), ref)
	if err != nil {
		return err
	}
	if !found {
		return noSession
	}
	c, err := conditionOf(r)
	if err != nil {
		return err
	}
	if c.match != nil && !c.match.holds(h.s.Token(s.Flags, s.Data)) {
		return failed
	}
	head := w.Header()
	head.Set("ETag", etag(h.s.Token(s.Flags, s.Data)))
	h.tellLife(head, &s)
	if s.Flags != 0 {
		head.Set(headerFlags, strconv.FormatUint(uint64(s.Flags), 10))
	}
	if c.noneMatch != nil && c.noneMatch.holds(h.s.Token(s.Flags, s.Data)) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	head.Set("Content-Type", "application/octet-stream")
	head.Set("Content-Length", strconv.Itoa(len(s.Data)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(s.Data)
	}
	return nil
}

func (h *handler) put(w http.ResponseWriter, r *http.Request, ref kinds.Ref) error {
	s, err := h.session(r)
	if err != nil {
		return err
	}
	c, err := conditionOf(r)
	if err != nil {
		return err
	}
	switch {
	case c.match == nil && c.noneMatch == nil:
		err = h.s.Set(r.Context(), ref, s)
	case c.match == nil && c.noneMatch.any:
		var stored bool
		if stored, err = h.s.Add(r.Context(), ref, s); err == nil && !stored {
			err = failed
		}
	default:
		err = h.onCondition(r.Context(), ref, c, func() edit.Change { return edit.Write(s) })
	}
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(h.s.Token(s.Flags, s.Data)))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// touch gives a session another deadline.
func (h *handler) touch(w http.ResponseWriter, r *http.Request, ref kinds.Ref) error {
	deadline, given, err := h.life(r)
	if err != nil {
		return err
	}
	if !given {
		return badRequest("name a life: " + headerTTL + " or " + headerDeadline)
	}
	if n, err := io.CopyN(io.Discard, r.Body, 1); n > 0 || !errors.Is(err, io.EOF) {
		return badRequest("PATCH moves the deadline, and takes no body: PUT writes data")
	}
	c, err := conditionOf(r)
	if err != nil {
		return err
	}
	found := true
	switch {
	case c.match != nil || c.noneMatch != nil:
		err = h.onCondition(r.Context(), ref, c, func() edit.Change { return edit.Touch(deadline) })
	case !deadline.IsZero() && !deadline.After(h.o.Server.Now()): // nobody may find it again, as after a logout
		found, err = h.s.Delete(r.Context(), ref)
	default:
		found, err = h.s.Touch(r.Context(), ref, deadline)
	}
	if err == nil && !found {
		err = noSession
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (h *handler) delete(w http.ResponseWriter, r *http.Request, ref kinds.Ref) error {
	c, err := conditionOf(r)
	if err != nil {
		return err
	}
	found := true
	if c.match != nil || c.noneMatch != nil {
		err = h.onCondition(r.Context(), ref, c, edit.Delete)
	} else {
		found, err = h.s.Delete(r.Context(), ref)
	}
	if err == nil && !found {
		err = noSession
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// onCondition changes a session that is there and is what the condition names.
func (h *handler) onCondition(ctx context.Context, ref kinds.Ref, c condition, to func() edit.Change) error {
	return h.s.Edit(ctx, ref, func(s backends.Session, found bool) (edit.Change, error) {
		if !c.allows(found, func() uint64 { return h.s.Token(s.Flags, s.Data) }) {
			return edit.Leave(), failed
		}
		return to(), nil
	})
}

// names is the body of a DELETE of many.
type names struct {
	IDs []string `json:"ids"`
}

// deleted is its answer, in the order of the question.
type deleted struct {
	Results []string `json:"results"` // deleted, missing, no-kind, unavailable …: the words of problems
	Deleted int      `json:"deleted"`
}

// deleteMany removes sessions one after the other. What could not be removed is
// said for each: the rest was. With a store that stands still it ends in time to
// say so: what was not tried is unavailable too.
func (h *handler) deleteMany(w http.ResponseWriter, r *http.Request) *problem {
	refuse := func(detail string) *problem { p := badRequest(detail); return &p }
	var q names
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return refuse(`the body is {"ids": ["name", …]}, of 1 MiB at most`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse("something follows the list")
	}
	if len(q.IDs) > h.o.Names {
		return refuse("at most " + strconv.Itoa(h.o.Names) + " names in one request")
	}
	a := deleted{Results: make([]string, len(q.IDs))}
	end := h.o.Server.Now().Add(h.o.Server.Command)
	for i, name := range q.IDs {
		if h.o.Server.Now().After(end) {
			a.Results[i] = unavailable.Type
			continue
		}
		ref, p := h.resolve(name)
		if p != nil {
			a.Results[i] = p.Type
			continue
		}
		switch found, err := h.s.Delete(r.Context(), ref); {
		case err != nil:
			a.Results[i] = of(err, ref).Type
		case found:
			a.Results[i] = "deleted"
			a.Deleted++
		default:
			a.Results[i] = noSession.Type
		}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(a)
	return nil
}
