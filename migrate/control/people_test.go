package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/book"
	"github.com/seed-41165957/crossfade/migrate/book/files"
)

const (
	fleetToken     = "the-fleets-own"
	peoplePassword = "correct horse battery"
)

// staffed is a rig whose server knows people: vic, a viewer; ada, an operator;
// eve, an admin. Its clock for sign-ins stands; ahead is how far it was put.
type staffed struct {
	*rig
	path   string
	tokens map[string]string // by name
	ahead  atomic.Int64
}

func newStaffed(t *testing.T) *staffed {
	t.Helper()
	s := &staffed{path: filepath.Join(t.TempDir(), "people.yaml"), tokens: map[string]string{}}
	began := time.Now()
	sum, err := bcrypt.GenerateFromPassword([]byte(peoplePassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	err = access.EditRoll(s.path, func(r *access.Roll) error {
		for name, role := range map[string]access.Role{"vic": access.Viewer, "ada": access.Operator, "eve": access.Admin} {
			p := access.Person{Name: name, Role: role, Password: string(sum)}
			s.tokens[name] = p.NewToken("test", time.Now())
			if err := r.Add(p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flags.json")
	s.rig = newRigWith(t, func() book.Book { return files.New(path) }, func(o *Options) {
		o.Token, o.Version = fleetToken, "v"
		if o.People, err = access.OpenPeople(s.path, nil); err != nil {
			t.Fatal(err)
		}
		o.Clock = func() time.Time { return began.Add(time.Duration(s.ahead.Load())) }
	}, 1)
	s.until("the server to lead", func() bool { return s.servers[0].leads() })
	return s
}

// browser keeps one cookie, and is on no other site.
type browser struct {
	s      *staffed
	cookie *http.Cookie
	bearer string
}

func (b *browser) ask(method, path string, body any) (code int, said []byte, header http.Header) {
	b.s.t.Helper()
	data := []byte{}
	if body != nil {
		data, _ = json.Marshal(body)
	}
	q, err := http.NewRequestWithContext(b.s.t.Context(), method, b.s.servers[0].http.URL+path, bytes.NewReader(data))
	if err != nil {
		b.s.t.Fatal(err)
	}
	q.Header.Set("Sec-Fetch-Site", "same-origin")
	if b.cookie != nil {
		q.AddCookie(b.cookie)
	}
	if b.bearer != "" {
		q.Header.Set("Authorization", "Bearer "+b.bearer)
	}
	p, err := http.DefaultClient.Do(q)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer p.Body.Close()
	for _, c := range p.Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	said, err = io.ReadAll(p.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	return p.StatusCode, said, p.Header
}

func (s *staffed) in(name string) *browser {
	s.t.Helper()
	b := &browser{s: s}
	if code, said, _ := b.ask("POST", "/v1/sign-in", SignIn{name, peoplePassword}); code != 200 || b.cookie == nil {
		s.t.Fatalf("sign in as %s: %d %s", name, code, said)
	}
	return b
}

// TestRouteRoles asks for each route as each person: who may not is refused
// before anything is done, and every route has a role.
func TestRouteRoles(t *testing.T) {
	s := newStaffed(t)
	people := []struct {
		role access.Role
		b    *browser
	}{{access.Anybody, &browser{s: s}}, {access.Viewer, s.in("vic")}, {access.Operator, s.in("ada")}, {access.Admin, s.in("eve")},
		{access.Viewer, &browser{s: s, bearer: s.tokens["vic"]}}, {access.Fleet, &browser{s: s, bearer: fleetToken}}}
	for _, r := range s.servers[0].table() {
		if r.role == access.Unset {
			t.Errorf("%s has no role", r.pattern)
		}
		method, path, _ := strings.Cut(r.pattern, " ")
		if path == "/v1/events" || path == "/v1/sign-out" || path == "/v1/do" {
			continue // below; signing out would end what the others ask with
		}
		for _, p := range people {
			code, said, _ := p.b.ask(method, strings.ReplaceAll(path, "{name}", "none"), nil)
			passed := code != 401 && code != 403 || path == "/v1/sign-in" && strings.Contains(string(said), "cannot be read")
			if passed != p.role.May(r.role) {
				t.Errorf("%s as %q (%d): %d %s", r.pattern, p.role, p.role, code, said)
			}
			if code == 403 && !bytes.Contains(said, []byte("needs the")) {
				t.Errorf("%s as %q: it does not say what it needs: %s", r.pattern, p.role, said)
			}
		}
	}
	for verb, need := range verbRoles {
		for _, p := range people {
			// Arguments that no verb takes: nobody's fleet is moved.
			code, said, _ := p.b.ask("POST", "/v1/do", map[string]any{"verb": verb, "args": map[string]any{"stage": 1}, "revision": 1 << 40})
			if passed := code == 200; passed != p.role.May(need) {
				t.Errorf("%s as %q: %d %s", verb, p.role, code, said)
			}
		}
	}
	for verb := range verbs {
		if verbRoles[verb] == access.Unset {
			t.Errorf("verb %s has no role", verb)
		}
	}
	if code, _, _ := people[0].b.ask("GET", "/v1/nothing", nil); code != 401 {
		t.Errorf("what there is not, without rights: %d, want 401", code)
	}
	if code, _, _ := people[1].b.ask("GET", "/v1/nothing", nil); code != 404 {
		t.Errorf("what there is not: %d, want 404", code)
	}
}

// TestWhoActs: a person's name goes into the log, whatever the request says; so
// does each sign-in, and no password.
func TestWhoActs(t *testing.T) {
	s := newStaffed(t)
	ada := s.in("ada")
	if code, said, _ := ada.ask("POST", "/v1/hold", Order{Actor: actor("somebody else", "black friday")}); code != 200 || bytes.Contains(said, []byte("error")) {
		t.Fatalf("hold: %d %s", code, said)
	}
	token := &browser{s: s, bearer: s.tokens["eve"]}
	token.ask("POST", "/v1/release", Order{Actor: actor("root", "it is over")})
	fleet := &browser{s: s, bearer: fleetToken}
	fleet.ask("POST", "/v1/hold", Order{Actor: actor(planBy, "as if a gate had failed")})
	if p, err := s.servers[0].loadPlace(t.Context()); err != nil || p.Held == nil || p.Held.By == planBy {
		t.Errorf("somebody holds as the plan: %+v (%v)", p.Held, err)
	}
	fleet.ask("POST", "/v1/release", Order{Actor: actor("ops", "")})
	const typo = "what-she-mistyped-in-haste"
	for _, q := range []SignIn{{"ada", typo}, {typo, peoplePassword}} {
		if code, said, _ := (&browser{s: s}).ask("POST", "/v1/sign-in", q); code != 401 || !bytes.Contains(said, []byte("not known here")) {
			t.Errorf("a wrong password: %d %s", code, said)
		}
	}
	ada.ask("POST", "/v1/sign-out", nil)
	if code, _, _ := ada.ask("GET", "/v1/status", nil); code != 401 {
		t.Errorf("after signing out: %d, want 401", code)
	}
	_, said, _ := token.ask("GET", "/v1/audit", nil)
	var log Audit
	if err := json.Unmarshal(said, &log); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range log.Entries {
		switch e.Verb {
		case "sign-in", "sign-out", "hold", "release":
			got = append(got, fmt.Sprintf("%s %s %s: %s", e.Verb, e.Who, e.Args, e.Outcome))
			if !strings.HasPrefix(e.From, "127.0.0.1:") {
				t.Errorf("%s is from %q", e.Verb, e.From)
			}
		}
	}
	want := []string{`sign-in ada {"name":"ada"}: done`, `hold ada {"gate":""}: held by ada: 'black friday'`, `release eve null: released: held by ada: 'black friday'`,
		`hold  {"gate":""}: held by nobody known: 'as if a gate had failed'`, `release ops null: released: held by nobody known: 'as if a gate had failed'`,
		`sign-in  {"name":"ada"}: refused: wrong name or password`, `sign-in  {}: refused: wrong name or password`, `sign-out ada {"name":"ada"}: done`}
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " : released", " null: released")
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if bytes.Contains(said, []byte(typo)) || bytes.Contains(said, []byte(peoplePassword)) {
		t.Error("what somebody typed as a password is in the log")
	}
}

// TestMe: what a page is told before anything else.
func TestMe(t *testing.T) {
	s := newStaffed(t)
	for _, tt := range []struct {
		b    *browser
		want Me
	}{
		{&browser{s: s}, Me{}},
		{&browser{s: s, bearer: "x"}, Me{}},
		{s.in("vic"), Me{Name: "vic", Role: "viewer", SignedIn: true}},
		{&browser{s: s, bearer: s.tokens["eve"]}, Me{Name: "eve", Role: "admin"}},
		{&browser{s: s, bearer: fleetToken}, Me{Role: "admin"}},
	} {
		code, said, _ := tt.b.ask("GET", "/v1/me", nil)
		var got Me
		err := json.Unmarshal(said, &got)
		tt.want.SignIn, tt.want.Migration, tt.want.Version, tt.want.Server = true, name, "v", "ctl-1"
		if code != 200 || err != nil || got != tt.want {
			t.Errorf("got %d %+v, want %+v (%v)", code, got, tt.want, err)
		}
	}
	r := newRig(t, 1)
	b := &browser{s: &staffed{rig: r}}
	_, said, _ := b.ask("GET", "/v1/me", nil)
	if got := string(said); !strings.Contains(got, `"role":"admin","signed_in":false,"sign_in":false`) {
		t.Errorf("on loopback, where nobody signs in: %s", got)
	}
	if code, said, _ := b.ask("POST", "/v1/sign-in", SignIn{"ada", peoplePassword}); code != 404 || !bytes.Contains(said, []byte("server.users_file")) {
		t.Errorf("signing in there: %d %s", code, said)
	}
}

// TestThrottled: too many wrong passwords cost time, and say how much.
func TestThrottled(t *testing.T) {
	s := newStaffed(t)
	b := &browser{s: s}
	for i := range 5 {
		if code, _, _ := b.ask("POST", "/v1/sign-in", SignIn{"ada", "wrong password"}); code != 401 {
			t.Fatalf("try %d: %d, want 401", i, code)
		}
	}
	code, said, h := b.ask("POST", "/v1/sign-in", SignIn{"ada", peoplePassword})
	if code != 429 || h.Get("Retry-After") != "1" || !bytes.Contains(said, []byte("too many wrong passwords")) {
		t.Errorf("got %d, Retry-After %q, %s, want 429 and 1", code, h.Get("Retry-After"), said)
	}
	s.ahead.Store(int64(2 * time.Second))
	if code, said, _ := b.ask("POST", "/v1/sign-in", SignIn{"ada", peoplePassword}); code != 200 {
		t.Errorf("after it: %d %s", code, said)
	}
}

// TestPeopleFileChanges: a role that is taken away counts within a second, without
// a restart.
func TestPeopleFileChanges(t *testing.T) {
	s := newStaffed(t)
	ada := s.in("ada")
	if err := access.EditRoll(s.path, func(r *access.Roll) error { r.Find("ada").Role = access.Viewer; return nil }); err != nil {
		t.Fatal(err)
	}
	s.ahead.Store(int64(time.Second)) // how old what is known of the file may be
	s.until("her role to count", func() bool {
		code, _, _ := ada.ask("POST", "/v1/hold", Order{Revision: 1 << 40})
		return code == 403
	})
	os.Remove(s.path)
	if code, _, _ := ada.ask("GET", "/v1/status", nil); code != 200 {
		t.Errorf("without the file: %d, want what was known to stand", code)
	}
}
