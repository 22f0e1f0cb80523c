package ofrep

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// mixed is a revision with sessions in all seven positions, and one pinned to
// where its bucket is not.
func mixed(t testing.TB, epoch uint64) (data []byte, pinned flags.Hash) {
	t.Helper()
	d := flags.Definition{Migration: "sessions", Epoch: epoch, Bucketing: "b-1", CutoverFloor: 3000, Settled: 4000}
	d.Weights[position.Off] = flags.Buckets
	for i, p := range flags.Ladder[:6] {
		d.Weights[p] = 1000 + 100*i
		d.Weights[position.Off] -= d.Weights[p]
	}
	d.Default = flags.DefaultOf(d.Weights)
	pinned, _ = flags.ParseHash(strings.Repeat("7", 32))
	d.Pins = map[flags.Hash]position.Position{pinned: position.Fenced}
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	return data, pinned
}

type asked struct {
	code int
	head http.Header
	body string
}

func ask(h http.Handler, method, path, body string, headers ...string) asked {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return asked{w.Code, w.Header(), w.Body.String()}
}

const single, many = "/ofrep/v1/evaluate/flags/" + flags.Key, "/ofrep/v1/evaluate/flags"

func key(h flags.Hash) string {
	return `{"context":{"targetingKey":"` + h.String() + `","country":"NL"}}`
}

// TestSameAsTheAgent: what is told of 2,000 sessions is what their snapshot
// says, one by one and in bulk.
func TestSameAsTheAgent(t *testing.T) {
	data, pinned := mixed(t, 9)
	h := New(func() []byte { return data }, Options{})
	snap, err := flags.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	hasher, _ := flags.NewHasher(make([]byte, flags.KeySize))
	seen := map[string]int{}
	for i := range 2000 {
		hash := hasher.SumString(fmt.Sprint("session-", i))
		if i == 0 {
			hash = pinned
		}
		want := snap.Decide(hash)
		var e evaluation
		a := ask(h, "POST", single, key(hash))
		if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.code != 200 {
			t.Fatalf("%d %s: %v", a.code, a.body, err)
		}
		if e.Value != want.Position.String() || e.Variant != e.Value || e.Key != flags.Key || e.Reason != targetingMatch ||
			e.Metadata["bucket"] != float64(want.Bucket) || e.Metadata["epoch"] != 9.0 || e.Metadata["pinned"] != want.Pinned {
			t.Fatalf("told %+v, the agent says %+v", e, want)
		}
		var b bulk
		a = ask(h, "POST", many, key(hash))
		if err := json.Unmarshal([]byte(a.body), &b); err != nil || len(b.Flags) != 1 || b.Flags[0].Value != e.Value {
			t.Fatalf("in bulk %s, want %s", a.body, e.Value)
		}
		if strings.Contains(a.body, "pin.") {
			t.Fatal("the answer names pinned sessions")
		}
		seen[e.Value]++
	}
	if len(seen) != position.Count {
		t.Errorf("seen %v, want all seven positions", seen)
	}
}

