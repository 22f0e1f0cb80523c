package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/tunnel"
)

var agentName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// connect is an agent that knocks: it is added to the roster, and gets its
// revisions for as long as the connection lasts.
func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	if base == nil || base.Err() != nil {
		fail(w, http.StatusServiceUnavailable, "this server is starting or stopping: ask again")
		return
	}
	t, hello, err := tunnel.Accept(w, r)
	if err != nil {
		return
	}
	s.wg.Go(func() {
		defer t.Close()
		ctx, cancel := context.WithCancel(base)
		defer cancel()
		go func() {
			select {
			case <-t.Done():
				cancel()
			case <-ctx.Done():
				t.Close()
			}
		}()
		if err := s.serveAgent(ctx, t, hello); err != nil && base.Err() == nil {
			s.log.Warn("an agent was sent away", "agent", hello.Name, "error", err)
		}
	})
}

func (s *Server) serveAgent(ctx context.Context, t *tunnel.Tunnel, hello tunnel.Hello) error {
	if !agentName.MatchString(hello.Name) {
		return errors.New("its name is none: accepted are 1 to 64 of A-Z, a-z, 0-9, dot, _ and -")
	}
	direct, err := agentapi.NewClient(hello.Name, agentapi.ClientOptions{Transport: t})
	if err != nil {
		return err
	}
	st, err := direct.Status(ctx)
	if err != nil {
		return err
	}
	if st.Migration != "" && st.Migration != s.o.Migration.Migration {
		return fmt.Errorf("it serves migration %q", st.Migration)
	}
	if why := s.leftBehind(ctx, hello.Name, &st); why != "" {
		return errors.New(why)
	}
	if other := s.twin(ctx, hello.Name, st.Start); other {
		return errors.New("another agent that runs now has this name: give each its own agent.name")
	}
	anew, err := s.signOn(ctx, hello, &st)
	if err != nil {
		return err
	}
	if anew {
		if err := s.m.Announce(ctx); err != nil {
			s.log.Warn("the stores do not list this life of an agent yet", "agent", hello.Name, "error", err)
		}
	}
	if !s.roster.connected(hello.Name, t) {
		return nil
	}
	defer s.roster.disconnected(hello.Name, t)
	s.log.Info("agent connected", "agent", hello.Name, "version", hello.Version)
	var wg sync.WaitGroup
	wg.Go(func() { s.listen(ctx, direct) })
	wg.Go(func() { s.tell(ctx, direct) })
	wg.Go(func() { s.question(ctx, direct) })
	wg.Go(func() { s.probe(ctx, direct) })
	s.feed(ctx, direct)
	t.Close()
	wg.Wait()
	s.log.Info("agent disconnected", "agent", hello.Name)
	return nil
}

// leftBehind says why an agent that serves may not join: the fleet went on
// without it, and whoever waited for it now would wait for ever.
func (s *Server) leftBehind(ctx context.Context, name string, st *agentapi.Status) string {
	if st.Stopped != "" {
		return "it has stopped: start it anew"
	}
	p, err := s.roster.load(ctx)
	if err != nil || st.Epoch == 0 {
		return ""
	}
	if _, member := p.Agents[name]; member {
		return ""
	}
	data, _ := s.board.now()
	snap, err := flags.Parse(data)
	if err != nil || snap.Epoch() <= st.Epoch+1 {
		return ""
	}
	return fmt.Sprintf("it serves revision %d, and the fleet has gone on to %d without it: start it anew", st.Epoch, snap.Epoch())
}

// twin tells whether another life under this name answers here.
func (s *Server) twin(ctx context.Context, name, start string) bool {
	s.roster.mu.Lock()
	t := s.roster.tunnels[name]
	s.roster.mu.Unlock()
	if t == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	st, err := s.roster.client(name).Status(ctx)
	return err == nil && st.Start != start && st.State != agentapi.Stopping
}

// signOn adds an agent to the roster before it is given anything, or puts its life
// in the place of the one before. It tells whether the notes have to say so.
//
// The life that stands there may still run, cut off from here: only one that has
// its state folder shows that it is over. Else two would serve under one name, and
// steps would wait for one of them.
func (s *Server) signOn(ctx context.Context, hello tunnel.Hello, st *agentapi.Status) (anew bool, err error) {
	p, err := s.roster.load(ctx)
	if err != nil {
		return false, err
	}
	if m, ok := p.Agents[hello.Name]; ok && m.Start == st.Start && m.Away == nil && m.Version == hello.Version {
		return false, nil
	}
	err = s.roster.change(ctx, func(p *members) error {
		m, ok := p.Agents[hello.Name]
		if ok && m.Start != st.Start && m.Away == nil && !slices.Contains(st.Former, m.Start) {
			return fmt.Errorf("the roster has another life of it, which may still run: start it with its state folder, or run crossfade agents forget %s", hello.Name)
		}
		if !ok {
			m.Joined = time.Now().UTC()
		}
		anew = m.Start != st.Start
		m.Name, m.Version, m.Start, m.Away = hello.Name, hello.Version, st.Start, nil
		p.Agents[hello.Name] = m
		return nil
	})
	return anew, err
}

