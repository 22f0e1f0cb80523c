package agentapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestLogouts: the sample goes over the wire whole, by hash, and nothing else
// does.
func TestLogouts(t *testing.T) {
	a := newAgent(t, position.ReadNew, true)
	door := a.layer.Door("library")
	var ids []string
	for i := 0; len(ids) < 3; i++ {
		s := fmt.Sprintf("%s%d", id, i)
		if census.Takes(a.hasher.SumString(s), census.Rate) {
			ids = append(ids, s)
		}
	}
	for _, s := range ids {
		ref, _ := door.ResolveString("memc.sess.key." + s)
		if err := door.Set(context.Background(), ref, backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if _, found, err := door.Get(context.Background(), ref); err != nil || !found {
			t.Fatal(found, err)
		}
	}
	want := a.layer.WouldBeLogouts()
	got, err := a.serve(t, ClientOptions{}).Logouts(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.Rate != census.Rate || len(got.Sessions) != 3 || len(want.Sessions) != 3 {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for i, s := range got.Sessions {
		w := want.Sessions[i]
		if s.Hash != w.Hash || s.Verdict != w.Verdict || s.Verdict != census.Kept || s.Seen.UnixMilli() != w.Seen.UnixMilli() {
			t.Errorf("got %+v, want %+v", s, w)
		}
	}
	r := httptest.NewRecorder()
	q := httptest.NewRequest("GET", "http://127.0.0.1/v1/logouts", nil)
	a.h.ServeHTTP(r, q)
	if strings.Contains(r.Body.String(), id) {
		t.Error("a session id is in the answer")
	}
}

// TestLogoutsOfOthers: what is not an agent's answer is not taken for one.
func TestLogoutsOfOthers(t *testing.T) {
	for _, body := range []string{`{"rate":0,"sessions":[{"h":"00000000000000000000000000000000","v":"kept","t":1}]}`,
		`{"rate":64,"sessions":[{"h":"zz","v":"kept","t":1}]}`, `{"rate":64,"sessions":[{"h":"00000000000000000000000000000000","v":"well","t":1}]}`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
		c, err := NewClient(strings.TrimPrefix(s.URL, "http://"), ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Logouts(context.Background()); err == nil {
			t.Errorf("%s was taken for a sample", body)
		}
		c.Close()
		s.Close()
	}
}
