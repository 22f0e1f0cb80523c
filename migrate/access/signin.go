package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// checkingMost passwords are compared at one time: each takes a core for a
	// quarter of a second, and the server has a fleet to look after.
	checkingMost = 2
	waitingMost  = 32
	// refusalsMost a minute are written down; the next line says how many were not.
	refusalsMost = 10
)

// Event is something to write down: somebody signed in or out, or was refused.
type Event struct {
	// Verb is sign-in or sign-out.
	Verb string
	// Name is of a person of the file; empty: another name was given, which may be
	// a password typed into the wrong field.
	Name    string
	From    string // the address
	Refused string // why; empty: it was not
	Unsaid  int    // refusals before it that were not written down
}

// SignInError says why somebody is not signed in.
type SignInError struct {
	Status int           // of HTTP
	After  time.Duration // 0: it may be tried again at once
	text   string
}

func (e *SignInError) Error() string { return e.text }

// errPassword is the same for each reason: which names there are is not told.
var errPassword = &SignInError{Status: http.StatusUnauthorized, text: "that name and password are not known here"}

// In signs somebody in: it sets the cookie of a new session, and ends the one
// that the browser had. The error is a *SignInError, or what kept it from being
// written down.
func (d *Desk) In(w http.ResponseWriter, r *http.Request, name, password string) (Who, error) {
	if d.o.People == nil {
		return Who{}, &SignInError{Status: http.StatusNotFound, text: "nobody signs in here: name a file of people in server.users_file"}
	}
	if wait := d.throttle.wait(name, r.RemoteAddr); wait > 0 {
		return Who{}, d.tooOften(r, name, wait)
	}
	select {
	case d.waiting <- struct{}{}:
		defer func() { <-d.waiting }()
	default:
		return Who{}, &SignInError{Status: http.StatusTooManyRequests, After: 2 * time.Second, text: "many sign in at this moment: try again"}
	}
	p, err := d.check(r, name, password)
	if err != nil {
		return Who{}, err
	}
	if err := d.o.Note(r.Context(), Event{Verb: "sign-in", Name: p.Name, From: r.RemoteAddr, Unsaid: d.refused.unsaid()}); err != nil {
		return Who{}, err
	}
	d.throttle.passed(name, r.RemoteAddr)
	had := ""
	if c, err := r.Cookie(cookieName(r)); err == nil {
		had = c.Value
	}
	secret := d.sessions.begin(p, had)
	http.SetCookie(w, cookie(r, secret, int(liveMost/time.Second)))
	k := sum(sha256.Sum256([]byte(secret)))
	return Who{Name: p.Name, Role: p.Role, session: &k}, nil
}

// check compares a password. A name that is not known costs the same.
func (d *Desk) check(r *http.Request, name, password string) (*Person, error) {
	select {
	case d.checking <- struct{}{}:
		defer func() { <-d.checking }()
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	// Again: those who waited together were all let in before the first failed.
	if wait := d.throttle.wait(name, r.RemoteAddr); wait > 0 {
		return nil, d.tooOften(r, name, wait)
	}
	now := d.o.People.now()
	p, sum := now.people[name], now.nobody
	known := p != nil && p.Password != ""
	if known {
		sum = []byte(p.Password)
	}
	if err := bcrypt.CompareHashAndPassword(sum, []byte(password)); err == nil && known && len(password) <= PasswordMost {
		return p, nil
	}
	d.throttle.failed(name, r.RemoteAddr)
	return nil, errors.Join(errPassword, d.noteRefused(r, name, "wrong name or password"))
}

func (d *Desk) tooOften(r *http.Request, name string, wait time.Duration) error {
	return errors.Join(&SignInError{Status: http.StatusTooManyRequests, After: wait, text: "too many wrong passwords: wait, then try again"},
		d.noteRefused(r, name, "too many wrong passwords before it"))
}

func (d *Desk) noteRefused(r *http.Request, name, why string) error {
	unsaid, say := d.refused.one(d.o.Clock())
	if !say {
		return nil
	}
	e := Event{Verb: "sign-in", From: r.RemoteAddr, Refused: why, Unsaid: unsaid}
	if p := d.o.People.now().people[name]; p != nil {
		e.Name = p.Name
	}
	return d.o.Note(r.Context(), e)
}

// Out ends the session of who asks, and takes the cookie away.
func (d *Desk) Out(w http.ResponseWriter, r *http.Request) error {
	who := From(r.Context())
	if who.session == nil {
		return nil
	}
	d.sessions.end(*who.session)
	http.SetCookie(w, cookie(r, "", -1))
	return d.o.Note(r.Context(), Event{Verb: "sign-out", Name: who.Name, From: r.RemoteAddr})
}

// cookieName: with TLS no other host, and nobody in between, can set it. A browser
// keeps cookies by host alone: without the port, two servers of one host would sign
// each other's people out.
func cookieName(r *http.Request) string {
	name := "crossfade"
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			name += "-" + strconv.FormatUint(n, 10)
		}
	}
	if r.TLS != nil {
		return "__Host-" + name
	}
	return name
}

func cookie(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{Name: cookieName(r), Value: value, Path: "/", MaxAge: seconds, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

// refusals bounds how many are written down.
type refusals struct {
	mu     sync.Mutex // guards what follows
	minute time.Time
	n      int
	left   int // not written down since the last that was
}

// one counts a refusal, and tells whether to write it down, with how many were
// not before it.
func (f *refusals) one(now time.Time) (unsaid int, say bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := now.Sub(f.minute); d < 0 || d >= time.Minute {
		f.minute, f.n = now, 0
	}
	if f.n++; f.n > refusalsMost {
		f.left++
		return 0, false
	}
	unsaid, f.left = f.left, 0
	return unsaid, true
}

func (f *refusals) unsaid() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, f.left = f.left, 0
	return n
}
