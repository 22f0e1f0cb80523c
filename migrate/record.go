package migrate

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/book"
)

// recordVersion rises when an older tool would misread the file.
const recordVersion = 1

// stepsKept is how many steps the record remembers.
const stepsKept = 200

// record is what outlives the tool beside the flag file: docs/formats.md, "What
// the orchestrator keeps".
type record struct {
	Version   int    `json:"version"`
	Migration string `json:"migration"`
	// Published are the digests of the flag file as this tool wrote it, the
	// newest last: two, since a crash may fall between record and file.
	Published  []string        `json:"published"`
	Agents     map[string]life `json:"agents"`
	Backfilled *run            `json:"backfilled,omitempty"`
	Verified   *run            `json:"verified,omitempty"`
	// Looked is the last verification, whether it counts or not.
	Looked *run `json:"looked,omitempty"`
	// Owed is the revision since which old has to be made whole by a reverse
	// copy; 0: it has not. Reversed is the copy that did.
	Owed     uint64 `json:"owed,omitempty"`
	Reversed *run   `json:"reversed,omitempty"`
	// SoakBack is what Reversed waits for besides, where a store cannot list its sessions.
	SoakBack *soak `json:"soak_back,omitempty"`
	// Hosts is what was done on each host, by its agent's name, where each has an
	// old of its own; Purged that new held nothing before. Roamed is set once
	// clients may come through any host: a host's old may lack what is theirs.
	Hosts  map[string]*hostRuns `json:"hosts,omitempty"`
	Purged bool                 `json:"purged,omitempty"`
	Roamed bool                 `json:"roamed,omitempty"`
	// Next is the revision that is being published, whole: it is written before
	// anybody can have seen it. Whoever comes after a crash publishes the same.
	Next json.RawMessage `json:"next,omitempty"`
	// Soak stands in the place of a backfill and a verification where a store
	// cannot list its sessions.
	Soak *soak `json:"soak,omitempty"`
	// CutoverSince is when the first session came to where new alone decides.
	CutoverSince *time.Time `json:"cutover_since,omitempty"`
	// Invalid says why what was verified does not count any more.
	Invalid string `json:"invalid,omitempty"`
	// Completed is when the migration was declared over: nothing moves any more.
	Completed *time.Time `json:"completed,omitempty"`
	Steps     []stepMade `json:"steps"`

	kept   bool // it was read from the book
	joined bool // the agents are those of a roster
}

// life of an agent, by its address.
type life struct {
	Name  string `json:"name"`
	Start string `json:"start"`
	// Quarantine is how long after its start what its last life left behind
	// (locks, copies) may be out.
	Quarantine time.Duration `json:"quarantine,omitempty"`
	// Forgotten is when it was found to be named no more in flags.agents: what
	// it left behind may be out for as long after that.
	Forgotten *time.Time `json:"forgotten,omitempty"`
}

// run is a copy or verification that is over.
type run struct {
	Epoch uint64    `json:"epoch"` // of the flags, all the while
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Agents that had acknowledged before it began: address and start id.
	Agents map[string]string `json:"agents"`
	Counts map[string]int64  `json:"counts"`
	// Sample is the share that it looked at; 0: all.
	Sample float64 `json:"sample,omitempty"`
}

// stepMade is one revision that was published, with what was said of it before.
type stepMade struct {
	Epoch  uint64    `json:"epoch"`
	At     time.Time `json:"at"`
	Text   string    `json:"text"`
	Reason string    `json:"reason,omitempty"`
	Who    string    `json:"who,omitempty"`
	Back   []string  `json:"taking_it_back"`
}

// recorded reads the record, and drops what does not count for the flag file as
// it is: somebody else has changed it, or it comes from another place.
func (m *Migration) recorded(cur *revision) (*record, error) {
	r := &record{Version: recordVersion, Migration: m.o.Migration, joined: m.o.Roster != nil}
	data, err := m.page(book.Record)
	if err != nil {
		return nil, err
	}
	if r.kept = data != nil; r.kept {
		if err := json.Unmarshal(data, r); err != nil {
			return nil, fmt.Errorf("migrate: %s is damaged: %w: move it away; then a new verification is needed", m.o.Book.Where(book.Record), err)
		}
		if r.Version != recordVersion || r.Migration != m.o.Migration {
			return nil, fmt.Errorf("migrate: %s is of version %d and migration %q, this tool writes version %d for %q: use the tool that wrote it, or move it away",
				m.o.Book.Where(book.Record), r.Version, r.Migration, recordVersion, m.o.Migration)
		}
	}
	if r.Agents == nil {
		r.Agents = map[string]life{}
	}
	if cur.data != nil && !slices.Contains(r.Published, cur.digest()) {
		r.drop("the flag file was changed by something else")
		r.forget(cur.def)
		if unfenced(cur.def) {
			r.Soak = nil
		}
		if cur.def.CutoverFloor > 0 {
			r.owe(cur.def.Epoch)
		}
		// How it came there is not known.
		r.Roamed = r.Roamed || m.hosts() && cur.def.Weights.Ends()[position.ReadNew] > 0
	}
	r.Roamed = r.Roamed || m.hosts() && cur.def.Settled > 0
	if paid(cur.def) { // read off the file: a crash may have come before it was written
		r.Owed, r.Reversed, r.SoakBack = 0, nil, nil
	}
	return r, nil
}

