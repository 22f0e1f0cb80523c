package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/frontends"
	"github.com/seed-41165957/crossfade/frontends/frontendtest"
	"github.com/seed-41165957/crossfade/frontends/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var web = kinds.Kind{Name: "web", Keys: []string{"s.{id: .+}"}, Locks: []string{"lock.{id}"}}

// described is the description as the test needs it.
type described struct {
	Paths map[string]map[string]json.RawMessage `json:"paths"`
	Parts struct {
		Schemas struct {
			Problem struct {
				Properties struct {
					Type struct{ Enum []string }
				}
			}
		}
	} `json:"components"`
}

type response struct {
	Headers map[string]any `json:"headers"`
	Content map[string]any `json:"content"`
}

// rig is a server, a client, and what of the description was seen.
type rig struct {
	*testing.T
	f     *frontendtest.Sessions
	base  string
	http  *http.Client
	spec  map[string]response // by "get /path 200"
	types map[string]bool     // of problems: seen
	seen  map[string]bool
}

func newRig(t *testing.T, o rest.Options) *rig {
	t.Helper()
	r := &rig{T: t, f: frontendtest.New(t, web), spec: map[string]response{}, types: map[string]bool{}, seen: map[string]bool{}}
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var d described
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for path, methods := range d.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var one struct{ Responses map[string]response }
			if err := json.Unmarshal(raw, &one); err != nil {
				t.Fatal(err)
			}
			for status, resp := range one.Responses {
				r.spec[method+" "+path+" "+status] = resp
			}
		}
	}
	for _, p := range d.Parts.Schemas.Problem.Properties.Type.Enum {
		r.types[p] = false
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := rest.New(r.f, o)
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.Serve(context.Background(), l); err != nil {
			t.Error(err)
		}
	})
	tr := &http.Transport{}
	r.http, r.base = &http.Client{Transport: tr}, "http://"+l.Addr().String()
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	return r
}

