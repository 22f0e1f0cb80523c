package agentapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

const id = "q9pr2r6v3vsl9c1n2v3hm1b7gd"

type agent struct {
	layer    *darklaunch.Layer
	src      *flags.Static
	old, new *memory.Store
	h        *Handler
	hasher   *flags.Hasher
	set      *kinds.Set
}

func newAgent(t *testing.T, p position.Position, ready bool, change ...func(*Options)) *agent {
	set, err := kinds.Compile([]kinds.Kind{{Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"},
		Locks: []string{"memc.sess.key.lock.{id}"}, NewKey: "PHPREDIS_SESSION:{id}"}})
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{set: set, old: memory.New(memory.Options{}), new: memory.New(memory.Options{})}
	a.hasher, _ = flags.NewHasher(make([]byte, 32))
	a.src = flags.NewStatic(nil)
	if ready {
		d := flags.Definition{Migration: "m", Epoch: 3, Default: p}
		d.Weights[p] = flags.Buckets
		if p >= position.Cutover {
			d.CutoverFloor = flags.Buckets
		}
		s, err := d.Compile()
		if err != nil {
			t.Fatal(err)
		}
		a.src = flags.NewStatic(s)
	}
	a.layer, err = darklaunch.New(darklaunch.Options{Migration: "m", Kinds: set, Flags: a.src, Hasher: a.hasher,
		Old: darklaunch.Store{Store: a.old}, New: darklaunch.Store{Store: a.new}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.layer.Close() })
	o := Options{Name: "web-1", Version: "v1", Flags: a.src, Kinds: set, Digest: func(b string) string { return "digest" + b }}
	for _, c := range change {
		c(&o)
	}
	a.h = New(a.layer, o)
	return a
}