// drop takes back that anything was verified.
func (r *record) drop(why string) {
	if r.Verified != nil || r.Backfilled != nil {
		r.Invalid = why
	}
	r.Verified, r.Backfilled, r.Purged = nil, nil, false
	for _, h := range r.Hosts {
		h.Verified, h.Backfilled = nil, nil
	}
}

// owe notes that old has to be made whole.
func (r *record) owe(epoch uint64) {
	r.Owed, r.Reversed, r.SoakBack = epoch, nil, nil
	for _, h := range r.Hosts {
		h.Reversed = nil
	}
}

func (m *Migration) saveRecord(by book.Lock, r *record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("migrate: save the record: %w", err)
	}
	return m.write(by, book.Record, append(data, '\n'))
}

// follow notes what a revision does to what was verified.
func (r *record) follow(cur, n flags.Definition, hosts bool) {
	if n.Weights[position.Cutover]+n.Weights[position.Back] == 0 {
		r.CutoverSince = nil
	} else if r.CutoverSince == nil {
		now := time.Now().UTC()
		r.CutoverSince = &now
	}
	if hosts && n.Settled > 0 {
		r.Roamed = true
	}
	if unfenced(n) {
		r.Soak = nil
		r.drop(fmt.Sprintf("in revision %d a session was below fenced", n.Epoch))
	}
	if owes(cur, n) {
		r.owe(n.Epoch)
	}
}

// meet notes the lives of agents, and drops what a life that did not end
// cleanly took with it. It tells whether anything changed.
func (r *record) meet(cur flags.Definition, replies []reply, locks, copies time.Duration) (changed bool) {
	for addr, l := range r.Agents {
		named := slices.ContainsFunc(replies, func(a reply) bool { return a.addr == addr })
		if named == (l.Forgotten == nil) {
			continue
		}
		changed = true
		if l.Forgotten = nil; !named {
			now := time.Now().UTC()
			l.Forgotten = &now
			r.forget(cur)
		}
		r.Agents[addr] = l
	}
	for i := range replies {
		a := &replies[i]
		if a.err != nil {
			continue
		}
		was, known := r.Agents[a.addr]
		if known && was.Start == a.status.Start && was.Name == a.status.Agent {
			continue
		}
		changed = true
		now := life{Name: a.status.Agent, Start: a.status.Start}
		if known && was.Start != a.status.Start {
			now.Quarantine = locks
			if clean := a.status.CleanFrom == was.Start; clean {
				for _, done := range r.runs() {
					if done != nil && done.Agents[a.addr] == was.Start {
						done.Agents[a.addr] = now.Start
					}
				}
			} else {
				now.Quarantine = max(locks, copies)
				why := fmt.Sprintf("agent %s ended without saying so, and took with it what it had not written yet", now.Name)
				r.drop(why)
				r.forget(cur)
				if cur.Weights[position.Back] > 0 || cur.DeclaredDown == flags.OldRecovering {
					r.owe(r.Owed)
				}
			}
		}
		r.Agents[a.addr] = now
	}
	return changed
}

// runs are all that may count.
func (r *record) runs() []*run {
	all := []*run{r.Backfilled, r.Verified, r.Reversed}
	for _, h := range r.Hosts {
		all = append(all, h.Backfilled, h.Verified, h.Reversed)
	}
	return all
}

// leftOut are agents that are named no more, and may have left locks or copies.
func (r *record) leftOut(most time.Duration) (lagging []Lagging) {
	for addr, l := range r.Agents {
		if l.Forgotten == nil {
			continue
		}
		if left := time.Until(l.Forgotten.Add(most)); left > 0 {
			lagging = append(lagging, Lagging{Name: l.Name, Addr: addr,
				Why: fmt.Sprintf("it is named no more in flags.agents: what it left (locks, copies) may be out for %v more", left.Round(time.Second))})
		}
	}
	return lagging
}

// counts tells whether a run is good for the agents as they are. Where a roster
// says who comes and goes (joined), one that came later is no objection: it began
// with the revision that stood, and what an agent took with it that did not end
// cleanly was dropped when it was missed (meet).
func (d *run) counts(replies []reply, joined bool) string {
	if joined {
		return d.countsFor(replies)
	}
	if len(d.Agents) != len(replies) {
		return fmt.Sprintf("%d agents were there when it began, now there are %d", len(d.Agents), len(replies))
	}
	for _, a := range replies {
		if start, ok := d.Agents[a.addr]; !ok {
			return fmt.Sprintf("agent %s was not there when it began", a.name())
		} else if start != a.status.Start {
			return fmt.Sprintf("agent %s was started anew since", a.name())
		}
	}
	return ""
}

func (d *run) countsFor(replies []reply) string {
	for _, a := range replies {
		if start, ok := d.Agents[a.addr]; ok && start != a.status.Start {
			return fmt.Sprintf("agent %s was started anew since", a.name())
		}
	}
	return ""
}

// reply is what one agent said of itself.
type reply struct {
	addr   string
	known  string // its name, when it was last heard of
	life   string // its start id, when it was last heard of; empty: not known
	status agentapi.Status
	err    error
}

func (a *reply) name() string {
	switch {
	case a.status.Agent != "":
		return a.status.Agent
	case a.known != "":
		return a.known
	}
	return a.addr
}
