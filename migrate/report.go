package migrate

import (
	"maps"
	"slices"
	"time"
)

// Report is what a copy or a verification came to. No id is in it.
type Report struct {
	Job   string    `json:"job"`
	Epoch uint64    `json:"epoch"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Sessions that were looked at, in either store.
	Sessions int64 `json:"sessions"`
	// Skipped are not in a position in which they are copied in this direction.
	Skipped int64 `json:"skipped,omitempty"`
	// Names that were listed, of any kind, some twice perhaps: locks, Crossfade's
	// own, names of no kind, and sessions.
	Names  int64 `json:"names,omitempty"`
	Locks  int64 `json:"locks,omitempty"`
	Own    int64 `json:"own,omitempty"`
	Others int64 `json:"others,omitempty"`
	// Said is how many the store said to hold when it was begun; 0: it did not
	// say. It counts what has run out, and MySQL estimates.
	Said int64 `json:"said,omitempty"`
	// Resumed is how many runs were cut short before; what they counted behind
	// the place where this one went on is counted twice.
	Resumed int `json:"resumed,omitempty"`
	// Copied were written to the target, or buried there.
	Copied int64 `json:"copied"`
	// Same needed nothing.
	Same int64 `json:"same"`
	// Regressed are older in old than in new, since old has lost their newest
	// copy: they stay.
	Regressed int64 `json:"regressed,omitempty"`
	// Evicted are in new, and no longer in an old that evicts: they stay.
	Evicted int64 `json:"evicted,omitempty"`
	// Races differed once, since somebody was writing them.
	Races int64 `json:"races,omitempty"`
	// Differences that were confirmed by a second look, by class. All were
	// corrected, but for the unresolved.
	Differences map[string]int64 `json:"differences"`
	// Causes are those differences, and the unresolved that kept changing, by
	// class and cause (CauseBeforeMirror and so on).
	Causes map[string]map[string]int64 `json:"causes,omitempty"`
	// Sample is the share of the sessions that a verification looked at; 0: all.
	// Differ is then the share that differs, Apart how many were left aside.
	Sample float64 `json:"sample,omitempty"`
	Differ *Share  `json:"differ,omitempty"`
	Apart  int64   `json:"apart,omitempty"`
	Rounds int     `json:"rounds,omitempty"`
	// HostsLeft are the agents on whose hosts it has to be run too.
	HostsLeft  []string `json:"hosts_left,omitempty"`
	Unresolved int64    `json:"unresolved"`
	// Left are the hashes of some of the unresolved, and why.
	Left []Left `json:"left,omitempty"`
}

// Left is one session that stays different, or could not be copied.
type Left struct {
	Hash string `json:"hash"`
	Why  string `json:"why"`
}

// leftMost is how many are named.
const leftMost = 100

// differing is how many sessions were found to differ for good.
func (r *Report) differing() (n int64) {
	for _, d := range r.Differences {
		n += d
	}
	return min(n+r.Unresolved, r.Sessions)
}

// differ counts a difference; none, where other bytes meant the same.
func (r *Report) differ(class string) {
	if class != "" {
		r.Differences[class]++
	}
}

// clone is a copy that shares nothing.
func (r *Report) clone() Report {
	c := *r
	c.Causes = make(map[string]map[string]int64, len(r.Causes))
	for class, by := range r.Causes {
		c.Causes[class] = maps.Clone(by)
	}
	c.Differences, c.HostsLeft, c.Left = maps.Clone(r.Differences), slices.Clone(r.HostsLeft), slices.Clone(r.Left)
	return c
}

func (r *Report) counts() map[string]int64 {
	c := map[string]int64{"sessions": r.Sessions, "copied": r.Copied, "same": r.Same, "evicted": r.Evicted, "regressed": r.Regressed,
		"skipped": r.Skipped, "races": r.Races, "unresolved": r.Unresolved}
	for class, n := range r.Differences {
		c[class] = n
	}
	return c
}
