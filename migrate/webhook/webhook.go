// Package webhook tells other systems what happens to a migration: each entry of
// the audit log, as JSON, signed.
//
//	h := webhook.New(webhook.Options{URL: url, Secret: secret, Verbs: []string{"hold"}})
//	go h.Run(ctx)
//	h.Send(entry) // never blocks
//
// The header Crossfade-Signature is t=<unix seconds>,v1=<hex>: the HMAC-SHA256,
// under the secret, of the seconds, a dot, and the body. Who receives it compares
// that in constant time, and takes nothing that is minutes old. An entry may come
// twice (its number n tells), and none is sent anew after a restart: the log is
// what is complete.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/migrate/audit"
)

const (
	queue   = 256 // entries: more than a migration makes while a receiver restarts
	postFor = 5 * time.Second
	tries   = 6 // with Backoff 1 s: half a minute in all
)

// SignatureHeader carries the signature.
const SignatureHeader = "Crossfade-Signature"

// Options of a Hook. URL and Secret are needed.
type Options struct {
	URL string
	// Secret signs. It is asked for with each call, so that it may be changed.
	Secret func() (string, error)
	// Verbs are those whose entries are sent; empty: all.
	Verbs []string
	// Backoff before the second try, doubled before each further. Default 1 s.
	Backoff time.Duration
	Log     *slog.Logger // nil: none
}

// Hook sends entries to one place. It is safe for concurrent use.
type Hook struct {
	o                     Options
	queue                 chan audit.Entry
	http                  *http.Client
	sent, failed, dropped atomic.Int64
}

// New makes a hook. It starts nothing.
func New(o Options) *Hook {
	if o.Backoff == 0 {
		o.Backoff = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Hook{o: o, queue: make(chan audit.Entry, queue), http: &http.Client{Timeout: postFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Send queues an entry. Where the queue is full it is dropped, and counted.
func (h *Hook) Send(e audit.Entry) {
	if len(h.o.Verbs) > 0 && !slices.Contains(h.o.Verbs, e.Verb) {
		return
	}
	select {
	case h.queue <- e:
	default:
		h.dropped.Add(1)
	}
}

// Counts is how many entries were taken by the receiver, given up, and dropped
// since the queue was full.
func (h *Hook) Counts() (sent, failed, dropped int64) {
	return h.sent.Load(), h.failed.Load(), h.dropped.Load()
}

// Run sends what is queued, in its order, until ctx ends.
func (h *Hook) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-h.queue:
			if err := h.deliver(ctx, e); err == nil {
				h.sent.Add(1)
			} else if ctx.Err() == nil {
				h.failed.Add(1)
				h.o.Log.Warn("a webhook was given up", "verb", e.Verb, "entry", e.N, "error", err)
			}
		}
	}
}

func (h *Hook) deliver(ctx context.Context, e audit.Entry) (err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	for try := range tries {
		if try > 0 {
			select {
			case <-time.After(h.o.Backoff << (try - 1)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		var again bool
		if again, err = h.post(ctx, body); err == nil || !again {
			return err
		}
	}
	return err
}

// post is one try. again tells whether another may help. No error has the
// address in it, in which some receivers keep a secret.
func (h *Hook) post(ctx context.Context, body []byte) (again bool, err error) {
	secret, err := h.o.Secret()
	if err != nil {
		return true, fmt.Errorf("webhook: secret: %w", err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, h.o.URL, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("webhook: the address cannot be used")
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set(SignatureHeader, Sign(secret, time.Now(), body))
	p, err := h.http.Do(q)
	if err != nil {
		return true, fmt.Errorf("webhook: no answer")
	}
	p.Body.Close()
	if p.StatusCode/100 == 2 {
		return false, nil
	}
	again = p.StatusCode >= 500 || p.StatusCode == http.StatusTooManyRequests || p.StatusCode == http.StatusRequestTimeout
	return again, fmt.Errorf("webhook: the receiver says %s", p.Status)
}

// Sign is the header's value for a body.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(t + "."))
	m.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(m.Sum(nil))
}
