package access

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

// DeskOptions of a Desk. The zero value lets everybody do everything who asks by
// address: for loopback alone.
type DeskOptions struct {
	// Token is the fleet's own, which agents show; who shows it may do all.
	Token string
	// Setting names the key of the configuration that sets the token.
	Setting string
	// People may sign in, or show a token of their own; nil: nobody signs in.
	People *People
	// Note writes down that somebody signed in or out, or was refused. It is called
	// for a few refusals a minute at most. nil: nobody is told. What cannot be
	// written down is not done.
	Note func(ctx context.Context, e Event) error
	// Clock is what the time is taken from; nil: the system's.
	Clock func() time.Time
}

// Desk tells who asks a server's API, and lets through who may. It is safe for
// concurrent use.
type Desk struct {
	o        DeskOptions
	asked    Options // of who asks without people
	sessions sessions
	throttle *throttle
	checking chan struct{} // passwords that are compared at this moment
	waiting  chan struct{} // those, and who waits for it
	refused  refusals
}

// NewDesk makes a desk. It starts nothing.
func NewDesk(o DeskOptions) *Desk {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Note == nil {
		o.Note = func(context.Context, Event) error { return nil }
	}
	if o.People != nil {
		o.People.mu.Lock()
		o.People.clock = o.Clock
		o.People.mu.Unlock()
	}
	return &Desk{o: o, asked: Options{Token: o.Token, Setting: o.Setting}, sessions: sessions{clock: o.Clock, by: map[sum]*signedIn{}},
		throttle: newThrottle(o.Clock), checking: make(chan struct{}, checkingMost), waiting: make(chan struct{}, waitingMost)}
}

// Who asks.
type Who struct {
	Name string // of a person; empty: nobody signed in
	Role Role
	// session is what the browser signed in with; nil: it did not.
	session *sum
	// token is the SHA-256 of the person's own that was shown; empty: none was.
	token string
}

// SignedIn tells whether it is a browser that signed in.
func (w Who) SignedIn() bool { return w.session != nil }

type whoKey struct{}

// From is who asks, of a request that a Desk let through.
func From(ctx context.Context) Who {
	w, _ := ctx.Value(whoKey{}).(Who)
	return w
}

// SignIn tells whether people sign in here.
func (d *Desk) SignIn() bool { return d.o.People != nil }

// who tells who asks; Role Anybody: nobody with rights. What is shown decides: a
// wrong token is not mended by a cookie.
func (d *Desk) who(r *http.Request) Who {
	if auth := r.Header.Get("Authorization"); auth != "" {
		if d.o.Token != "" && d.asked.shown(r) {
			return Who{Role: Fleet}
		}
		if token, ok := strings.CutPrefix(auth, "Bearer "); ok && d.o.People != nil {
			if w, ok := d.holds(tokenSum(token)); ok {
				return w
			}
		}
		return Who{Role: Anybody}
	}
	if d.o.People == nil {
		if d.o.Token == "" { // byAddress was looked at
			return Who{Role: Fleet}
		}
		return Who{Role: Anybody}
	}
	if c, err := r.Cookie(cookieName(r)); err == nil {
		k := sum(sha256.Sum256([]byte(c.Value)))
		if w, ok := d.signedIn(k, true); ok {
			return w
		}
	}
	return Who{Role: Anybody}
}

// holds is who has a token of their own, with the role that the file gives now.
func (d *Desk) holds(token string) (Who, bool) {
	p := d.o.People.now().tokens[token]
	if p == nil {
		return Who{}, false
	}
	return Who{Name: p.Name, Role: p.Role, token: token}, true
}

// signedIn is who a session belongs to, with the role that the file gives now: a
// person who is gone from it, or has another password, is out.
func (d *Desk) signedIn(k sum, used bool) (Who, bool) {
	name, password, ok := d.sessions.find(k, used)
	if !ok {
		return Who{}, false
	}
	p := d.o.People.now().people[name]
	if p == nil || p.Password != password {
		d.sessions.end(k)
		return Who{}, false
	}
	return Who{Name: p.Name, Role: p.Role, session: &k}, true
}

// Still tells whether somebody who asked may go on to be answered at length: what
// they showed still opens. It does not count as being at work.
func (d *Desk) Still(w Who, need Role) bool {
	switch {
	case w.session != nil:
		now, ok := d.signedIn(*w.session, false)
		return ok && now.Role.May(need)
	case w.token != "":
		now, ok := d.holds(w.token)
		return ok && now.Role.May(need)
	}
	return w.Role.May(need)
}

// Guard passes on to h what may be asked: what needs says of each request. A page
// of another origin may write nothing, whoever looks at it.
func (d *Desk) Guard(h http.Handler, needs func(*http.Request) Role) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		need := needs(r)
		if need == Anybody && !strings.HasPrefix(r.URL.Path, "/v1/") { // health
			h.ServeHTTP(w, r)
			return
		}
		// A page of elsewhere cannot read the answer, but it can make a browser ask,
		// where nothing is needed to: to scan the stores, or to take every stream.
		if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
			refuse(w, http.StatusForbidden, "a page of another origin may ask nothing here")
			return
		}
		if d.o.Token == "" && d.o.People == nil && !d.asked.byAddress(r.Host) {
			// A name that somebody made point here (DNS rebinding) is not an
			// address.
			refuse(w, http.StatusForbidden, "asked by a name: ask by address, or set "+d.o.Setting)
			return
		}
		who := d.who(r)
		if need == Fleet && d.o.Token == "" && d.asked.byAddress(r.Host) {
			who.Role = Fleet // agents of a fleet on loopback have no token
		}
		switch {
		case who.Role.May(need):
			h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), whoKey{}, who)))
		case who.Role == Anybody:
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, d.needed())
		default:
			refuse(w, http.StatusForbidden, tooSmall(who, need))
		}
	})
	other := http.NewCrossOriginProtection()
	other.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "a page of another origin may write nothing here")
	}))
	safe := other.Handler(inner)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		safe.ServeHTTP(w, r)
	})
}

func (d *Desk) needed() string {
	if d.o.People == nil {
		return "a bearer token is needed: see " + d.o.Setting
	}
	return "nobody is signed in: sign in, or show a bearer token of your own (crossfade users token)"
}

func tooSmall(w Who, need Role) string {
	if need == Unset {
		return "nobody may ask this"
	}
	if need == Fleet {
		return "this is for agents: it needs the fleet's own token"
	}
	return w.Name + " is " + w.Role.String() + ", and this needs the role " + need.String() + ": ask whoever keeps the file of people (crossfade users)"
}

// Refuse tells who asks that their role is too small for what is in the request.
// It returns false, and has answered, where it is.
func Refuse(w http.ResponseWriter, r *http.Request, need Role) (ok bool) {
	who := From(r.Context())
	if who.Role.May(need) {
		return true
	}
	refuse(w, http.StatusForbidden, tooSmall(who, need))
	return false
}
