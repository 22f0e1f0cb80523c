package access

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	fleetToken = "the-fleet's-own"
	password   = "correct horse battery"
)

// place of work: a desk over people, whose clock stands.
type office struct {
	t    *testing.T
	desk *Desk
	path string
	ada  string // bcrypt of her password
	tok  string

	mu    sync.Mutex // guards what follows
	now   time.Time
	noted []Event
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, path: filepath.Join(t.TempDir(), "people.yaml"), now: time.Unix(1_700_000_000, 0), ada: cheap(t, password)}
	p := Person{}
	o.tok = p.NewToken("laptop", o.now)
	o.write(fmt.Sprintf("people:\n  - {name: ada, role: operator, password: '%s'}\n  - {name: vic, role: viewer, password: '%s'}\n  - name: bob\n    role: admin\n    tokens: [{name: laptop, sha256: %s, made: 2026-01-01T00:00:00Z}]\n", o.ada, o.ada, tokenSum(o.tok)))
	people, err := OpenPeople(o.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	o.desk = NewDesk(DeskOptions{Token: fleetToken, Setting: "server.token_file", People: people, Clock: o.clock,
		Note: func(_ context.Context, e Event) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.noted = append(o.noted, e)
			return nil
		}})
	return o
}

func (o *office) write(text string) { writeRoll(o.t, o.path, text, 0o600) }

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

func request(method, path, addr string) *http.Request {
	r := httptest.NewRequest(method, "https://ctl.example"+path, nil)
	r.RemoteAddr = addr
	r.TLS = &tls.ConnectionState{}
	return r
}

// in signs in, and gives the cookie; nil: refused, with the status.
func (o *office) in(name, pass, addr string, had *http.Cookie) (*http.Cookie, int, time.Duration) {
	o.t.Helper()
	r, w := request("POST", "/v1/sign-in", addr), httptest.NewRecorder()
	if had != nil {
		r.AddCookie(had)
	}
	_, err := o.desk.In(w, r, name, pass)
	var no *SignInError
	if errors.As(err, &no) {
		return nil, no.Status, no.After
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return w.Result().Cookies()[0], 200, 0
}

// asks is what somebody is answered who asks for what needs a role, and who the
// desk takes them for.
func (o *office) asks(need Role, change func(*http.Request)) (code int, text string, who Who) {
	h := o.desk.Guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = From(r.Context()) }), func(*http.Request) Role { return need })
	r, w := request("GET", "/v1/x", "192.0.2.7:1000"), httptest.NewRecorder()
	if change != nil {
		change(r)
	}
	h.ServeHTTP(w, r)
	var said struct{ Error string }
	json.Unmarshal(w.Body.Bytes(), &said)
	return w.Code, said.Error, who
}

func with(c *http.Cookie) func(*http.Request) { return func(r *http.Request) { r.AddCookie(c) } }

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// TestRoles: what each may, and what a route without a role lets through.
func TestRoles(t *testing.T) {
	o := newOffice(t)
	ada, _, _ := o.in("ada", password, "192.0.2.7:1", nil)
	vic, _, _ := o.in("vic", password, "192.0.2.7:1", nil)
	for _, tt := range []struct {
		who    string
		change func(*http.Request)
		most   Role // the last that is let through
		name   string
	}{
		{"nobody", nil, Anybody, ""},
		{"a viewer", with(vic), Viewer, "vic"},
		{"an operator", with(ada), Operator, "ada"},
		{"an admin's token", bearer(o.tok), Admin, "bob"},
		{"the fleet's token", bearer(fleetToken), Fleet, ""},
		{"nobody, on loopback", func(r *http.Request) { r.Host, r.RemoteAddr = "127.0.0.1:9310", "127.0.0.1:1" }, Anybody, ""},
		{"a token of nobody's", bearer(o.tok + "0"), Anybody, ""},
		{"the sum of a token", bearer(tokenSum(o.tok)), Anybody, ""},
		{"a wrong token beside a cookie", func(r *http.Request) { with(ada)(r); bearer("x")(r) }, Anybody, ""},
		{"a cookie of nobody's", with(&http.Cookie{Name: "__Host-crossfade", Value: "x"}), Anybody, ""},
		{"the cookie under its name without TLS", with(&http.Cookie{Name: "crossfade", Value: ada.Value}), Anybody, ""},
	} {
		for need := Unset; need <= Fleet; need++ {
			code, text, who := o.asks(need, tt.change)
			want := 200
			switch {
			case need == Unset && tt.most > Anybody, need > tt.most && tt.most > Anybody:
				want = 403
			case need == Unset, need > tt.most:
				want = 401
			}
			if code != want || want == 200 && who.Name != tt.name || want != 200 && text == "" {
				t.Errorf("%s asks for what needs %d: got %d %q (%s), want %d", tt.who, need, code, text, who.Name, want)
			}
		}
	}
}

