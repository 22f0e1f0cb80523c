package flags

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// site answers in the place of a network.
type site struct {
	asked  int
	answer func(q *http.Request) (*http.Response, error)
}

func (s *site) RoundTrip(q *http.Request) (*http.Response, error) { s.asked++; return s.answer(q) }

// page is an answer, with headers by pairs.
func page(code int, body string, headers ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		p := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		for i := 0; i+1 < len(headers); i += 2 {
			p.Header.Set(headers[i], headers[i+1])
		}
		return p, nil
	}
}

// endless is a body that never ends.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) { e.read += int64(len(p)); return len(p), nil }
func (e *endless) Close() error               { return nil }

// TestURL: what answers badly changes nothing, is told, and is asked on; the last
// good stands over a restart.
func TestURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		name := allAt(position.Off).Migration
		state := filepath.Join(t.TempDir(), "state")
		token, tokenErr := "first", error(nil)
		open := func() *URL {
			f, err := NewURL("https://flags.example/f?secret=abc", URLOptions{StateDir: state, Migration: name, Transport: s,
				Token: func() (string, error) { return token, tokenErr }})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		f := open()
		want := func(epoch uint64, p position.Position, problem string) {
			t.Helper()
			err := f.Load(t.Context())
			d, st := f.Decide(Hash{}), f.Status()
			if d.Epoch != epoch || d.Position != p {
				t.Fatalf("serves %v of %d, want %v of %d (%v)", d.Position, d.Epoch, p, epoch, err)
			}
			if (problem == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), problem) || !errors.Is(st.LastError, err) {
				t.Errorf("%v, and the status has %v: want %q", err, st.LastError, problem)
			}
			if err != nil && (strings.Contains(err.Error(), "abc") || strings.Contains(err.Error(), "first")) {
				t.Errorf("the error shows what it should not: %v", err)
			}
		}
		s.answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }
		if want(0, position.Off, "flags.url does not answer"); f.Status().Ready {
			t.Error("ready")
		}
		// The first that comes, with its tag.
		s.answer = func(q *http.Request) (*http.Response, error) {
			if q.Header.Get("Authorization") != "Bearer first" || q.Header.Get("If-None-Match") != "" {
				t.Errorf("asked with %v", q.Header)
			}
			return page(200, string(at(t, 1, position.Mirror)), "ETag", `"one"`)(q)
		}
		want(1, position.Mirror, "")
		contact := f.Status().LastContact
		time.Sleep(time.Minute)
		token = "second"
		s.answer = func(q *http.Request) (*http.Response, error) {
			if q.Header.Get("Authorization") != "Bearer second" || q.Header.Get("If-None-Match") != `"one"` {
				t.Errorf("asked with %v", q.Header)
			}
			return page(304, "")(q)
		}
		if want(1, position.Mirror, ""); !f.Status().LastContact.Equal(contact.Add(time.Minute)) {
			t.Error("304 is no contact")
		}
		contact = f.Status().LastContact
		time.Sleep(time.Minute)
		e := &endless{}
		for problem, answer := range map[string]func(*http.Request) (*http.Response, error){
			"answers 500":  page(500, "abc"),
			"answers 401":  page(401, ""),
			"answers 302":  page(302, "", "Location", "https://elsewhere.example/"),
			"answers 204":  page(204, ""),
			"not JSON":     page(200, "<html>"),
			"too early":    page(200, string(at(t, 2, position.Fenced))[:400]),
			"go by fenced": page(200, string(at(t, 2, position.ReadNew)), "ETag", `"two"`),
			"both are 1":   page(200, string(at(t, 1, position.Off)), "ETag", `"old"`),
			"bytes: accepted are up to": func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: e}, nil
			},
			"deadline": func(q *http.Request) (*http.Response, error) { <-q.Context().Done(); return nil, q.Context().Err() },
		} {
			began := time.Now()
			asked := s.asked
			s.answer = answer
			if want(1, position.Mirror, problem); s.asked != asked+1 {
				t.Errorf("%s: asked %d times", problem, s.asked-asked)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s: took %v", problem, took)
			}
		}
		if e.read > 2*MaxFile {
			t.Errorf("%d bytes were read of an endless answer", e.read)
		}
		// What was refused and has not changed stays refused.
		s.answer = page(200, string(at(t, 2, position.ReadNew)), "ETag", `"two"`)
		want(1, position.Mirror, "go by fenced")
		s.answer = page(304, "")
		want(1, position.Mirror, "go by fenced")
		if !f.Status().LastContact.Equal(contact) {
			t.Error("what was refused counts as contact")
		}
		// A token that cannot be read is not left out.
		tokenErr = errors.New("token: not there")
		asked := s.asked
		if want(1, position.Mirror, "token: not there"); s.asked != asked {
			t.Error("asked without the token")
		}
		tokenErr = nil
		// The stores brought it on meanwhile: 304 says nothing of that.
		if err := f.Take(at(t, 2, position.Fenced), FromStore); err != nil {
			t.Fatal(err)
		}
		s.answer = func(q *http.Request) (*http.Response, error) {
			if tag := q.Header.Get("If-None-Match"); tag != "" {
				t.Errorf("asked with the tag %s", tag)
			}
			return page(200, string(at(t, 3, position.ReadNew)))(q)
		}
		want(3, position.ReadNew, "")
		// A restart without the network.
		f = open()
		s.answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") }
		want(3, position.ReadNew, "does not answer")

		// Run asks each second, and ends.
		ctx, cancel := context.WithCancelCause(t.Context())
		asked = s.asked
		done := make(chan error)
		go func() { done <- f.Run(ctx) }()
		time.Sleep(10*time.Second + time.Millisecond)
		ended := errors.New("ended")
		cancel(ended)
		if err := <-done; !errors.Is(err, ended) || s.asked-asked != 11 {
			t.Errorf("%v after %d questions in 10 s", err, s.asked-asked)
		}
	})
}

func TestURLAddresses(t *testing.T) {
	for _, bad := range []string{"", "flags.json", "file:///flags.json", "https://", "https://u:p@a/f", "https://a/f#x", "ftp://a/f"} {
		if _, err := NewURL(bad, URLOptions{}); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
