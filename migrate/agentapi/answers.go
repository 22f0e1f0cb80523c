package agentapi

import (
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
)

// Status is the answer to GET /v1/status.
type Status struct {
	Agent     string    `json:"agent"`
	Version   string    `json:"version"`
	Digest    string    `json:"digest"` // of what all agents must have alike
	Migration string    `json:"migration"`
	Started   time.Time `json:"started"`
	Uptime    float64   `json:"uptime_seconds"` // by the agent's own clock
	Now       time.Time `json:"now"`            // the clock of the agent's host
	State     State     `json:"state"`
	darklaunch.Status
	// Notes is what it sees of the notes in the stores; nil: it does not look.
	Notes *epochs.Watched `json:"notes,omitempty"`
}

// Up is how long this life of the agent has lasted.
func (s *Status) Up() time.Duration { return time.Duration(s.Uptime * float64(time.Second)) }

// State of an agent, for who sends it clients.
type State string

const (
	Starting State = "starting" // no revision of the flags is known
	Ready    State = "ready"
	Stopping State = "stopping"
	Stopped  State = "stopped" // the fleet has gone on without it: Status.Stopped says how
)

// Repaired is the answer to POST /v1/copy-back-dirty.
type Repaired struct {
	Done int `json:"done"`
	Left int `json:"left"` // sessions still dirty in old
}

// Marks is the answer to GET /v1/marks.
type Marks struct {
	Marks int `json:"marks"` // sessions marked in the agent's old
}

// Logouts is the answer to GET /v1/logouts: what became of the sessions that the
// agent follows, one in Rate of those that were read through it.
type Logouts struct {
	Rate     int        `json:"rate"`
	Sessions []Followed `json:"sessions"` // at most 16,384
}

// Followed is one of them.
type Followed struct {
	Hash    string `json:"h"`
	Verdict string `json:"v"` // kept, lost, gone, unknown
	Seen    int64  `json:"t"` // unix milliseconds
}

// Passed is the question of POST /v1/verified, and its answer.
type Passed struct {
	Dirtied uint64 `json:"all_dirtied"` // of the agent's status, before the verification began
	Counts  bool   `json:"counts"`      // nothing was dirtied since that could not be remembered
}

// Held is what one store held of a session: never the data.
type Held struct {
	Found    bool       `json:"found"`
	Bytes    int        `json:"bytes,omitempty"`
	Sum      string     `json:"sum,omitempty"` // equal for equal data, in this life of this agent
	Flags    uint32     `json:"flags,omitempty"`
	Deadline *time.Time `json:"deadline,omitempty"` // none: never, or not known
	Gone     bool       `json:"tombstone,omitempty"`
	Error    string     `json:"error,omitempty"` // error or timeout
}

// Divergence is one confirmed difference between the stores.
type Divergence struct {
	Seen     time.Time `json:"seen"`
	Hash     string    `json:"hash"`
	Class    string    `json:"class"`
	Cause    string    `json:"cause"`
	Position string    `json:"position"`
	Old      Held      `json:"old"`
	New      Held      `json:"new"`
}

// Question is the body of POST /v1/explain: one of the two is set.
type Question struct {
	// Session is a name that a client uses, or a bare id.
	Session string `json:"session,omitempty"`
	// Hash is the session's keyed hash: it tells the position, and not what
	// the stores hold, since no name can be found from it.
	Hash string `json:"hash,omitempty"`
}

// Explained is one session, as an agent sees it.
type Explained struct {
	Kind     string `json:"kind,omitempty"`
	Hash     string `json:"hash"`
	Bucket   int    `json:"bucket"`
	Position string `json:"position"`
	Stage    string `json:"stage"`
	Why      string `json:"why"` // why the session is there
	Epoch    uint64 `json:"epoch"`
	Settled  bool   `json:"settled,omitempty"`
	Pinned   bool   `json:"pinned,omitempty"`
	Been     bool   `json:"been_cutover,omitempty"`
	Down     string `json:"declared_down,omitempty"`
	Decider  string `json:"decider"` // whose answer to a write counts
	Operates []Way  `json:"operations"`
	Marks    *int   `json:"marks,omitempty"` // in old; -1: could not be read
	DirtyOld bool   `json:"dirty_old,omitempty"`
	DirtyNew bool   `json:"dirty_new,omitempty"`
	Old      *Held  `json:"old,omitempty"`
	New      *Held  `json:"new,omitempty"`
}

// Way is where one operation goes when nothing fails.
type Way struct {
	Op    string   `json:"op"`
	Calls []string `json:"calls"`
	After string   `json:"after,omitempty"` // the store that follows after the answer
}

type failure struct {
	Error string `json:"error"`
}