// TestSession: idle for half an hour, or after twelve, it is over; a new one with
// each sign-in ends the one before; signing out, another password, or being taken
// off the file end it at once.
func TestSession(t *testing.T) {
	stands := func(o *office, c *http.Cookie) bool {
		code, _, _ := o.asks(Operator, with(c))
		return code == 200
	}
	for name, fn := range map[string]func(t *testing.T, o *office, c *http.Cookie){
		"idle": func(t *testing.T, o *office, c *http.Cookie) {
			o.pass(idleMost - time.Second)
			if !stands(o, c) {
				t.Fatal("it is over before it was idle long enough")
			}
			o.pass(idleMost)
			if stands(o, c) {
				t.Error("it stands after half an hour in which nobody asked")
			}
		},
		"watching is not working": func(t *testing.T, o *office, c *http.Cookie) {
			_, _, who := o.asks(Operator, with(c))
			for range 31 {
				o.pass(time.Minute)
				o.desk.Still(who, Viewer)
			}
			if o.desk.Still(who, Viewer) || stands(o, c) {
				t.Error("an open page alone keeps it")
			}
		},
		"twelve hours": func(t *testing.T, o *office, c *http.Cookie) {
			for range int(liveMost/time.Minute/20) - 1 {
				o.pass(20 * time.Minute)
				if !stands(o, c) {
					t.Fatal("it is over although somebody works")
				}
			}
			o.pass(20 * time.Minute)
			if stands(o, c) {
				t.Error("it stands after twelve hours")
			}
		},
		"a new one": func(t *testing.T, o *office, c *http.Cookie) {
			next, _, _ := o.in("ada", password, "192.0.2.7:1", c)
			if next.Value == c.Value || stands(o, c) || !stands(o, next) {
				t.Error("signing in again does not put another in its place")
			}
		},
		"sign out": func(t *testing.T, o *office, c *http.Cookie) {
			h := o.desk.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o.desk.Out(w, r) }), func(*http.Request) Role { return Anybody })
			r, w := request("POST", "/v1/sign-out", "192.0.2.7:1"), httptest.NewRecorder()
			r.AddCookie(c)
			h.ServeHTTP(w, r)
			if cs := w.Result().Cookies(); stands(o, c) || len(cs) != 1 || cs[0].MaxAge >= 0 {
				t.Errorf("it stands, or the cookie does: %v", w.Result().Cookies())
			}
			if e := o.noted[len(o.noted)-1]; e.Verb != "sign-out" || e.Name != "ada" {
				t.Errorf("noted %+v", e)
			}
		},
		"another password": func(t *testing.T, o *office, c *http.Cookie) {
			o.write(fmt.Sprintf("people:\n  - {name: ada, role: operator, password: '%s'}\n", cheap(t, password)))
			o.pass(lookEvery)
			if stands(o, c) {
				t.Error("it stands with another password in the file")
			}
		},
		"gone": func(t *testing.T, o *office, c *http.Cookie) {
			_, _, who := o.asks(Operator, with(c))
			o.write("people: []\n")
			o.pass(lookEvery)
			if o.desk.Still(who, Viewer) || stands(o, c) {
				t.Error("it stands though she is gone from the file")
			}
		},
		"another role": func(t *testing.T, o *office, c *http.Cookie) {
			o.write(fmt.Sprintf("people:\n  - {name: ada, role: viewer, password: '%s'}\n", o.ada))
			o.pass(lookEvery)
			if code, text, _ := o.asks(Operator, with(c)); code != 403 || !strings.Contains(text, "needs the role operator: ask") {
				t.Errorf("got %d %q, want 403", code, text)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			c, code, _ := o.in("ada", password, "192.0.2.7:1", nil)
			if code != 200 || !stands(o, c) {
				t.Fatalf("signing in: %d", code)
			}
			if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Name != "__Host-crossfade" || c.Path != "/" || c.Domain != "" || len(c.Value) < 43 {
				t.Errorf("the cookie is %+v", c)
			}
			fn(t, o, c)
		})
	}
}

