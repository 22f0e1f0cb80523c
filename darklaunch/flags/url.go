package flags

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// URLOptions are the options of a URL; the zero value works.
type URLOptions struct {
	// StateDir, Migration and Agent: see KeptOptions.
	StateDir, Migration, Agent string
	// Poll is how often the definition is asked for, from one answer to the next
	// question. Default 1 s: with an ETag an answer is a hundred bytes.
	Poll time.Duration
	// Timeout bounds one question, from the dialling to the last byte. Default 3 s.
	Timeout time.Duration
	// Transport makes the requests. Nil: one of our own, without proxy.
	Transport http.RoundTripper
	// Token, where it is not nil, gives the bearer token that is shown, and is
	// asked each time: its file may change.
	Token func() (string, error)
}

// URL asks an address for flagd's JSON, again and again, and gives what comes to
// a Kept. It is what File is for a path: what is served changes only to a
// revision that is whole, well-formed and may follow; also over a restart.
// Redirects are not followed, since the token would travel with them. An answer
// has 16 MiB at most (MaxFile).
type URL struct {
	*Kept
	url  string
	o    URLOptions
	http *http.Client

	load    sync.Mutex // one Load at a time; guards the fields below
	etag    string     // of the answer that was tried last
	under   *Snapshot  // what was served then
	verdict error      // on that answer
}

var _ Source = (*URL)(nil)

// NewURL makes a URL with a Kept of its own; nothing is asked before Load or
// Run. The error says what is wrong with the address.
func NewURL(address string, o URLOptions) (*URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("flags: accepted is an address that begins with http:// or https://, without a password in it")
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Timeout <= 0 {
		o.Timeout = 3 * time.Second
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{IdleConnTimeout: time.Minute}
	}
	f := &URL{Kept: NewKept(KeptOptions{StateDir: o.StateDir, Migration: o.Migration, Agent: o.Agent}), url: address, o: o,
		http: &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	f.fail(FromURL, errors.New("flags: not ready: flags.url was not asked yet"))
	return f, nil
}

// Run follows the definition until ctx ends, and returns its cause.
func (f *URL) Run(ctx context.Context) error {
	defer f.http.CloseIdleConnections()
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-t.C:
		}
		f.Load(ctx) // its error is in Status
		t.Reset(f.o.Poll)
	}
}

// Load asks once, and lets the Kept begin: with what came or, where nothing did,
// with what an earlier life served. The error is as File's.
func (f *URL) Load(ctx context.Context) error {
	f.load.Lock()
	defer f.load.Unlock()
	err := f.look(ctx)
	if ctx.Err() != nil && f.Current() != nil {
		return err // our own end says nothing about the source
	}
	f.Begin()
	if err != nil && f.Current() == nil {
		err = fmt.Errorf("flags: not ready: no revision is known: %w", err)
	}
	f.fail(FromURL, err)
	f.keep()
	return err
}

// look asks, and has what is new tried.
func (f *URL) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return errors.New("flags: flags.url cannot be asked")
	}
	q.Header.Set("Accept", "application/json")
	if f.etag != "" && f.under == f.Current() {
		q.Header.Set("If-None-Match", f.etag)
	}
	if f.o.Token != nil {
		token, err := f.o.Token()
		if err != nil {
			return err
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	p, err := f.http.Do(q)
	if err != nil {
		return fmt.Errorf("flags: flags.url does not answer: %w", plain(err))
	}
	defer p.Body.Close()
	switch {
	case p.StatusCode == http.StatusNotModified && q.Header.Get("If-None-Match") != "":
		io.Copy(io.Discard, io.LimitReader(p.Body, 4<<10))
		return f.verdict
	case p.StatusCode != http.StatusOK:
		io.Copy(io.Discard, io.LimitReader(p.Body, 4<<10)) // what it says may be anything, and is not shown
		return fmt.Errorf("flags: flags.url answers %d %s: accepted is 200", p.StatusCode, http.StatusText(p.StatusCode))
	}
	data, err := io.ReadAll(io.LimitReader(p.Body, MaxFile+1))
	if err != nil {
		return fmt.Errorf("flags: the answer of flags.url ends too early: %w", plain(err))
	}
	f.verdict = f.Take(data, FromURL)
	f.etag, f.under = p.Header.Get("ETag"), f.Current()
	return f.verdict
}

// plain is an error of the HTTP client without its address, in which there may be
// what nobody else should read.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