// feed gives an agent each revision, until ctx ends.
func (s *Server) feed(ctx context.Context, c *agentapi.Client) {
	said := ""
	for ctx.Err() == nil {
		data, changed := s.board.now()
		if data != nil {
			if p, err := s.roster.load(ctx); err == nil && p.Agents[c.Addr()].Name == "" {
				s.log.Warn("an agent was forgotten, and runs", "agent", c.Addr())
				return
			}
			if err := c.Take(ctx, data); err != nil {
				if text := err.Error(); text != said && ctx.Err() == nil {
					said = text
					s.log.Warn("an agent does not take the revision", "agent", c.Addr(), "error", err)
				}
				sleep(ctx, boardEvery)
				continue
			}
		}
		said = ""
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// SignOff is the body of POST /v1/agents/sign-off: an agent that stops.
type SignOff struct {
	Name  string `json:"name"`
	Start string `json:"start"`
}

// signOff takes an agent at its word that it stops, once it says that nothing of
// it is left.
func (s *Server) signOff(w http.ResponseWriter, r *http.Request) {
	var q SignOff
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&q); err != nil {
		fail(w, http.StatusBadRequest, "the question cannot be read")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
	defer cancel()
	st, err := s.roster.client(q.Name).Status(ctx)
	if err != nil {
		fail(w, http.StatusConflict, "the agent does not answer: "+err.Error())
		return
	}
	if st.Start != q.Start {
		fail(w, http.StatusConflict, "another life of this agent is here")
		return
	}
	if left := unfinished(&st); left != "" {
		fail(w, http.StatusConflict, "it stays in the roster, since it leaves behind "+left+": start it again, or run crossfade agents forget "+q.Name)
		return
	}
	err = s.roster.change(ctx, func(p *members) error {
		m, ok := p.Agents[q.Name]
		if !ok || m.Start != q.Start {
			return nil
		}
		now := time.Now().UTC()
		m.Away = &now
		p.Agents[q.Name] = m
		return nil
	})
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	s.log.Info("agent signed off", "agent", q.Name)
	answer(w, struct{}{})
}

// unfinished says what an agent would leave behind; empty: nothing.
func unfinished(st *agentapi.Status) string {
	var left []string
	add := func(yes bool, text string) {
		if yes {
			left = append(left, text)
		}
	}
	add(st.State != agentapi.Stopping, "requests: it does not stop")
	add(st.Older > 0, "operations under an older revision")
	add(st.UnknownOld+st.UnknownNew > 0, "calls of unknown outcome")
	add(st.Queued > 0, "writes that have not arrived in new")
	add(st.DirtyNew+st.DirtyOld > 0 || st.AllDirtyNew || st.AllDirtyOld, "sessions that are dirty")
	add(st.Behind, "writes that old lacks")
	return strings.Join(left, ", ")
}

// forget takes an agent off that will never come back. It goes on only when it
// cannot serve any more, should it run after all.
func (s *Server) forget(ctx context.Context, name string, progress progressFunc) (any, error) {
	if st, err := s.roster.client(name).Status(ctx); err == nil && st.Stopped == "" {
		return nil, &refusal{Gate: "agents", Found: fmt.Sprintf("agent %s answers", name), Do: "stop it: it signs off by itself"}
	}
	err := s.roster.change(ctx, func(p *members) error {
		if _, ok := p.Agents[name]; !ok {
			return &refusal{Gate: "agents", Found: fmt.Sprintf("no agent %q is in the roster", name), Do: "see crossfade agents list"}
		}
		delete(p.Agents, name)
		return nil
	})
	var no *refusal
	if errors.As(err, &no) { // a goal that goes on after a takeover finds it gone
		p, lerr := s.roster.load(ctx)
		if lerr != nil || p.Agents[name].Name != "" {
			return nil, err
		}
		if g, gerr := s.loadGoal(ctx); gerr != nil || g == nil || !g.Resumed {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	s.roster.mu.Lock()
	t := s.roster.tunnels[name]
	s.roster.mu.Unlock()
	if t != nil {
		t.Close()
	}
	s.gossip.set(agentapi.Dirty{Agent: name, Hashes: []string{}})
	s.planner.witness.forget(name)
	if err := s.m.Lost(ctx, name); err != nil {
		return nil, err
	}
	res, err := s.m.Renew(ctx, rules.ForgettingTakes(), "nothing moves: agent "+name+" is forgotten", progress)
	if err != nil {
		return nil, err
	}
	sleep(ctx, Gone)
	return res, ctx.Err()
}