// TestSessionsAreBounded: of one person, and of all.
func TestSessionsAreBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := sessions{clock: func() time.Time { return now }, by: map[sum]*signedIn{}}
	for i := range 2 * sessionsMost {
		now = now.Add(time.Millisecond)
		s.begin(&Person{Name: fmt.Sprint(i % 700)}, "")
	}
	if len(s.by) != sessionsMost {
		t.Errorf("%d sessions, want %d", len(s.by), sessionsMost)
	}
	mine := 0
	for range 2 * perPerson {
		s.begin(&Person{Name: "ada"}, "")
	}
	for _, x := range s.by {
		if x.name == "ada" {
			mine++
		}
	}
	if mine != perPerson || len(s.by) > sessionsMost {
		t.Errorf("%d sessions of one person, %d in all, want %d and at most %d", mine, len(s.by), perPerson, sessionsMost)
	}
}

// TestPorts: two servers of one host do not sign each other's people out.
func TestPorts(t *testing.T) {
	one, other := newOffice(t), newOffice(t)
	jar := map[string]*http.Cookie{} // a browser's: by name, whatever the port
	ask := func(o *office, host string, fn func(w http.ResponseWriter, r *http.Request)) {
		r, w := request("GET", "/v1/x", "192.0.2.7:1"), httptest.NewRecorder()
		r.Host = host
		for _, c := range jar {
			r.AddCookie(c)
		}
		fn(w, r)
		for _, c := range w.Result().Cookies() {
			jar[c.Name] = c
		}
	}
	at := map[string]*office{"ctl.example:9310": one, "ctl.example:9320": other, "ctl.example": newOffice(t)}
	for host, o := range at {
		ask(o, host, func(w http.ResponseWriter, r *http.Request) {
			if _, err := o.desk.In(w, r, "ada", password); err != nil {
				t.Fatal(err)
			}
		})
	}
	for host, o := range at {
		ask(o, host, func(w http.ResponseWriter, r *http.Request) {
			if who := o.desk.who(r); who.Name != "ada" {
				t.Errorf("at %s she is signed in no more", host)
			}
		})
	}
	for name := range jar {
		if !strings.HasPrefix(name, "__Host-crossfade") {
			t.Errorf("a cookie named %s", name)
		}
	}
}

// TestThrottle: at one address, whether there is such a person or not, and of one
// address for all; it grows, and ends.
func TestThrottle(t *testing.T) {
	for _, name := range []string{"ada", "nobody-here", strings.Repeat("x", 10_000)} {
		o := newOffice(t)
		for i := range freeByPair {
			if _, code, _ := o.in(name, "wrong password", fmt.Sprint("203.0.113.9:", i+1), nil); code != 401 {
				t.Fatalf("try %d of %.20s: %d, want 401", i, name, code)
			}
		}
		last := time.Duration(0)
		for range 12 {
			_, code, after := o.in(name, password, "203.0.113.9:1", nil)
			if code != 429 || after <= 0 || after < last || after > waitMost {
				t.Fatalf("%.20s: got %d, %v after %v, want 429 and no shorter", name, code, after, last)
			}
			last = after
			o.pass(after)
			if _, code, _ := o.in(name, "wrong password", "203.0.113.9:1", nil); code != 401 {
				t.Fatalf("%.20s: got %d after it had waited, want 401", name, code)
			}
		}
		if last != waitMost {
			t.Errorf("%.20s: the last wait is %v, want %v", name, last, waitMost)
		}
	}
	o := newOffice(t)
	for i := range freeByPlace {
		o.in(fmt.Sprint("someone-", i), "wrong password", fmt.Sprintf("[2001:db8:1:2::%x]:1", i+1), nil)
	}
	if _, code, _ := o.in("ada", password, "[2001:db8:1:2::ffff]:1", nil); code != 429 {
		t.Errorf("from the same /64: %d, want 429", code)
	}
	if _, code, _ := o.in("ada", password, "[2001:db8:1:3::1]:1", nil); code != 200 {
		t.Errorf("from another: %d, want 200", code)
	}
	if n := len(o.noted); n > refusalsMost+1 {
		t.Errorf("%d lines were written in a minute, want at most %d and the sign-in", n, refusalsMost)
	}
	if e := o.noted[len(o.noted)-1]; e.Name != "ada" || e.Refused != "" || e.Unsaid != freeByPlace+1-refusalsMost {
		t.Errorf("the line of the sign-in is %+v, want it to tell of %d that were left out", e, freeByPlace+1-refusalsMost)
	}
	for _, e := range o.noted[:refusalsMost] {
		if e.Name != "" { // none of them is known
			t.Errorf("a name that is not known was written down: %+v", e)
		}
	}
}

