package control

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-41165957/crossfade/migrate"
)

// verbArgs are the arguments of all verbs.
type verbArgs struct {
	Agents  []string               `json:"agents,omitempty"`
	Stage   string                 `json:"stage,omitempty"`
	Buckets int                    `json:"buckets,omitempty"`
	To      string                 `json:"to,omitempty"`
	Store   string                 `json:"store,omitempty"`
	Name    string                 `json:"name,omitempty"`
	Seconds float64                `json:"seconds,omitempty"`
	Pace    *migrate.Pace          `json:"pace,omitempty"`
	Sample  float64                `json:"sample,omitempty"` // of a verification; 0: all
	Repair  *migrate.RepairOptions `json:"repair,omitempty"`
	// Hash and Position of a session that is pinned.
	Hash     string `json:"hash,omitempty"`
	Position string `json:"position,omitempty"`
	// Job and Wish are of a dry run alone: what is wished of a job is no verb.
	Job  string `json:"job,omitempty"`
	Wish string `json:"wish,omitempty"`
}

// workersMost keeps a server from dying of a number that somebody mistyped, and
// again where the next one goes on with it.
const workersMost = 256

// readArgs reads the arguments of a verb, and refuses what no verb could mean: it
// is not asked for then, and in no record.
func readArgs(raw json.RawMessage) (a verbArgs, err error) {
	if err := json.Unmarshal(given(raw), &a); err != nil {
		return a, fmt.Errorf("control: the arguments cannot be read: %w", err)
	}
	switch p := a.Pace; {
	case a.Sample < 0 || a.Sample > 1:
		return a, fmt.Errorf("control: sample %g: accepted is a share, above 0 and up to 1; 0: all sessions", a.Sample)
	case p != nil && (p.Rate < 0 || p.Rate > 0 && p.Rate < 1):
		return a, fmt.Errorf("control: pace.rate %g: accepted are sessions a second, from 1; 0: no bound", p.Rate)
	case p != nil && (p.Workers < 0 || p.Workers > workersMost):
		return a, fmt.Errorf("control: pace.workers %d: accepted are 1 to %d; 0: the default", p.Workers, workersMost)
	case a.Repair != nil && a.Repair.Max < 0:
		return a, fmt.Errorf("control: repair.max %d: accepted are 1 and more; 0: 1,000", a.Repair.Max)
	case len(a.Agents) > 0 && a.Stage != "" && a.Stage != "mirror":
		return a, fmt.Errorf("control: stage %.40q for some agents alone: accepted is mirror, from where on all go together", a.Stage)
	}
	return a, nil
}

func (a *verbArgs) paced(ctx context.Context) context.Context {
	if a.Pace == nil {
		return ctx
	}
	return migrate.WithPace(ctx, *a.Pace)
}