// ask sends one request and holds the answer to the description. headers are
// "Name: value".
func (r *rig) ask(method, path, body string, headers ...string) (status int, answer string, head http.Header) {
	r.Helper()
	q, err := http.NewRequest(method, r.base+path, strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if q.Header.Set(name, value); name == "Host" {
			q.Host = value
		}
	}
	resp, err := r.http.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	template := path
	if strings.HasPrefix(path, "/v1/sessions/") {
		template = "/v1/sessions/{name}"
	}
	at := fmt.Sprintf("%s %s %d", strings.ToLower(method), template, resp.StatusCode)
	said, ok := r.spec[at]
	var p struct {
		Type   string
		Status int
	}
	if resp.Header.Get("Content-Type") == "application/problem+json" && method != "HEAD" {
		if err := json.Unmarshal(b, &p); err != nil || p.Status != resp.StatusCode {
			r.Errorf("%s %s: problem %q: %v", method, path, b, err)
		}
		if _, known := r.types[p.Type]; !known {
			r.Errorf("%s %s: a problem of type %q, which is not described", method, path, p.Type)
		}
		r.types[p.Type] = true
	}
	if p.Type == "path" || p.Type == "method" { // of what is not described
		return resp.StatusCode, string(b), resp.Header
	}
	if !ok {
		r.Errorf("%s is not described: %s", at, b)
	}
	r.seen[at] = true
	for name := range resp.Header {
		if _, known := said.Headers[name]; !known && (strings.HasPrefix(name, "Crossfade-") || name == "Etag" && said.Headers["ETag"] == nil) {
			r.Errorf("%s: header %s is not described", at, name)
		}
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	if len(b) > 0 && said.Content[kind] == nil {
		if _, known := said.Content[kind]; !known {
			r.Errorf("%s: a body of type %q is not described", at, kind)
		}
	}
	return resp.StatusCode, string(b), resp.Header
}

func (r *rig) want(status int, method, path, body string, headers ...string) (answer string, head http.Header) {
	r.Helper()
	got, answer, head := r.ask(method, path, body, headers...)
	if got != status {
		r.Errorf("%s %s %v: got %d %s, want %d", method, path, headers, got, answer, status)
	}
	return answer, head
}

// TestDescription goes through every answer that the description has, and sees
// that there is no other.
func TestDescription(t *testing.T) {
	r := newRig(t, rest.Options{Server: frontends.Options{Value: 100}, Names: 3})
	const one, hour = "/v1/sessions/s.one", "Crossfade-TTL: 3600"
	var fault error
	r.f.Fault = func(string, kinds.Ref) error { return fault }

	r.want(404, "GET", one, "")
	r.want(404, "HEAD", one, "")
	r.want(404, "PATCH", one, "", hour)
	r.want(404, "DELETE", one, "")
	r.want(204, "PUT", one, "a\x00b", hour, "Crossfade-Flags: 7")
	body, head := r.want(200, "GET", one, "")
	if tag := head.Get("ETag"); body != "a\x00b" || len(tag) != 18 || head.Get("Crossfade-Flags") != "7" {
		t.Errorf("got %q, %v", body, head)
	}
	tag := head.Get("ETag")
	if end, err := time.Parse(time.RFC3339Nano, head.Get("Crossfade-Deadline")); err != nil || time.Until(end) < 59*time.Minute || time.Until(end) > time.Hour {
		t.Errorf("deadline %v, %v", head.Get("Crossfade-Deadline"), err)
	}
	if body, _ := r.want(200, "HEAD", one, ""); body != "" {
		t.Errorf("a HEAD with a body")
	}
	r.want(304, "GET", one, "", "If-None-Match: "+tag)
	r.want(304, "HEAD", one, "", "If-None-Match: *")
	r.want(412, "GET", one, "", `If-Match: "0123456789abcdef"`)
	r.want(412, "HEAD", one, "", `If-Match: "0123456789abcdef"`)
	r.want(200, "GET", one, "", "If-Match: "+tag+`, "other"`)
	r.want(412, "PUT", one, "x", hour, "If-None-Match: *")
	r.want(412, "PUT", one, "x", hour, `If-Match: "0000000000000001"`)
	_, head = r.want(204, "PUT", one, "c", "Crossfade-Deadline: never", "If-Match: "+tag)
	if after := head.Get("ETag"); after == tag {
		t.Error("other data, and the tag is the same")
	}
	body, head = r.want(200, "GET", one, "")
	if body != "c" || head.Get("Crossfade-Deadline") != "never" || head.Get("Crossfade-Flags") != "" {
		t.Errorf("got %q, %v", body, head)
	}
	r.want(412, "PATCH", one, "", hour, "If-Match: "+tag)
	r.want(412, "DELETE", one, "", "If-Match: "+tag)
	r.want(204, "PATCH", one, "", "Crossfade-Deadline: 2099-01-02T03:04:05.678Z")
	if _, head := r.want(200, "GET", one, ""); head.Get("Crossfade-Deadline") != "2099-01-02T03:04:05.678Z" {
		t.Errorf("got %v", head)
	}
	r.want(204, "DELETE", one, "", "If-Match: *")
	r.want(204, "PUT", one, "x", hour, "If-None-Match: *")
	r.want(204, "PATCH", one, "", "Crossfade-TTL: 0")
	r.want(404, "GET", one, "")

	r.f.Blind = true
	r.want(204, "PUT", one, "x", "Crossfade-TTL: 0.5")
	if _, head := r.want(200, "GET", one, ""); head.Get("Crossfade-Deadline") != "unknown" {
		t.Errorf("got %v", head)
	}
	for _, bad := range [][]string{{"PUT", one, "x"}, {"PUT", one, "x", "Crossfade-TTL: 1e3"}, {"PUT", one, "x", "Crossfade-TTL: -1"}, {"PUT", one, "x", "Crossfade-TTL: NaN"},
		{"PUT", one, "x", hour, "Crossfade-Deadline: never"}, {"PUT", one, "x", "Crossfade-Deadline: tomorrow"}, {"PUT", one, "x", hour, "Crossfade-Flags: 4294967296"},
		{"PUT", one, "x", hour, "If-Match: abc"}, {"PUT", one, "x", hour, "Content-Encoding: gzip"}, {"PATCH", one, ""}, {"PATCH", one, "x", hour},
		{"GET", one, "", "If-Match: abc"}, {"DELETE", one, "", "If-Match: abc"}, {"GET", "/v1/sessions/other", ""}, {"GET", "/v1/sessions/lock.one", ""},
		{"HEAD", "/v1/sessions/other", ""}, {"DELETE", "/v1/sessions", "{}x"}, {"DELETE", "/v1/sessions", `{"ids":["s.1","s.2","s.3","s.4"]}`}, {"DELETE", "/v1/sessions", `{"names":[]}`}} {
		r.want(400, bad[0], bad[1], bad[2], bad[3:]...)
	}
	r.want(413, "PUT", one, strings.Repeat("x", 101), hour)
	for _, q := range [][2]string{{"GET", one}, {"HEAD", one}, {"PUT", one}, {"PATCH", one}, {"DELETE", one}, {"DELETE", "/v1/sessions"}, {"GET", "/openapi.json"}} {
		r.want(403, q[0], q[1], "", "Origin: http://evil.example")
		r.want(403, q[0], q[1], "", "Host: evil.example")
		r.want(403, q[0], q[1], "", "Sec-Fetch-Site: same-origin")
	}
	fault = errors.New("s.one is down")
	for _, q := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE"} {
		_, head := r.want(503, q, one, "", hour)
		if head.Get("Retry-After") == "" {
			t.Errorf("%s: 503 without Retry-After", q)
		}
	}
	fault = backends.ErrRevoked
	r.want(409, "PUT", one, "x", hour)
	fault = backends.ErrKey
	r.want(400, "PUT", one, "x", hour)
	fault = nil
	r.want(204, "PUT", one, "x", hour)
	if body, _ := r.want(200, "DELETE", "/v1/sessions", `{"ids":["s.one","s.two","other"]}`); body != `{"results":["deleted","missing","no-kind"],"deleted":1}`+"\n" {
		t.Errorf("got %s", body)
	}
	r.want(405, "POST", one, "")
	r.want(405, "GET", "/v1/sessions", "")
	r.want(405, "POST", "/openapi.json", "")
	r.want(404, "GET", "/v2", "")
	if body, _ := r.want(200, "GET", "/openapi.json", ""); !strings.Contains(body, "/v1/sessions/{name}") {
		t.Errorf("got %s", body)
	}
	for at := range r.spec {
		if !r.seen[at] {
			t.Errorf("%s is described and was not seen", at)
		}
	}
	for kind, seen := range r.types {
		if !seen {
			t.Errorf("a problem of type %s is described and was not seen", kind)
		}
	}
}