// TestThrottleSparesWhoseNameItIs: somebody who guesses her password keeps
// themselves out, not her; from many addresses they keep her out of new ones
// alone, and no longer than for one.
func TestThrottleSparesWhoseNameItIs(t *testing.T) {
	const home, away, theirs = "198.51.100.7:1", "198.51.100.8:1", "203.0.113.9:1"
	o := newOffice(t)
	in := func(from string, want int) {
		t.Helper()
		if _, code, after := o.in("ada", password, from, nil); code != want {
			t.Errorf("ada from %s: %d, wait %v, want %d", from, code, after, want)
		}
	}
	for range 21 { // each as soon as it is looked at
		_, _, after := o.in("ada", "wrong password", theirs, nil)
		o.pass(after)
	}
	in(theirs, 429)
	in(away, 200)
	in(home, 200)
	// One try from each of many places: none of them has waited.
	for i := range freeByName {
		o.in("ada", "wrong password", fmt.Sprintf("203.0.%d.1:1", i), nil)
	}
	in("192.0.2.250:1", 429)
	in(home, 200)
	if _, code, _ := o.in("ada", "wrong password", home, nil); code != 401 {
		t.Errorf("a wrong password at home: %d, want 401: she may mistype", code)
	}
	o.pass(waitMost)
	in("192.0.2.250:1", 200)
	o.pass(knownFor)
	for i := range freeByName {
		o.in("ada", "wrong password", fmt.Sprintf("203.0.%d.1:1", i), nil)
	}
	in(home, 429)
}

// TestThrottleIsBounded: a flood of names wipes out nobody's count.
func TestThrottleIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	h := newThrottle(func() time.Time { return now })
	for i := range freeByName + 3 {
		h.failed("ada", fmt.Sprintf("192.0.2.%d:1", i))
	}
	for range freeByPair {
		h.failed("ada", "192.0.2.1:1")
	}
	h.passed("ada", "198.51.100.7:1")
	for i := range tableMost + 100 {
		addr := fmt.Sprintf("10.%d.%d.1:1", i/250, i%250)
		h.failed(fmt.Sprint(i), addr)
		if now = now.Add(time.Millisecond); i > 0 {
			h.passed(fmt.Sprint(i), addr)
		}
	}
	for what, n := range map[string]int{"names": len(h.names), "places": len(h.places), "pairs": len(h.pairs), "known": len(h.known)} {
		if n > tableMost {
			t.Errorf("%d %s, want %d at most", n, what, tableMost)
		}
	}
	if _, ok := h.known[pairOf(fmt.Sprint(tableMost+99), fmt.Sprintf("10.%d.%d.1:1", (tableMost+99)/250, (tableMost+99)%250))]; !ok || len(h.known) < tableMost {
		t.Errorf("of %d who signed in the last is forgotten", len(h.known))
	}
	if h.wait("ada", "192.0.2.250:1") == 0 {
		t.Error("a flood of other names ends what her name has to wait")
	}
	now = now.Add(forgetAfter)
	h.failed("ada", "192.0.2.1:1")
	if wait := h.wait("ada", "192.0.2.1:1"); wait != 0 {
		t.Errorf("after %v the first failure costs %v, want nothing", forgetAfter, wait)
	}
}

// TestUnknownNameCosts: a name that is not known is compared with a bcrypt of the
// same cost, which no password matches.
func TestUnknownNameCosts(t *testing.T) {
	for _, cost := range []int{4, 5, 12} {
		sum := nobody(cost)
		if got := string(sum[4:6]); got != fmt.Sprintf("%02d", cost) || len(sum) != 60 {
			t.Errorf("cost %s of %d bytes, want %02d of 60", got, len(sum), cost)
		}
	}
	o := newOffice(t)
	if x := o.desk.o.People.now(); string(x.nobody[:7]) != o.ada[:7] {
		t.Errorf("nobody costs %s, she %s", x.nobody[:7], o.ada[:7])
	}
	if _, code, _ := o.in("bob", "", "192.0.2.7:1", nil); code != 401 { // has a token alone
		t.Errorf("bob without a password: %d, want 401", code)
	}
}

// TestOtherOrigin: a page of another site writes nothing, whatever cookie its
// browser sends along, and is refused before anything is looked at.
func TestOtherOrigin(t *testing.T) {
	o := newOffice(t)
	c, _, _ := o.in("ada", password, "192.0.2.7:1", nil)
	looked := false
	h := o.desk.Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was passed on") }), func(*http.Request) Role { looked = true; return Anybody })
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
		r, w := request("POST", "/v1/do", "192.0.2.7:1"), httptest.NewRecorder()
		r.AddCookie(c)
		r.Header.Set(header[0], header[1])
		h.ServeHTTP(w, r)
		if w.Code != 403 || looked || !strings.Contains(w.Body.String(), `{"error":"a page of another origin`) {
			t.Errorf("%s: got %d %s, looked at it: %v", header[0], w.Code, w.Body, looked)
		}
	}
}
