package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// ClientOptions of a Client. Servers are needed.
type ClientOptions struct {
	Servers []string               // host:port of each
	Token   func() (string, error) // asked for each request; nil: none
	// Dial makes a connection, with TLS where the servers speak it. nil: TCP.
	Dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	Who    string // the person's login
	Reason string
	Pace   migrate.Pace // of jobs
	// Wait is how long an acknowledgement is waited for before the answer is
	// that the server goes on without us. Default 10 minutes.
	Wait time.Duration
}

// Client asks the servers of a migration: the one that leads answers. Its verbs
// are those of migrate.Migration, with the same errors. Safe for concurrent use.
type Client struct {
	o    ClientOptions
	http *http.Client
}

const (
	askMost = 30 * time.Second
	// findMost is how long a server that leads is looked for: a lease and some.
	findMost = 12 * time.Second
	quiet    = 15 * time.Second // after which a server that streams is taken for dead
)

// NewClient makes a client. Nothing is dialled.
func NewClient(o ClientOptions) (*Client, error) {
	if len(o.Servers) == 0 {
		return nil, errors.New("control: ClientOptions.Servers are needed")
	}
	if o.Wait == 0 {
		o.Wait = 10 * time.Minute
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: 2 * time.Second}).DialContext
	}
	return &Client{o: o, http: &http.Client{Transport: &http.Transport{DialContext: o.Dial, MaxIdleConnsPerHost: 2, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ramp: see migrate.Migration.
func (c *Client) Ramp(ctx context.Context, stage string, buckets int, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "ramp", verbArgs{Stage: stage, Buckets: buckets}, progress, &r)
	return r, err
}

// RampOn: see migrate.Migration.
func (c *Client) RampOn(ctx context.Context, agents []string, buckets int, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "ramp", verbArgs{Stage: "mirror", Buckets: buckets, Agents: agents}, progress, &r)
	return r, err
}

// Rollback: see migrate.Migration. It overtakes what the server is doing.
func (c *Client) Rollback(ctx context.Context, to string, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "rollback", verbArgs{To: to}, progress, &r)
	return r, err
}

// Backfill: see migrate.Migration.
func (c *Client) Backfill(ctx context.Context, progress func(migrate.Progress)) (r migrate.Report, err error) {
	err = c.do(ctx, "backfill", verbArgs{Pace: &c.o.Pace}, progress, &r)
	return r, err
}

// Verify: see migrate.Migration.
func (c *Client) Verify(ctx context.Context, progress func(migrate.Progress)) (r migrate.Report, err error) {
	err = c.do(ctx, "verify", verbArgs{Pace: &c.o.Pace, Sample: migrate.SampleOf(ctx)}, progress, &r)
	return r, err
}

// Repair: see migrate.Migration. The undo log lies on the server's host.
func (c *Client) Repair(ctx context.Context, o migrate.RepairOptions, progress func(migrate.Progress)) (r migrate.RepairReport, err error) {
	if o.Undo != "" {
		return r, errors.New("control: the undo log is the server's: leave the file out")
	}
	err = c.do(ctx, "repair", verbArgs{Pace: &c.o.Pace, Repair: &o}, progress, &r)
	return r, err
}

// UndoRepair: see migrate.Migration; name is that of a file in the server's
// agent.state_dir.
func (c *Client) UndoRepair(ctx context.Context, name string, progress func(migrate.Progress)) (r migrate.UndoReport, err error) {
	err = c.do(ctx, "repair-undo", verbArgs{Name: name}, progress, &r)
	return r, err
}

// DeclareDown: see migrate.Migration.
func (c *Client) DeclareDown(ctx context.Context, store string, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "declare-down", verbArgs{Store: store}, progress, &r)
	return r, err
}

// Recover: see migrate.Migration.
func (c *Client) Recover(ctx context.Context, store string, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "recover", verbArgs{Store: store}, progress, &r)
	return r, err
}

// Observe: see migrate.Migration.
func (c *Client) Observe(ctx context.Context, long time.Duration, progress func(migrate.Progress)) (o migrate.Observation, err error) {
	err = c.do(ctx, "observe", verbArgs{Seconds: long.Seconds()}, progress, &o)
	return o, err
}

// JobState: see migrate.Migration.
func (c *Client) JobState(name string) (s migrate.JobState, found bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), askMost)
	defer cancel()
	var a Job
	err = c.any(ctx, http.MethodGet, "jobs/"+url.PathEscape(name), nil, &a, nil)
	return a.State, a.Found, err
}

// Wish: see migrate.Migration.
func (c *Client) Wish(name, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), askMost)
	defer cancel()
	var l Line
	if err := c.any(ctx, http.MethodPost, "jobs/"+url.PathEscape(name), Wish{Wish: what, Actor: migrate.Actor{Who: c.o.Who, Why: c.o.Reason}}, &l, nil); err != nil {
		return err
	}
	if l.Failure != nil {
		return l.Failure.err()
	}
	return nil
}

