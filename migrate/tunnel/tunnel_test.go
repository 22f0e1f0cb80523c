package tunnel

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// rig is a server that keeps the last tunnel.
type rig struct {
	*httptest.Server
	tunnels chan *Tunnel
	hellos  chan Hello
}

func newRig(t *testing.T) *rig {
	r := &rig{tunnels: make(chan *Tunnel, 10), hellos: make(chan Hello, 10)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Authorization") != "Bearer x" {
			http.Error(w, "a bearer token is needed", http.StatusUnauthorized)
			return
		}
		if tun, h, err := Accept(w, q); err == nil {
			r.tunnels <- tun
			r.hellos <- h
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *rig) agent(t *testing.T, token string, h http.Handler) (said chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	said = make(chan error, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, Agent{Addr: strings.TrimPrefix(r.URL, "http://"), Name: "web-1", Version: "v", Handler: h,
			Token: func() (string, error) { return token, nil }, Connected: func(err error) { said <- err }})
	}()
	t.Cleanup(func() { cancel(); <-done })
	return said
}

func ask(ctx context.Context, tun *Tunnel, path string) (string, error) {
	q, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+path, nil)
	p, err := tun.RoundTrip(q)
	if err != nil {
		return "", err
	}
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	return string(b), err
}

// TestTunnel: many questions over one connection, each with its own deadline;
// the agent comes back when the connection is gone, and a tunnel that is gone
// says so at once.
func TestTunnel(t *testing.T) {
	r := newRig(t)
	hang := make(chan struct{})
	defer close(hang)
	r.agent(t, "x", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/hang" {
			select {
			case <-hang:
			case <-q.Context().Done():
			}
			return
		}
		fmt.Fprint(w, q.URL.Path)
	}))
	tun := <-r.tunnels
	if h := <-r.hellos; h != (Hello{"web-1", "v", Protocol}) {
		t.Errorf("hello %+v", h)
	}
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			path := fmt.Sprintf("/%d", i)
			if i%4 == 0 {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				if _, err := ask(ctx, tun, "/hang"); err == nil {
					t.Error("a question without an answer was answered")
				}
				return
			}
			if got, err := ask(t.Context(), tun, path); got != path || err != nil {
				t.Errorf("%s: got %q, %v", path, got, err)
			}
		})
	}
	wg.Wait()
	tun.Close()
	<-tun.Done()
	if _, err := ask(t.Context(), tun, "/"); err == nil {
		t.Error("a tunnel that is gone answers")
	}
	again := <-r.tunnels
	if got, err := ask(t.Context(), again, "/again"); got != "/again" || err != nil {
		t.Errorf("after it came back: got %q, %v", got, err)
	}
}

// TestSilentServer: an agent whose server is gone without a word finds out, and
// knocks again.
func TestSilentServer(t *testing.T) {
	r := newRig(t)
	said := r.agent(t, "x", http.NotFoundHandler())
	tun := <-r.tunnels
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	// Nobody reads or writes at this end: the ping is not answered.
	select {
	case err := <-said:
		if err == nil {
			t.Error("connected, want an end first")
		}
	case <-time.After(5 * (silence + pingMost)):
		t.Fatal("the agent does not notice")
	}
	<-r.tunnels
	tun.Close()
}

// TestRefused: what the server says reaches whoever runs the agent.
func TestRefused(t *testing.T) {
	r := newRig(t)
	if err := <-r.agent(t, "wrong", http.NotFoundHandler()); err == nil || !strings.Contains(err.Error(), "a bearer token is needed") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	w := httptest.NewRecorder()
	q := httptest.NewRequest(http.MethodPost, Path, nil)
	q.Header.Set("Upgrade", upgrade)
	q.Header.Set(headProtocol, "0")
	if _, _, err := Accept(w, q); err == nil || w.Code != http.StatusUpgradeRequired || !strings.Contains(w.Body.String(), "update the agent") {
		t.Errorf("an older protocol: %v, %d %s", err, w.Code, w.Body)
	}
}
