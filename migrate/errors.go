package migrate

import (
	"fmt"
	"strings"
)

// Refusal is a step that may not be taken: exit code 3. Nothing was changed by
// the step; steps before it stand.
type Refusal struct {
	Gate  string // a word of a closed set: see gates
	Found string // what was found; no id is in it
	Do    string // what to do next
}

// Gates that can refuse.
const (
	GateAgents   = "agents"    // flags.agents is empty, or two addresses are one agent
	GateDigest   = "digest"    // an agent has another configuration
	GateCopier   = "copier"    // a backfill or verification is running
	GateUnknown  = "unknown"   // calls of unknown outcome
	GateCleanNew = "dirty-new" // sessions dirty in new, or marks
	GateCleanOld = "dirty-old" // sessions dirty in old
	GateBehind   = "behind"    // old lacks writes that new alone took
	GateVerified = "verified"  // no backfill and verification that counts
	GateReversed = "reversed"  // no reverse copy and verification that counts
	GateRevision = "revision"  // somebody else has published meanwhile
	GateOrder    = "order"     // another step comes first
	GateDown     = "down"      // a store is declared down
)

func (r *Refusal) Error() string {
	return fmt.Sprintf("migrate: refused by gate %s: %s: %s", r.Gate, r.Found, r.Do)
}

func refuse(gate, do, found string, args ...any) *Refusal {
	return &Refusal{Gate: gate, Found: fmt.Sprintf(found, args...), Do: do}
}

// Waiting is a revision that was not acknowledged in time: exit code 4. What
// was published stands, and is legal; the same call goes on from there.
type Waiting struct {
	Epoch  uint64
	Agents []Lagging
}

// Lagging is an agent that is waited for.
type Lagging struct {
	Name string `json:"name"`
	Addr string `json:"addr"`
	Why  string `json:"why"`
}

func (w *Waiting) Error() string {
	texts := make([]string, len(w.Agents))
	for i, a := range w.Agents {
		texts[i] = a.String()
	}
	return fmt.Sprintf("migrate: revision %d is not acknowledged: %s: see to these agents, then run the same command again: it goes on from here",
		w.Epoch, strings.Join(texts, "; "))
}

func (a Lagging) String() string {
	if a.Name == "" || a.Name == a.Addr {
		return fmt.Sprintf("agent %s: %s", a.Addr, a.Why)
	}
	return fmt.Sprintf("agent %s (%s): %s", a.Name, a.Addr, a.Why)
}

// Unfinished is a copy or verification that left something: exit code 1.
type Unfinished struct {
	Job    string
	Report Report
}

func (u *Unfinished) Error() string {
	return fmt.Sprintf("migrate: %s: %d sessions stay different or could not be copied (hashes are in the report): see that both stores answer, then run it again",
		u.Job, u.Report.Unresolved)
}
