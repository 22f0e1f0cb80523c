package agentapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/census"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

const (
	// askTimeout bounds a question that an agent answers from memory; looking
	// at two stores, too.
	askTimeout = 5 * time.Second
	// workTimeout bounds what an agent has to work for: a barrier, a copy back.
	workTimeout = 10 * time.Minute
	answerMost  = 4 << 20 // bytes
	unixHost    = "crossfade.agent"
)

// ClientOptions of a client; the zero value works for loopback.
type ClientOptions struct {
	// Token reads the bearer token, from a file. It is needed where the address
	// is not on loopback, and asked for each request, so the token may be
	// changed. Its error must not show the token.
	Token func() (string, error)
	// Timeout of a question. Default 5 s.
	Timeout time.Duration
	// Transport, where set, is how the agent is reached: the address is then only
	// its name.
	Transport http.RoundTripper
}

// Client asks one agent. It is safe for concurrent use.
type Client struct {
	addr, base string
	o          ClientOptions
	http       *http.Client
}

// ErrToken is returned for an address off loopback without a token.
var ErrToken = errors.New("agentapi: the address can be reached from outside and no token file is named: set listen.admin_token_file, the same on every host")

// NewClient makes a client of the agent at addr: host:port, or unix:path.
// Nothing is dialled.
func NewClient(addr string, o ClientOptions) (*Client, error) {
	if o.Timeout <= 0 {
		o.Timeout = askTimeout
	}
	c := &Client{addr: addr, base: "http://" + addr, o: o}
	if o.Transport != nil {
		c.base = "http://" + unixHost
		c.http = &http.Client{Transport: o.Transport, CheckRedirect: noRedirect}
		return c, nil
	}
	d := &net.Dialer{Timeout: o.Timeout}
	t := &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second}
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		c.base = "http://" + unixHost
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", path) }
	} else if !loopback(addr) && o.Token == nil {
		return nil, fmt.Errorf("%w (%s)", ErrToken, addr)
	}
	c.http = &http.Client{Transport: t, CheckRedirect: noRedirect}
	return c, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Addr is the agent's address.
func (c *Client) Addr() string { return c.addr }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status of the agent.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodGet, "status", nil, &s)
	return s, err
}

// Divergences that the agent has confirmed, the newest last.
func (c *Client) Divergences(ctx context.Context) (ds []Divergence, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodGet, "divergences", nil, &ds)
	return ds, err
}

// Explain one session; more than one answer where a bare id fits several kinds.
func (c *Client) Explain(ctx context.Context, q Question) (xs []Explained, err error) {
	err = c.call(ctx, c.o.Timeout, http.MethodPost, "explain", q, &xs)
	return xs, err
}

// Logouts is the agent's sample of the sessions that would be lost.
func (c *Client) Logouts(ctx context.Context) (census.Sample, error) {
	var got Logouts
	if err := c.call(ctx, c.o.Timeout, http.MethodGet, "logouts", nil, &got); err != nil {
		return census.Sample{}, err
	}
	s := census.Sample{Rate: got.Rate, Sessions: make([]census.Session, len(got.Sessions))}
	for i, x := range got.Sessions {
		h, err := flags.ParseHash(x.Hash)
		v, ok := census.ParseVerdict(x.Verdict)
		if err != nil || !ok || got.Rate < census.Rate {
			return census.Sample{}, fmt.Errorf("agentapi: %s: not the answer of an agent of this version", c.addr)
		}
		s.Sessions[i] = census.Session{Hash: h, Verdict: v, Seen: time.UnixMilli(x.Seen)}
	}
	return s, nil
}

// Take gives the agent a revision: flagd's JSON. An error says why it does not
// take it; one that it has already is taken.
func (c *Client) Take(ctx context.Context, revision []byte) error {
	return c.call(ctx, c.o.Timeout, http.MethodPost, "flags", json.RawMessage(revision), nil)
}

// Dirty gives the sessions that the agent holds dirty in new, as soon as their
// number is another than since, or after a second.
func (c *Client) Dirty(ctx context.Context, since uint64) (d Dirty, err error) {
	err = c.call(ctx, dirtyMost+c.o.Timeout, http.MethodGet, fmt.Sprintf("dirty?since=%d", since), nil, &d)
	return d, err
}

// Told tells the agent what another one holds dirty in new.
func (c *Client) Told(ctx context.Context, d Dirty) error {
	return c.call(ctx, c.o.Timeout, http.MethodPost, "told", d, nil)
}

// Barrier waits until everything that runs now at the agent has ended.
func (c *Client) Barrier(ctx context.Context) error {
	return c.call(ctx, barrierMost+c.o.Timeout, http.MethodPost, "barrier", nil, nil)
}

// Verified tells the agent that a verification has passed. dirtied is its
// Status.AllDirtied from before that began. counts false: sessions were dirtied
// since that it could not remember.
func (c *Client) Verified(ctx context.Context, dirtied uint64) (counts bool, err error) {
	var p Passed
	err = c.call(ctx, c.o.Timeout, http.MethodPost, "verified", Passed{Dirtied: dirtied}, &p)
	return p.Counts, err
}

// Restored tells the agent that old is whole and its old-behind record gone.
func (c *Client) Restored(ctx context.Context) error {
	return c.call(ctx, c.o.Timeout, http.MethodPost, "restored", nil, nil)
}

// Marks counts the sessions that are marked in the agent's old.
func (c *Client) Marks(ctx context.Context) (int, error) {
	var m Marks
	err := c.call(ctx, workTimeout, http.MethodGet, "marks", nil, &m)
	return m.Marks, err
}

// CopyBackDirty lets the agent copy to old what it holds dirty there.
func (c *Client) CopyBackDirty(ctx context.Context) (r Repaired, err error) {
	err = c.call(ctx, workTimeout, http.MethodPost, "copy-back-dirty", nil, &r)
	return r, err
}

func (c *Client) call(ctx context.Context, most time.Duration, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+"/v1/"+path, send)
	if err != nil {
		return fmt.Errorf("agentapi: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.o.Token != nil {
		token, err := c.o.Token()
		if err != nil {
			return fmt.Errorf("agentapi: token: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("agentapi: %s does not answer: %w", c.addr, unwrapURL(err))
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, answerMost))
	if err != nil {
		return fmt.Errorf("agentapi: %s broke off its answer: %w", c.addr, err)
	}
	if answer.StatusCode != http.StatusOK {
		var f failure
		if json.Unmarshal(b, &f) != nil || f.Error == "" {
			f.Error = "is this the admin address of an agent?"
		}
		return fmt.Errorf("agentapi: %s: %s: %s", c.addr, answer.Status, f.Error)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("agentapi: %s: not the answer of an agent: %w", c.addr, err)
	}
	return nil
}

// unwrapURL leaves out the address that net/http repeats.
func unwrapURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