// TestNames: every byte that a store takes can be in a name.
func TestNames(t *testing.T) {
	r := newRig(t, rest.Options{})
	for name, path := range map[string]string{"s.a/b": "s.a%2Fb", "s.a/../b": "s.a/../b", "s.%": "s.%25", "s.é": "s.%C3%A9", "s.a+b": "s.a+b", "s.a?b": "s.a%3Fb", "s.\x01": "s.%01"} {
		r.want(204, "PUT", "/v1/sessions/"+path, name, "Crossfade-TTL: 60")
		if body, _ := r.want(200, "GET", "/v1/sessions/"+path, ""); body != name {
			t.Errorf("%s: got %q", path, body)
		}
		if calls := strings.Join(r.f.Calls(), "\n"); !strings.Contains(calls, "set "+name+" ") {
			t.Errorf("%s: %q", path, calls)
		}
	}
}

// TestManyEnds: a store that takes its time does not cost the answer of what was
// deleted.
func TestManyEnds(t *testing.T) {
	var clock atomic.Int64
	r := newRig(t, rest.Options{Server: frontends.Options{Now: func() time.Time { return time.Unix(clock.Load(), 0) }}})
	r.f.Fault = func(string, kinds.Ref) error {
		clock.Add(11)
		return nil
	}
	body, _ := r.want(200, "DELETE", "/v1/sessions", `{"ids": ["s.a", "s.b", "s.c", "s.d", "s.e"]}`)
	if want := `{"results":["missing","missing","missing","unavailable","unavailable"],"deleted":0}`; strings.TrimSpace(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

// TestConditions: of clients that change a session by what they have read, none
// loses another's change.
func TestConditions(t *testing.T) {
	r := newRig(t, rest.Options{})
	const path, clients, each = "/v1/sessions/s.n", 4, 25
	r.want(204, "PUT", path, "0", "Crossfade-TTL: 60")
	do := func(method, body string, headers ...string) (int, string, http.Header) {
		q, _ := http.NewRequest(method, r.base+path, strings.NewReader(body))
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			q.Header.Set(name, value)
		}
		resp, err := r.http.Do(q)
		if err != nil {
			t.Error(err)
			return 0, "", nil
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), resp.Header
	}
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for done := 0; done < each; {
				_, body, head := do("GET", "")
				var n int
				fmt.Sscan(body, &n)
				switch status, text, _ := do("PUT", fmt.Sprint(n+1), "Crossfade-TTL: 60", "If-Match: "+head.Get("ETag")); status {
				case 204:
					done++
				case 412:
				default:
					t.Errorf("got %d %s", status, text)
					return
				}
			}
		})
	}
	wg.Wait()
	if body, _ := r.want(200, "GET", path, ""); body != fmt.Sprint(clients*each) {
		t.Errorf("got %s, want %d", body, clients*each)
	}
}

// TestRoom: one connection too many is closed, and the next is served when there
// is room.
func TestRoom(t *testing.T) {
	r := newRig(t, rest.Options{Server: frontends.Options{Connections: 2}})
	addr := strings.TrimPrefix(r.base, "http://")
	var open []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /v1/sessions/s.a HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the third connection: %v, want it closed", err)
	}
	open[0].Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		resp, err := r.http.Get(r.base + "/v1/sessions/s.a")
		if err == nil {
			resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
