package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// Ask is the body of POST /v1/do and POST /v1/plan.
type Ask struct {
	Verb string          `json:"verb"`
	Args json.RawMessage `json:"args,omitempty"`
	// Revision is the one that who asks has looked at; where another is in force,
	// nothing is done. 0: any.
	Revision uint64 `json:"revision,omitempty"`
	migrate.Actor
}

// Line is one line of the answer to POST /v1/do: progress, then the end.
type Line struct {
	Progress *migrate.Progress `json:"progress,omitempty"`
	Verb     string            `json:"verb,omitempty"` // what advance came to
	Result   json.RawMessage   `json:"result,omitempty"`
	Failure  *Failure          `json:"failure,omitempty"`
}

// Failure is an error that keeps its kind on the wire.
type Failure struct {
	Text      string           `json:"error"`
	Refusal   *migrate.Refusal `json:"refusal,omitempty"`
	Waiting   *migrate.Waiting `json:"waiting,omitempty"`
	Report    *migrate.Report  `json:"report,omitempty"`
	Job       string           `json:"job,omitempty"`
	NotLeader bool             `json:"not_leader,omitempty"`
}

// errNotLeading is told to who asks the wrong server.
var errNotLeading = errors.New("control: this server does not lead: ask the others")

func failureOf(err error) *Failure {
	f := &Failure{Text: err.Error()}
	var left *migrate.Unfinished
	errors.As(err, &f.Refusal)
	errors.As(err, &f.Waiting)
	if errors.As(err, &left) {
		f.Report, f.Job = &left.Report, left.Job
	}
	f.NotLeader = errors.Is(err, errNotLeading) || errors.Is(err, errDeposed)
	return f
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	data, _ := s.board.now()
	text := "ready"
	if s.leads() {
		text = "ready, leading"
	}
	if data == nil {
		text = "starting"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	w.Write([]byte(text + "\n"))
}

// Overview is a migration, and its servers and roster.
type Overview struct {
	migrate.Overview
	Server  string   `json:"server"` // who answers
	Leads   bool     `json:"leads"`
	Members []Member `json:"members"`
	Goal    *Goal    `json:"goal,omitempty"` // the last one
	// Doing is what the goal that is under way is at.
	Doing *migrate.Progress `json:"doing,omitempty"`
	Plan  *PlanView         `json:"plan,omitempty"`
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	o, err := s.overview(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, o)
}

func (s *Server) overview(ctx context.Context) (o Overview, err error) {
	o.Server, o.Leads = s.o.Name, s.leads()
	if o.Overview, err = s.m.Status(ctx); err == nil {
		o.Goal, err = s.loadGoal(ctx)
	}
	if err == nil {
		o.Members, err = s.members(ctx)
	}
	if err != nil {
		return o, err
	}
	s.mu.Lock()
	if j := s.job; j != nil && !isDone(j.done) {
		j.mu.Lock()
		last := j.last
		j.mu.Unlock()
		o.Doing = &last
	}
	s.mu.Unlock()
	o.Plan, o.Why = s.planner.last(), s.why(o.Overview)
	return o, nil
}

func (s *Server) members(ctx context.Context) ([]Member, error) {
	p, err := s.roster.load(ctx)
	if err != nil {
		return nil, err
	}
	out := []Member{}
	for _, name := range sorted(p.Agents) {
		out = append(out, p.Agents[name])
	}
	return out, nil
}

func (s *Server) agents(w http.ResponseWriter, r *http.Request) {
	ms, err := s.members(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, ms)
}

func (s *Server) flags(w http.ResponseWriter, _ *http.Request) {
	data, _ := s.board.now()
	if data == nil {
		fail(w, http.StatusServiceUnavailable, "no revision is published yet")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(data)
}

// Divergences is the answer to GET /v1/divergences.
type Divergences struct {
	Agents map[string][]agentapi.Divergence `json:"agents"`
	Error  string                           `json:"error,omitempty"` // not all were heard
}

func (s *Server) divergences(w http.ResponseWriter, r *http.Request) {
	by, err := s.m.Divergences(r.Context())
	d := Divergences{Agents: by}
	if err != nil {
		d.Error = err.Error()
	}
	answer(w, d)
}

func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	c, err := s.planComplete(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, c)
}

// planComplete goes through both stores, for one who asks at a time: the site's
// own requests are waiting there.
func (s *Server) planComplete(ctx context.Context) (migrate.Completion, error) {
	select {
	case s.scan <- struct{}{}:
		defer func() { <-s.scan }()
		return s.m.PlanComplete(ctx)
	case <-ctx.Done():
		return migrate.Completion{}, context.Cause(ctx)
	}
}

func (s *Server) bypass(w http.ResponseWriter, r *http.Request) {
	b, err := s.m.Bypass(r.Context())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, b)
}