// Forget takes an agent off the roster that will never come back.
func (c *Client) Forget(ctx context.Context, name string, progress func(migrate.Progress)) (r migrate.Result, err error) {
	err = c.do(ctx, "forget", verbArgs{Name: name}, progress, &r)
	return r, err
}

// Advanced is what the next step of the plan came to: one of the two is set.
type Advanced struct {
	Verb   string          `json:"verb"`
	Result *migrate.Result `json:"result,omitempty"`
	Report *migrate.Report `json:"report,omitempty"`
}

// Advance takes the plan's step number step (from 0), which must be the next.
func (c *Client) Advance(ctx context.Context, step int, progress func(migrate.Progress)) (a Advanced, err error) {
	l, err := c.end(ctx, "advance", advanceArgs{step}, progress)
	if err != nil {
		return a, err
	}
	if a.Verb = l.Verb; a.Verb == "ramp" {
		return a, json.Unmarshal(l.Result, &a.Result)
	}
	return a, json.Unmarshal(l.Result, &a.Report)
}

// Plan is where the plan stands.
func (c *Client) Plan(ctx context.Context) (v PlanView, err error) {
	err = c.any(ctx, http.MethodGet, "planned", nil, &v, nil)
	return v, err
}

// Hold stands in the way of each further step, until Release.
func (c *Client) Hold(ctx context.Context) error { return c.order(ctx, "hold", false) }

// Release ends a hold.
func (c *Client) Release(ctx context.Context) error { return c.order(ctx, "release", false) }

// Auto lets the steps of the plan follow by themselves, or not.
func (c *Client) Auto(ctx context.Context, on bool) error { return c.order(ctx, "auto", on) }

func (c *Client) order(ctx context.Context, what string, on bool) error {
	o := Order{Actor: migrate.Actor{Who: c.o.Who, Why: c.o.Reason}, On: on}
	var all error
	for _, addr := range c.o.Servers {
		var l Line
		switch err := c.ask(ctx, addr, http.MethodPost, what, o, &l); {
		case err != nil:
			all = errors.Join(all, err)
		case l.Failure == nil:
			return nil
		case l.Failure.NotLeader:
			all = errors.Join(all, fmt.Errorf("server %s: %w", addr, errNotLeading))
		default:
			return l.Failure.err()
		}
	}
	return all
}

// PlanRamp: see migrate.Migration.
func (c *Client) PlanRamp(ctx context.Context, stage string, buckets int) (migrate.Plan, error) {
	return c.plan(ctx, "ramp", verbArgs{Stage: stage, Buckets: buckets})
}

// PlanRollback: see migrate.Migration.
func (c *Client) PlanRollback(ctx context.Context, to string) (migrate.Plan, error) {
	return c.plan(ctx, "rollback", verbArgs{To: to})
}

// Overview is the migration, its agents and servers.
func (c *Client) Overview(ctx context.Context) (o Overview, err error) {
	err = c.any(ctx, http.MethodGet, "status", nil, &o, func() bool { return o.Leads })
	return o, err
}

// Status: see migrate.Migration.
func (c *Client) Status(ctx context.Context) (migrate.Overview, error) {
	o, err := c.Overview(ctx)
	return o.Overview, err
}

// Members are the agents of the roster.
func (c *Client) Members(ctx context.Context) (ms []Member, err error) {
	err = c.any(ctx, http.MethodGet, "agents", nil, &ms, nil)
	return ms, err
}

// Flags is the flag set that stands, flagd's JSON.
func (c *Client) Flags(ctx context.Context) (data json.RawMessage, err error) {
	err = c.any(ctx, http.MethodGet, "flags", nil, &data, nil)
	return data, err
}

// Complete: see migrate.Migration.
func (c *Client) Complete(ctx context.Context, progress func(migrate.Progress)) (x migrate.Completion, err error) {
	err = c.do(ctx, "complete", verbArgs{}, progress, &x)
	return x, err
}

// PlanComplete: see migrate.Migration.
func (c *Client) PlanComplete(ctx context.Context) (x migrate.Completion, err error) {
	err = c.any(ctx, http.MethodGet, "complete", nil, &x, nil)
	return x, err
}

// Bypass: see migrate.Migration.
func (c *Client) Bypass(ctx context.Context) (b migrate.Bypass, err error) {
	err = c.any(ctx, http.MethodGet, "bypass", nil, &b, nil)
	return b, err
}

// Divergences: see migrate.Migration.
func (c *Client) Divergences(ctx context.Context) (map[string][]agentapi.Divergence, error) {
	var d Divergences
	err := c.any(ctx, http.MethodGet, "divergences", nil, &d, nil)
	if err == nil && d.Error != "" {
		err = errors.New(d.Error)
	}
	return d.Agents, err
}

// Explain: see migrate.Migration.
func (c *Client) Explain(ctx context.Context, q agentapi.Question) ([]agentapi.Explained, string, error) {
	var x Explained
	err := c.any(ctx, http.MethodPost, "explain", q, &x, nil)
	return x.Sessions, x.Agent, err
}