func (a *agent) serve(t *testing.T, o ClientOptions) *Client {
	s := httptest.NewServer(a.h)
	t.Cleanup(s.Close)
	c, err := NewClient(strings.TrimPrefix(s.URL, "http://"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (a *agent) ask(method, path, body string, headers ...string) (int, string) {
	r := httptest.NewRequest(method, "http://127.0.0.1:9311"+path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestStatus(t *testing.T) {
	a := newAgent(t, position.Fenced, true)
	s, err := a.serve(t, ClientOptions{}).Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.Agent != "web-1" || s.Version != "v1" || s.Digest != "digest" || s.Migration != "m" || s.Epoch != 3 || !s.Acknowledged || s.State != Ready || s.Start == "" {
		t.Errorf("got %+v", s)
	}
}

func TestReady(t *testing.T) {
	stopping := false
	starting := newAgent(t, position.Off, false)
	if code, body := starting.ask("GET", "/readyz", ""); code != 503 || body != "starting\n" {
		t.Errorf("without flags: %d %q", code, body)
	}
	a := newAgent(t, position.ReadNew, true, func(o *Options) { o.Stopping = func() bool { return stopping } })
	a.old.Close() // the store that does not answer for reads
	if code, body := a.ask("GET", "/readyz", ""); code != 200 || body != "ready\n" {
		t.Errorf("with flags and a dead store: %d %q", code, body)
	}
	stopping = true
	if code, body := a.ask("GET", "/readyz", ""); code != 503 || body != "stopping\n" {
		t.Errorf("on the way out: %d %q", code, body)
	}
	if code, _ := a.ask("GET", "/healthz", ""); code != 200 {
		t.Errorf("healthz: %d", code)
	}
}

// TestOnlyPost: whatever changes something is a POST, and not from another
// origin.
func TestOnlyPost(t *testing.T) {
	a := newAgent(t, position.Fenced, true)
	for _, path := range []string{"barrier", "verified", "restored", "copy-back-dirty", "explain", "synthetic"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
			if code, _ := a.ask(method, "/v1/"+path, ""); code != 405 {
				t.Errorf("%s %s: %d, want 405", method, path, code)
			}
		}
		for _, h := range [][]string{{"Origin", "http://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
			if code, _ := a.ask("POST", "/v1/"+path, `{"session":"x"}`, h...); code != 403 {
				t.Errorf("POST %s with %v: %d, want 403", path, h, code)
			}
		}
	}
	if code, _ := a.ask("POST", "/v1/verified", "", "Host", "rebound.example"); code != 403 {
		t.Errorf("asked by a name that points here: %d, want 403", code)
	}
	if code, _ := a.ask("POST", "/v1/verified", ""); code != 200 {
		t.Errorf("POST verified: %d", code)
	}
}

func TestToken(t *testing.T) {
	a := newAgent(t, position.Fenced, true, func(o *Options) { o.Token = "secret-token" })
	for _, header := range []string{"", "Bearer wrong", "secret-token2"} {
		code, body := a.ask("GET", "/v1/status", "", "Authorization", header)
		if code != 401 || strings.Contains(body, "secret-token") {
			t.Errorf("with %q: %d %s", header, code, body)
		}
	}
	if code, _ := a.ask("GET", "/readyz", ""); code != 200 {
		t.Errorf("readyz asks for a token: %d", code)
	}
	c := a.serve(t, ClientOptions{Token: func() (string, error) { return "secret-token", nil }})
	if _, err := c.Status(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := NewClient("10.0.0.1:9311", ClientOptions{}); err == nil {
		t.Error("an address off loopback without a token was taken")
	}
	if _, err := NewClient("web-1:9311", ClientOptions{}); err == nil {
		t.Error("a name without a token was taken: it may lead anywhere")
	}
}

// TestExplain: lengths, sums, deadlines, positions and ways; no id, no data.
func TestExplain(t *testing.T) {
	ctx := context.Background()
	for _, p := range position.All() {
		a := newAgent(t, p, true)
		ref, _ := a.set.ResolveString("memc.sess.key." + id)
		a.old.Set(ctx, backends.Session{Key: ref.OldKey(), Data: []byte("user|s:5:alice"), Deadline: time.Now().Add(time.Hour)})
		a.new.Set(ctx, backends.Session{Key: ref.NewKey(), Data: []byte("user|s:5:alicf")})
		c := a.serve(t, ClientOptions{})
		for _, q := range []Question{{Session: "memc.sess.key." + id}, {Session: id}, {Hash: a.hasher.SumString(id).String()}} {
			xs, err := c.Explain(ctx, q)
			if err != nil || len(xs) != 1 {
				t.Fatalf("%v: %v %d answers", p, err, len(xs))
			}
			x := xs[0]
			if x.Hash != a.hasher.SumString(id).String() || x.Position != p.String() || len(x.Operates) != 7 || x.Why == "" {
				t.Errorf("%v: got %+v", p, x)
			}
			for _, w := range x.Operates {
				if len(w.Calls) == 0 {
					t.Errorf("%v: %s goes nowhere", p, w.Op)
				}
			}
			if q.Hash == "" {
				if !x.Old.Found || !x.New.Found || x.Old.Bytes != 14 || x.Old.Sum == x.New.Sum || x.Old.Deadline == nil || x.New.Deadline != nil {
					t.Errorf("%v: held %+v and %+v", p, x.Old, x.New)
				}
			}
			b, _ := json.Marshal(x)
			for _, secret := range []string{id, "alice"} {
				if bytes.Contains(b, []byte(secret)) {
					t.Errorf("%v: the answer holds %q: %s", p, secret, b)
				}
			}
		}
	}
}

// TestWays: where operations go is the rules' own answer.
func TestWays(t *testing.T) {
	for p, want := range map[position.Position]string{
		position.Off:     "old: set",
		position.Mirror:  "old: set; new",
		position.Fenced:  "old: set, new: set+clear tombstone",
		position.Cutover: "new: set",
		position.Back:    "new: set+clear tombstone, old: set+clear tombstone",
	} {
		a := newAgent(t, p, true)
		xs, err := a.serve(t, ClientOptions{}).Explain(context.Background(), Question{Hash: strings.Repeat("0", 32)})
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(xs[0].Operates[1].Calls, ", ")
		if after := xs[0].Operates[1].After; after != "" {
			got += "; " + after
		}
		if got != want {
			t.Errorf("%v: a set goes %q, want %q", p, got, want)
		}
	}
}

// TestExplainByEra: where a session goes is what the layer does with it, also
// while it has not taken yet what the flags say.
func TestExplainByEra(t *testing.T) {
	a := newAgent(t, position.Mirror, true)
	d := a.src.Current().Definition()
	d.Epoch, d.Default, d.Weights = 4, position.Fenced, flags.Weights{}
	d.Weights[position.Fenced] = flags.Buckets
	next, err := d.Compile()
	if err != nil {
		t.Fatal(err)
	}
	if err := a.src.Set(next); err != nil { // the layer does not run: it takes nothing
		t.Fatal(err)
	}
	c := a.serve(t, ClientOptions{})
	for _, q := range []Question{{Hash: strings.Repeat("0", 32)}, {Session: "memc.sess.key." + id}} {
		xs, err := c.Explain(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if xs[0].Epoch != 3 || xs[0].Position != "mirror" {
			t.Errorf("%+v: %s by revision %d, want mirror by 3, which it obeys", q, xs[0].Position, xs[0].Epoch)
		}
	}
}

// TestErrorsShowNothing: what is asked never comes back in an error.
func TestErrorsShowNothing(t *testing.T) {
	a := newAgent(t, position.Fenced, true)
	for _, body := range []string{id, `{"session":"` + id, `{"sessions":"` + id + `"}`, `{"session":"` + id + ` x"}`, `{"hash":"` + id + `"}`,
		`{"session":"` + id + `","hash":"` + id + `"}`, `{"session":"` + strings.Repeat(id, 1000) + `"}`} {
		code, answer := a.ask("POST", "/v1/explain", body)
		if code == 200 || strings.Contains(answer, id) {
			t.Errorf("%.60s: %d %s", body, code, answer)
		}
	}
	if code, answer := a.ask("POST", "/v1/explain?session="+id, ""); code == 200 || strings.Contains(answer, id) {
		t.Errorf("a session in the address: %d %s", code, answer)
	}
}

// TestCopyBackDirty: what cutover could not write to old is copied there when
// the agent is told, and only in back.
func TestCopyBackDirty(t *testing.T) {
	ctx := context.Background()
	fail := true
	old := memory.New(memory.Options{Faults: func(memory.Call) memory.Fault {
		if fail {
			return memory.Fault{Kind: memory.NotApplied}
		}
		return memory.Fault{}
	}})
	a := newAgent(t, position.Back, true)
	l, err := darklaunch.New(darklaunch.Options{Migration: "m", Kinds: a.set, Flags: a.src, Hasher: a.hasher,
		Old: darklaunch.Store{Store: old}, New: darklaunch.Store{Store: a.new}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a.h = New(l, Options{Name: "x", Flags: a.src, Kinds: a.set})
	ref, _ := a.set.ResolveString("memc.sess.key." + id)
	if err := l.Door("library").Set(ctx, ref, backends.Session{Data: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	c := a.serve(t, ClientOptions{})
	if s, _ := c.Status(ctx); s.DirtyOld != 1 {
		t.Fatalf("dirty in old: %d, want 1", s.DirtyOld)
	}
	if r, err := c.CopyBackDirty(ctx); err != nil || r.Done != 0 || r.Left != 1 {
		t.Errorf("while old fails: %+v %v", r, err)
	}
	fail = false
	time.Sleep(1100 * time.Millisecond) // the breaker's period
	if r, err := c.CopyBackDirty(ctx); err != nil || r.Done != 1 || r.Left != 0 {
		t.Errorf("got %+v %v, want one done", r, err)
	}
	if s, found, _ := old.Get(ctx, ref.OldKey()); !found || string(s.Data) != "v" {
		t.Errorf("old holds %q", s.Data)
	}
}

// TestClientIsBounded: an agent that says nothing, or too much, or something
// else, costs no more than the timeout.
func TestClientIsBounded(t *testing.T) {
	ctx := context.Background()
	for name, h := range map[string]http.HandlerFunc{
		"silent":   func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"endless":  func(w http.ResponseWriter, r *http.Request) { io.Copy(w, neverEnds{r.Context()}) },
		"other":    func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<html>")) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) },
	} {
		s := httptest.NewServer(h)
		c, err := NewClient(strings.TrimPrefix(s.URL, "http://"), ClientOptions{Timeout: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := c.Status(ctx); err == nil {
			t.Errorf("%s: taken for an agent", name)
		}
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		c.Close()
		s.CloseClientConnections()
		s.Close()
	}
}

type neverEnds struct{ ctx context.Context }

func (n neverEnds) Read(p []byte) (int, error) {
	if n.ctx.Err() != nil {
		return 0, io.EOF
	}
	return len(p), nil
}

func TestUnixSocket(t *testing.T) {
	a := newAgent(t, position.Fenced, true)
	dir, err := os.MkdirTemp("", "cf") // short: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: a.h, ReadHeaderTimeout: time.Second}
	go s.Serve(l)
	defer s.Close()
	c, err := NewClient("unix:"+path, ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if st, err := c.Status(context.Background()); err != nil || st.Agent != "web-1" {
		t.Errorf("%+v %v", st, err)
	}
	if err := c.Barrier(context.Background()); err != nil {
		t.Error(err)
	}
}
