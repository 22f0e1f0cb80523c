package control

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/access"
)

// Me is the answer to GET /v1/me: who asks, and what they ask.
type Me struct {
	Name string `json:"name"` // empty: nobody signed in
	// Role is viewer, operator or admin; empty: no rights.
	Role     string `json:"role"`
	SignedIn bool   `json:"signed_in"` // in this browser
	SignIn   bool   `json:"sign_in"`   // people sign in here
	// Migration, Version and Server are what is asked.
	Migration string `json:"migration"`
	Version   string `json:"version"`
	Server    string `json:"server"`
	Secure    bool   `json:"secure"` // by TLS
}

func (s *Server) meOf(r *http.Request, w access.Who) Me {
	return Me{Name: w.Name, Role: w.Role.String(), SignedIn: w.SignedIn(), SignIn: s.desk.SignIn(),
		Migration: s.o.Migration.Migration, Version: s.o.Version, Server: s.o.Name, Secure: r.TLS != nil}
}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	answer(w, s.meOf(r, access.From(r.Context())))
}

// SignIn is the body of POST /v1/sign-in.
type SignIn struct {
	Name     string `json:"name"`
	Password string `json:"password"`
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	var q SignIn
	if !read(w, r, &q) {
		return
	}
	who, err := s.desk.In(w, r, q.Name, q.Password)
	var no *access.SignInError
	switch {
	case errors.As(err, &no):
		if no.After > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(no.After.Seconds()))))
		}
		fail(w, no.Status, no.Error())
	case err != nil:
		fail(w, http.StatusServiceUnavailable, "nobody can sign in, since that cannot be written down: see the server's log")
	default:
		answer(w, s.meOf(r, who))
	}
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.desk.Out(w, r); err != nil {
		fail(w, http.StatusServiceUnavailable, "signed out; that could not be written down: see the server's log")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// noteSignIn writes down who came and went, in the migration's log.
func (s *Server) noteSignIn(ctx context.Context, e access.Event) error {
	outcome, who := "done", e.Name
	if e.Refused != "" {
		outcome, who = "refused: "+e.Refused, ""
	}
	args := struct {
		Name   string `json:"name,omitempty"`
		Unsaid int    `json:"refusals_not_written,omitempty"`
	}{e.Name, e.Unsaid}
	err := s.m.Noted(migrate.WithActor(ctx, migrate.Actor{Who: who, From: e.From}), e.Verb, args, outcome)
	if err != nil {
		s.log.Error("who signs in and out cannot be written down", "verb", e.Verb, "error", err)
	}
	return err
}

// acts is who asks, for the record: a person is whom the server knows them to
// be, whatever the request says.
func acts(r *http.Request, said migrate.Actor) migrate.Actor {
	if w := access.From(r.Context()); w.Name != "" {
		said.Who = w.Name
	} else if said.Who == planBy {
		said.Who = "" // that is what the server calls itself: a hold of the plan's is another thing
	}
	said.From = r.RemoteAddr
	said.Who, said.Why = oneLine(said.Who, whoMost), oneLine(said.Why, whyMost)
	return said
}

// Bytes of what people say; a person of the file has 64 at most.
const whoMost, whyMost = 64, 1000

// oneLine is a text as it may stand in a log and on a terminal: cut, and with a
// space for whatever is not shown, which could begin a line, move a cursor, or
// turn the order of what follows.
func oneLine(text string, most int) string {
	cut := len(text) > most
	text = strings.ToValidUTF8(text[:min(len(text), most)], "")
	text = strings.TrimSpace(strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text))
	if cut {
		text += "…"
	}
	return text
}