func (c *Client) plan(ctx context.Context, verb string, a verbArgs) (p migrate.Plan, err error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return p, err
	}
	var l Line
	if err := c.any(ctx, http.MethodPost, "plan", Ask{Verb: verb, Args: raw}, &l, nil); err != nil {
		return p, err
	}
	if l.Failure != nil {
		return p, l.Failure.err()
	}
	return p, json.Unmarshal(l.Result, &p)
}

// any asks one server after another until one answers, and satisfies: the last
// answer stands where none does.
func (c *Client) any(ctx context.Context, method, path string, body, into any, satisfies func() bool) error {
	var all error
	got := false
	for _, addr := range c.o.Servers {
		err := c.ask(ctx, addr, method, path, body, into)
		if err == nil {
			if got = true; satisfies == nil || satisfies() {
				return nil
			}
			continue
		}
		all = errors.Join(all, err)
	}
	if got {
		return nil
	}
	return all
}

func (c *Client) ask(ctx context.Context, addr, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, askMost)
	defer cancel()
	p, err := c.send(ctx, addr, method, path, body)
	if err != nil {
		return err
	}
	defer p.Body.Close()
	b, err := io.ReadAll(io.LimitReader(p.Body, 64<<20))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("control: server %s: %w", addr, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, addr, method, path string, body any) (*http.Response, error) {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/v1/"+path, bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	q.Header.Set("Content-Type", "application/json")
	if c.o.Token != nil {
		token, err := c.o.Token()
		if err != nil {
			return nil, fmt.Errorf("control: token: %w", err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
	}
	p, err := c.http.Do(q)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("control: server %s does not answer: %w: start it, or run crossfade rollback --via-store", addr, err)
	}
	if p.StatusCode != http.StatusOK {
		defer p.Body.Close()
		b, _ := io.ReadAll(io.LimitReader(p.Body, 64<<10))
		var f Failure
		if json.Unmarshal(b, &f) != nil || f.Text == "" {
			f.Text = "is this the address of a crossfade server?"
		}
		err := fmt.Errorf("control: server %s: %s: %s", addr, p.Status, f.Text)
		if p.StatusCode < 500 {
			err = final{err}
		}
		return nil, err
	}
	return p, nil
}

// final is an answer that asking again does not change.
type final struct{ error }

func (f *Failure) err() error {
	switch {
	case f.NotLeader:
		return errNotLeading
	case f.Refusal != nil:
		return f.Refusal
	case f.Waiting != nil:
		return f.Waiting
	case f.Report != nil:
		return &migrate.Unfinished{Job: f.Job, Report: *f.Report}
	}
	return errors.New(f.Text)
}

// do asks for a verb, and follows it to its end: also to another server, when
// the one that led is gone. What was asked for is asked again there, and joined.
func (c *Client) do(ctx context.Context, verb string, a verbArgs, progress func(migrate.Progress), into any) error {
	l, err := c.end(ctx, verb, a, progress)
	if err != nil {
		return err
	}
	return json.Unmarshal(l.Result, into)
}

func (c *Client) end(ctx context.Context, verb string, a any, progress func(migrate.Progress)) (Line, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return Line{}, err
	}
	q := Ask{Verb: verb, Args: raw, Actor: migrate.Actor{Who: c.o.Who, Why: c.o.Reason}}
	patience := &patience{most: c.o.Wait, tell: progress}
	lost := time.Now()
	for {
		var all error
		for _, addr := range c.o.Servers {
			heard, l, err := c.follow(ctx, addr, q, patience)
			if heard {
				lost = time.Now()
			}
			switch {
			case ctx.Err() != nil:
				return l, context.Cause(ctx)
			case patience.over():
				return l, patience.waiting()
			case err != nil:
				all = errors.Join(all, err)
				continue
			case l.Failure != nil && l.Failure.NotLeader:
				all = errors.Join(all, fmt.Errorf("server %s: %w", addr, errNotLeading))
				continue
			case l.Failure != nil:
				return l, l.Failure.err()
			}
			return l, nil
		}
		if end := (final{}); errors.As(all, &end) || time.Since(lost) > findMost {
			return Line{}, all
		}
		patience.progress(migrate.Progress{Phase: "looking for the server that leads"})
		sleep(ctx, 300*time.Millisecond)
	}
}

// follow asks one server and reads what it tells. heard: it did something.
func (c *Client) follow(ctx context.Context, addr string, q Ask, pt *patience) (heard bool, end Line, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dead := time.AfterFunc(quiet, func() { cancel(errors.New("control: the server has fallen silent")) })
	defer dead.Stop()
	p, err := c.send(ctx, addr, http.MethodPost, "do", q)
	if err != nil {
		return false, end, err
	}
	defer p.Body.Close()
	r := bufio.NewReader(p.Body)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return heard, end, fmt.Errorf("control: server %s broke off: %w", addr, err)
		}
		dead.Reset(quiet)
		var l Line
		if err := json.Unmarshal(line, &l); err != nil {
			return heard, end, fmt.Errorf("control: server %s: not the answer of a server: %w", addr, err)
		}
		if l.Progress == nil {
			return heard, l, nil
		}
		heard = true
		if pt.progress(*l.Progress); pt.over() {
			return heard, end, nil
		}
	}
}