// TestRefusals: each mistake has its code, and what was sent is not repeated.
func TestRefusals(t *testing.T) {
	data, pinned := mixed(t, 1)
	h := New(func() []byte { return data }, Options{})
	const id = "q9pr2r6v3vsl9c1n2v3hm1b7gd"
	for _, tt := range []struct {
		name, path, body string
		code             int
		want             string
	}{
		{"no JSON", single, id, 400, parseError},
		{"no object", single, `["` + id + `"]`, 400, parseError},
		{"nothing", single, "", 400, parseError},
		{"too long", single, `{"context":{"a":"` + strings.Repeat("x", maxBody) + `"}}`, 400, parseError},
		{"context is a text", many, `{"context":"` + id + `"}`, 400, parseError},
		{"no context", single, `{}`, 400, targetingKeyMissing},
		{"no key", single, `{"context":{"id":"` + id + `"}}`, 400, targetingKeyMissing},
		{"an empty key", many, `{"context":{"targetingKey":""}}`, 400, targetingKeyMissing},
		{"a number", single, `{"context":{"targetingKey":7}}`, 400, invalidContext},
		{"a session id", single, `{"context":{"targetingKey":"` + id + `"}}`, 400, invalidContext},
		{"in bulk", many, `{"context":{"targetingKey":"` + id + `"}}`, 400, invalidContext},
		{"in upper case", single, strings.ToUpper(`{"context":{"targetingKey":"`) + `c6baf1b464990c4738cc1003de32DAAD"}}`, 400, targetingKeyMissing},
		{"a hash in upper case", single, `{"context":{"targetingKey":"C6BAF1B464990C4738CC1003DE32DAAD"}}`, 400, invalidContext},
		{"another flag", many + "/" + id, key(pinned), 404, flagNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask(h, "POST", tt.path, tt.body)
			var f failure
			if err := json.Unmarshal([]byte(a.body), &f); err != nil || a.code != tt.code || f.Code != tt.want || f.Details == "" {
				t.Errorf("%d %s, want %d %s", a.code, a.body, tt.code, tt.want)
			}
			if strings.Contains(a.body, id) {
				t.Error("the answer repeats what may be a session id")
			}
			if (tt.path != many) != (f.Key == flags.Key) {
				t.Errorf("key %q", f.Key)
			}
		})
	}
	if a := ask(h, "GET", single, ""); a.code != 405 {
		t.Errorf("GET: %d", a.code)
	}
	none := New(func() []byte { return nil }, Options{})
	for _, a := range []asked{ask(none, "POST", single, key(pinned)), ask(none, "POST", many, key(pinned)), ask(none, "GET", "/flags.json", "")} {
		if a.code != 503 || !strings.Contains(a.body, "errorDetails") || a.head.Get("Retry-After") == "" {
			t.Errorf("before the first revision: %d %s", a.code, a.body)
		}
	}
}

// TestETags: what is known is not sent again, and a new revision is.
func TestETags(t *testing.T) {
	data, pinned := mixed(t, 1)
	h := New(func() []byte { return data }, Options{})
	for _, q := range []struct{ method, path, body string }{{"GET", "/flags.json", ""}, {"POST", many, key(pinned)}} {
		data, _ = mixed(t, 1)
		a := ask(h, q.method, q.path, q.body)
		tag := a.head.Get("ETag")
		if a.code != 200 || len(tag) != 34 || tag[0] != '"' {
			t.Fatalf("%s: %d, ETag %s: want a strong one", q.path, a.code, tag)
		}
		if q.method == "GET" && a.body != string(data) {
			t.Errorf("%s is not the flag set", q.path)
		}
		for _, known := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			if a := ask(h, q.method, q.path, q.body, "If-None-Match", known); a.code != 304 || a.body != "" {
				t.Errorf("%s with %s: %d %q", q.path, known, a.code, a.body)
			}
		}
		data, _ = mixed(t, 2)
		if a := ask(h, q.method, q.path, q.body, "If-None-Match", tag); a.code != 200 || a.head.Get("ETag") == tag || a.body == "" {
			t.Errorf("%s after a revision: %d, ETag %s", q.path, a.code, a.head.Get("ETag"))
		}
	}
}

// TestStatic: where all sessions are alike, nothing was looked at.
func TestStatic(t *testing.T) {
	d := flags.Definition{Migration: "m", Epoch: 1, Default: position.Mirror}
	d.Weights[position.Mirror] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	h := New(func() []byte { return data }, Options{})
	if a := ask(h, "POST", single, key(flags.Hash{})); !strings.Contains(a.body, `"reason":"STATIC","variant":"mirror","value":"mirror"`) {
		t.Error(a.body)
	}
}

// TestBusy: who sends slowly holds up so many, and no more.
func TestBusy(t *testing.T) {
	data, pinned := mixed(t, 1)
	h := New(func() []byte { return data }, Options{Busy: 1})
	body, send := io.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("POST", single, body))
		if w.Code != 200 {
			t.Errorf("the slow one: %d %s", w.Code, w.Body)
		}
	})
	send.Write([]byte(key(pinned)[:10])) // it is being read
	if a := ask(h, "POST", single, key(pinned)); a.code != 429 || a.head.Get("Retry-After") == "" {
		t.Errorf("beside it: %d %s", a.code, a.body)
	}
	send.Write(bytes.TrimPrefix([]byte(key(pinned)), []byte(key(pinned)[:10])))
	send.Close()
	wg.Wait()
	if a := ask(h, "POST", single, key(pinned)); a.code != 200 {
		t.Errorf("after it: %d %s", a.code, a.body)
	}
}