// Explained is the answer to POST /v1/explain.
type Explained struct {
	Agent    string               `json:"agent"`
	Sessions []agentapi.Explained `json:"sessions"`
}

func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	var q agentapi.Question
	if !read(w, r, &q) {
		return
	}
	xs, agent, err := s.m.Explain(r.Context(), q)
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, Explained{agent, xs})
}

func (s *Server) planned(w http.ResponseWriter, r *http.Request) {
	var q Ask
	if !read(w, r, &q) {
		return
	}
	p, err := s.plan(r.Context(), q)
	l := Line{}
	if err != nil {
		l.Failure = failureOf(err)
	} else {
		l.Result, _ = json.Marshal(p)
	}
	answer(w, l)
}

// Job is the answer to GET /v1/jobs/NAME.
type Job struct {
	Found bool             `json:"found"`
	State migrate.JobState `json:"state"`
}

// jobVerb is what the log, and a dry run, call what is wished of a job.
const jobVerb = "job"

// Wish is the body of POST /v1/jobs/NAME: hold, release or cancel.
type Wish struct {
	Wish     string `json:"wish"`
	Revision uint64 `json:"revision,omitempty"` // as in Ask
	migrate.Actor
}

func (s *Server) jobState(w http.ResponseWriter, r *http.Request) {
	st, found, err := s.m.JobState(r.PathValue("name"))
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	answer(w, Job{found, st})
}

func (s *Server) wish(w http.ResponseWriter, r *http.Request) {
	var q Wish
	if !read(w, r, &q) {
		return
	}
	var l Line
	if err := s.wished(r, q); err != nil {
		l.Failure = failureOf(err)
	}
	answer(w, l)
}

func (s *Server) wished(r *http.Request, q Wish) error {
	if err := s.inForce(q.Revision); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := s.m.Wish(name, q.Wish); err != nil {
		return err
	}
	return s.m.Noted(migrate.WithActor(r.Context(), acts(r, q.Actor)), jobVerb, map[string]string{"job": name, "wish": q.Wish}, "done")
}

// alive is how often a line is sent while nothing is new, so that both sides
// know that the other is there.
const alive = time.Second

func (s *Server) doing(w http.ResponseWriter, r *http.Request) {
	var q Ask
	if !read(w, r, &q) {
		return
	}
	if role, ok := verbRoles[q.Verb]; ok && !access.Refuse(w, r, role) {
		return
	}
	q.Actor = acts(r, q.Actor)
	j, err := s.do(r.Context(), q)
	if err != nil {
		answer(w, Line{Failure: failureOf(err)})
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	text := sends(w)
	send := func(l Line) bool { return text(append(marshal(l), '\n')) }
	told := 0
	tick := time.NewTicker(alive)
	defer tick.Stop()
	for {
		j.mu.Lock()
		last, news, changed := j.last, j.news[told:], j.changed
		j.mu.Unlock()
		for _, p := range news {
			if !send(Line{Progress: &p}) {
				return
			}
		}
		told += len(news)
		if last.Phase != "published" && !send(Line{Progress: &last}) {
			return
		}
		select {
		case <-j.done:
			// What was published last came before the end.
			j.mu.Lock()
			rest := j.news[told:]
			j.mu.Unlock()
			for _, p := range rest {
				send(Line{Progress: &p})
			}
			l := Line{}
			if j.err != nil {
				l.Failure = failureOf(j.err)
			} else {
				l.Verb = j.goal.Verb
				l.Result, _ = json.Marshal(j.result)
			}
			send(l)
			return
		case <-r.Context().Done():
			return // it goes on without who asked
		case <-tick.C:
		case <-changed:
			sleep(r.Context(), 20*time.Millisecond) // what comes at once goes at once
		}
	}
}

func read(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(v); err != nil {
		fail(w, http.StatusBadRequest, "the question cannot be read")
		return false
	}
	return true
}

// answerMost is how long who asked may take to read an answer.
const answerMost = time.Minute

func answer(w http.ResponseWriter, v any) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerMost)) // the server's has run since the question
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, code int, text string) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerMost))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(Failure{Text: text})
}
