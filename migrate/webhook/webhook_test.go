package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate/audit"
)

const secret = "s3cret"

func start(t *testing.T, answer http.HandlerFunc, verbs ...string) *Hook {
	s := httptest.NewServer(answer)
	h := New(Options{URL: s.URL, Secret: func() (string, error) { return secret, nil }, Verbs: verbs, Backoff: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait(); s.Close() })
	return h
}

func until(t *testing.T, h *Hook, want string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		a, b, c := h.Counts()
		got := fmt.Sprintf("%d sent, %d failed, %d dropped", a, b, c)
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

// TestSigned: the receiver can tell that it comes from us, after two errors too,
// and gets what it asked for alone.
func TestSigned(t *testing.T) {
	var calls atomic.Int64
	got := make(chan audit.Entry, 1)
	h := start(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) <= 2 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		body, _ := io.ReadAll(r.Body)
		head := r.Header.Get(SignatureHeader)
		at, sum, ok := strings.Cut(strings.TrimPrefix(head, "t="), ",v1=")
		m := hmac.New(sha256.New, []byte(secret))
		m.Write([]byte(at + "." + string(body)))
		if !ok || sum != hex.EncodeToString(m.Sum(nil)) {
			t.Errorf("signature %q does not fit", head)
		}
		var e audit.Entry
		if err := json.Unmarshal(body, &e); err != nil {
			t.Error(err)
		}
		got <- e
	}, "hold")
	h.Send(audit.Entry{Verb: "ramp"})
	h.Send(audit.Entry{N: 7, Verb: "hold", Who: "ada"})
	until(t, h, "1 sent, 0 failed, 0 dropped")
	if e := <-got; e.N != 7 || e.Who != "ada" {
		t.Errorf("got %+v", e)
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls, want 3", calls.Load())
	}
}

// TestGivenUp: a receiver that refuses is asked once, one that stays down a few
// times.
func TestGivenUp(t *testing.T) {
	for status, want := range map[int]int64{http.StatusBadRequest: 1, http.StatusServiceUnavailable: tries, http.StatusFound: 1} {
		var calls atomic.Int64
		h := start(t, func(w http.ResponseWriter, _ *http.Request) { calls.Add(1); w.WriteHeader(status) })
		h.Send(audit.Entry{Verb: "hold"})
		until(t, h, "0 sent, 1 failed, 0 dropped")
		if calls.Load() != want {
			t.Errorf("%d: %d calls, want %d", status, calls.Load(), want)
		}
	}
}

// TestFull: a receiver that hangs blocks nobody; what does not fit is counted.
func TestFull(t *testing.T) {
	hang, in := make(chan struct{}), make(chan struct{}, 1)
	h := start(t, func(http.ResponseWriter, *http.Request) {
		select {
		case in <- struct{}{}:
		default:
		}
		<-hang
	})
	h.Send(audit.Entry{Verb: "hold"})
	<-in
	for range queue + 3 {
		h.Send(audit.Entry{Verb: "hold"})
	}
	if _, _, dropped := h.Counts(); dropped != 3 {
		t.Errorf("%d dropped, want 3", dropped)
	}
	close(hang)
	until(t, h, fmt.Sprintf("%d sent, 0 failed, 3 dropped", queue+1))
}
