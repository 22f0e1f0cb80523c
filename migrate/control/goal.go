package control

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/book"
)

type (
	progressFunc = func(migrate.Progress)
	refusal      = migrate.Refusal
)

// Goal is what somebody asked for: it is written down before it is begun.
type Goal struct {
	ID   string          `json:"id"`
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args,omitempty"`
	migrate.Actor
	Asked time.Time `json:"asked"`
	// Resumed is set once another server than the first has gone on with it.
	Resumed bool       `json:"resumed,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Outcome string     `json:"outcome,omitempty"` // in words
}

// GateBusy refuses what is asked for while something else is done.
const GateBusy = "busy"

// locksMost is how long the locks of a server that died may outlive it.
const locksMost = 2 * time.Minute

// firstGoal is the id of the server's own: to publish the first revision.
const firstGoal = "first"

var errOvertaken = errors.New("control: something else was asked for meanwhile")

// job is a goal that this server works on.
type job struct {
	goal   Goal
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when result and err are there

	mu      sync.Mutex // guards what follows
	changed chan struct{}
	last    migrate.Progress
	news    []migrate.Progress // revisions that were published

	result any
	err    error
}

func (s *Server) loadGoal(ctx context.Context) (*Goal, error) {
	data, err := s.b.Load(ctx, book.Goal)
	if err != nil || data == nil {
		return nil, err
	}
	g := &Goal{}
	if err := json.Unmarshal(data, g); err != nil {
		return nil, fmt.Errorf("control: %s is damaged: %w", s.b.Where(book.Goal), err)
	}
	return g, nil
}

// saveGoal writes under the leader's own lock: a server that was deposed and does
// not know it writes nothing.
func (s *Server) saveGoal(ctx context.Context, by book.Lock, g Goal) error {
	data, err := json.MarshalIndent(g, "", "  ")
	if err != nil {
		return err
	}
	return s.b.Save(ctx, by, book.Goal, append(data, '\n'))
}

// do begins what is asked for, or joins it where it runs already. A rollback
// overtakes whatever runs.
func (s *Server) do(ctx context.Context, q Ask) (*job, error) {
	j, err := s.asked(ctx, q)
	var no *refusal
	if errors.As(err, &no) { // what was not refused is in the log by its goal
		s.m.Noted(migrate.WithActor(ctx, q.Actor), q.Verb, q.Args, err.Error())
	}
	return j, err
}

func (s *Server) asked(ctx context.Context, q Ask) (*job, error) {
	said := s.planner.said() // before the step begins: then the evidence does, too
	if q.Verb == "advance" {
		var err error
		if q, err = s.advance(ctx, q); err != nil {
			return nil, err
		}
	}
	if _, ok := verbs[q.Verb]; !ok {
		return nil, fmt.Errorf("control: no verb %.40q", q.Verb)
	}
	if _, err := readArgs(q.Args); err != nil {
		return nil, err
	}
	if err := s.stands(ctx, q); err != nil {
		return nil, err
	}
	for {
		s.mu.Lock()
		lead, lock, j := s.lead, s.lock, s.job
		if lead == nil {
			s.mu.Unlock()
			return nil, errNotLeading
		}
		running := j != nil && !isDone(j.done)
		if running && j.goal.Verb == q.Verb && sameArgs(j.goal.Args, q.Args) {
			s.mu.Unlock()
			return j, nil
		}
		if running {
			g := j.goal
			s.mu.Unlock()
			if g.ID == firstGoal { // nobody asked for it
				// Once published it has done what it is for: an agent that died
				// before it acknowledged is waited for by what is asked now.
				if data, _ := s.board.now(); data != nil {
					j.cancel(errOvertaken)
				}
				select {
				case <-j.done:
				case <-time.After(boardEvery):
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
				continue
			}
			if q.Verb != "rollback" || g.Verb == "rollback" {
				return nil, j.inTheWay()
			}
			// Before it is overtaken, and not after: what it publishes as its last
			// is no reason to leave the rollback undone.
			if err := s.inForce(q.Revision); err != nil {
				return nil, err
			}
			q.Revision = 0
			j.cancel(errOvertaken)
			select {
			case <-j.done:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
			continue
		}
		// Under the lock: of two who looked at the same revision, one begins.
		if err := s.inForce(q.Revision); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		g := Goal{ID: rand.Text()[:10], Verb: q.Verb, Args: q.Args, Actor: q.Actor, Asked: time.Now().UTC()}
		if err := s.saveGoal(lead, lock, g); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		j = s.start(lead, lock, g, said)
		s.mu.Unlock()
		return j, nil
	}
}

// start works on a goal, of which the gates have said something before it was
// begun. s.mu is held.
func (s *Server) start(lead context.Context, lock book.Lock, g Goal, said []audit.Gate) *job {
	ctx, cancel := context.WithCancelCause(lead)
	j := &job{goal: g, cancel: cancel, done: make(chan struct{}), changed: make(chan struct{})}
	s.job = j
	go func() {
		defer close(j.done)
		defer cancel(nil)
		if g.Resumed {
			s.saveGoal(ctx, lock, g) // it is told in the record; nothing depends on it but forget
		}
		for again := time.Now().Add(locksMost); ; {
			actor := g.Actor
			actor.Goal = g.ID
			j.err = s.m.Audited(migrate.WithGates(migrate.WithActor(ctx, actor), said), g.Verb, g.Args, func(ctx context.Context) (err error) {
				j.result, err = verbs[g.Verb](s, ctx, g.Args, j.progress)
				return err
			})
			var no *refusal
			if !g.Resumed || !errors.As(j.err, &no) || no.Gate != migrate.GateCopier || time.Now().After(again) {
				break
			}
			sleep(ctx, leadEvery) // the dead server's lock runs out after its lease
		}
		if cause := context.Cause(ctx); cause != nil && j.err != nil {
			if lead.Err() != nil { // whoever leads next goes on
				j.err = fmt.Errorf("%s was stopped: %w", g.words(), errDeposed)
				return
			}
			j.err = fmt.Errorf("%s was stopped: %w", g.words(), cause)
		}
		now := time.Now().UTC()
		g.Ended, g.Outcome = &now, "done"
		if j.err != nil {
			g.Outcome = j.err.Error()
		}
		if err := s.saveGoal(lead, lock, g); err != nil {
			s.log.Error("what came of a goal cannot be written down", "verb", g.Verb, "error", err)
		}
		s.board.look(lead)
	}()
	return j
}

func (j *job) inTheWay() *refusal {
	return &refusal{Gate: GateBusy, Found: fmt.Sprintf("%s is under way since %s (asked for by %s)", j.goal.words(), j.goal.Asked.Format(time.TimeOnly), or(j.goal.Who, "nobody known")),
		Do: "wait until it is done, or take it back: crossfade rollback overtakes it"}
}

func (j *job) progress(p migrate.Progress) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = p
	if p.Phase == "published" {
		j.news = append(j.news, p)
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// words is a goal as it is typed.
func (g *Goal) words() string {
	var a verbArgs
	json.Unmarshal(g.Args, &a)
	text := g.Verb
	switch g.Verb {
	case "ramp":
		text = fmt.Sprintf("ramp %s %s", a.Stage, percent(a.Buckets))
	case "rollback":
		text = "rollback --to " + a.To
	case "pin":
		text = "pin at " + a.Position
	}
	return oneLine(text, whoMost)
}

// sameArgs: the record has them on several lines, and none are as good as {}.
func sameArgs(a, b json.RawMessage) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, given(a)) == nil && json.Compact(&y, given(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func given(args json.RawMessage) json.RawMessage {
	if len(args) == 0 || string(args) == "null" {
		return json.RawMessage("{}")
	}
	return args
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
