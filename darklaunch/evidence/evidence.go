// Package evidence is what an agent has seen, in a form that adds up: counters
// and latency histograms from which the server judges whether a step may be
// followed by the next.
//
//	rec := evidence.New()
//	layer, err := darklaunch.New(darklaunch.Options{Observer: evidence.Both(metrics, rec), …})
//	e := rec.Read()
//
// All counts only grow in one life of an agent. Two agents are added with Add;
// what happened between two readings of one is the later Less the earlier. To
// note something allocates nothing and takes no lock. No id is in it.
package evidence

import (
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Closed sets; each value has its place in the arrays. A value that is in none
// of them is counted at the end.
var (
	classes  = []darklaunch.Class{darklaunch.Read, darklaunch.Write, darklaunch.Touch, darklaunch.Delete, darklaunch.Lock}
	purposes = []darklaunch.Purpose{darklaunch.Request, darklaunch.Mirror, darklaunch.Compare, darklaunch.Copy}
	results  = []string{"hit", "miss", "stored", "exists", "missing", "refused", "error"}
	kinds    = []string{"missing_new", "missing_old", "value", "flags", "expiry", "old_regressed"}
	causes   = []string{"before_mirror", "lost_write", "bypass", "evicted", "concurrent", "unknown"}
	reasons  = []string{"miss", "error", "dirty", "marked", "unmarked"}
	looks    = []string{"match", "differ", "race"}
)

const (
	nClasses, nPurposes, nResults, nKinds, nCauses, nReasons, nLooks = 5, 4, 7, 6, 6, 5, 3

	sides = 2
)

// Evidence is what one agent has seen since it began, or several together.
type Evidence struct {
	// Requests of clients, by class and result.
	Requests [nClasses][nResults]uint64 `json:"requests"`
	// Positions are the same requests by their session's position.
	Positions [position.Count]uint64 `json:"positions"`
	// Calls to the stores: by side, class and purpose.
	Calls [sides][nClasses][nPurposes]Histogram `json:"calls"`
	// Errors and Timeouts of calls, by side.
	Errors   [sides]uint64 `json:"errors"`
	Timeouts [sides]uint64 `json:"timeouts"`
	// Looks are comparisons by result; Divergences by class and cause.
	Looks       [nLooks]uint64          `json:"comparisons"`
	Divergences [nKinds][nCauses]uint64 `json:"divergences"`
	Fallbacks   [nReasons]uint64        `json:"fallbacks"`
	Dropped     uint64                  `json:"mirror_dropped"`
	Conflicts   uint64                  `json:"lock_conflicts"`
}

// Asked is how many requests there were, and how many of them ended in an error.
// A miss, and a lock that is held, are answers.
func (e *Evidence) Asked() (all, failed uint64) {
	for _, by := range e.Requests {
		for r, n := range by {
			all += n
			if results[r] == "error" {
				failed += n
			}
		}
	}
	return all, failed
}

// Called is how many calls were made to a store, and how many of them failed or
// timed out.
func (e *Evidence) Called(s rules.Side) (all, errors, timeouts uint64) {
	for c := range classes {
		for p := range purposes {
			all += e.Calls[s][c][p].Count()
		}
	}
	return all, e.Errors[s], e.Timeouts[s]
}

// Took is how long a store took for one class of calls that are like those of
// clients: copies, which wait for nobody, are not in it.
func (e *Evidence) Took(s rules.Side, class darklaunch.Class) (h Histogram) {
	c := place(classes, class)
	for p, purpose := range purposes {
		if purpose != darklaunch.Copy {
			h.add(&e.Calls[s][c][p])
		}
	}
	return h
}

// Compared is how many sessions were compared, and how many differed for
// another cause than that they are older than the mirror.
func (e *Evidence) Compared() (all, differ uint64) {
	for _, n := range e.Looks {
		all += n
	}
	for _, by := range e.Divergences {
		for c, n := range by {
			if causes[c] != "before_mirror" {
				differ += n
			}
		}
	}
	return all, differ
}

// Diverged is how many sessions differed, by class, whatever the cause.
func (e *Evidence) Diverged(class string) (n uint64) {
	for _, c := range e.Divergences[place(kinds, class)] {
		n += c
	}
	return n
}

// FellBack is how many reads in read-new old had to answer.
func (e *Evidence) FellBack() (n uint64) {
	for _, c := range e.Fallbacks {
		n += c
	}
	return n
}

// Add adds what another agent has seen, or the same in another time.
func (e *Evidence) Add(o *Evidence) {
	e.each(o, func(a *uint64, b uint64) { *a += b }, (*Histogram).add)
}

// Less takes away what was seen before: both are of one life of one agent.
func (e *Evidence) Less(o *Evidence) {
	e.each(o, func(a *uint64, b uint64) {
		if *a >= b {
			*a -= b
		}
	}, (*Histogram).less)
}

func (e *Evidence) each(o *Evidence, n func(*uint64, uint64), h func(*Histogram, *Histogram)) {
	for i := range e.Requests {
		for j := range e.Requests[i] {
			n(&e.Requests[i][j], o.Requests[i][j])
		}
	}
	for i := range e.Positions {
		n(&e.Positions[i], o.Positions[i])
	}
	for s := range sides {
		for c := range e.Calls[s] {
			for p := range e.Calls[s][c] {
				h(&e.Calls[s][c][p], &o.Calls[s][c][p])
			}
		}
		n(&e.Errors[s], o.Errors[s])
		n(&e.Timeouts[s], o.Timeouts[s])
	}
	for i := range e.Looks {
		n(&e.Looks[i], o.Looks[i])
	}
	for i := range e.Divergences {
		for j := range e.Divergences[i] {
			n(&e.Divergences[i][j], o.Divergences[i][j])
		}
	}
	for i := range e.Fallbacks {
		n(&e.Fallbacks[i], o.Fallbacks[i])
	}
	n(&e.Dropped, o.Dropped)
	n(&e.Conflicts, o.Conflicts)
}

// place of a value in its closed set; the last where it is in none.
func place[T comparable](set []T, v T) int {
	for i, x := range set {
		if x == v {
			return i
		}
	}
	return len(set) - 1
}
