package migrate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Verdict on one thing that was observed.
type Verdict string

const (
	Green Verdict = "green" // as a migration wants it
	Amber Verdict = "amber" // look at it
	Red   Verdict = "red"   // not with this configuration
)

// Finding is one thing that was observed, and what to do about it.
type Finding struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`
	Do      string  `json:"do,omitempty"`
}

// Worst is the worst verdict.
func (o *Observation) Worst() Verdict {
	worst := Green
	for _, f := range o.Findings {
		if f.Verdict == Red || f.Verdict == Amber && worst == Green {
			worst = f.Verdict
		}
	}
	return worst
}

// judge says of each thing whether it is as a migration wants it.
func judge(o *Observation, ks []kinds.Kind) []Finding {
	var fs []Finding
	say := func(name string, v Verdict, do, found string, args ...any) {
		if v == Green {
			do = ""
		}
		fs = append(fs, Finding{name, v, fmt.Sprintf(found, args...), do})
	}
	s := &o.Seen
	requests := s.Reads + s.Writes + s.Deletes
	v := Green
	if requests == 0 {
		v = Red
	}
	say("traffic", v, "point the application at the agents (listen), and see that its names match sessions.keys",
		"%d reads, %d writes, %d deletes at %d agents in %v; %d sessions, each counted at every agent that saw it", s.Reads, s.Writes, s.Deletes, o.Agents,
		time.Duration(s.Seconds*float64(time.Second)).Round(time.Second), s.Sessions)
	if s.Full {
		say("memory", Amber, "observe for a shorter time", "more sessions than an agent remembers: the counts are too low")
	}

	// A logout leaves a tombstone; an application that deletes a key to have it
	// read from the table again would find the session gone.
	v = share2(s.Revived, s.Deletes, 0.02, 5)
	say("deletes used as invalidation", v, "replace the application's session functions by those of frontends/php (way B): there a delete is a logout",
		"%d of %d deleted sessions were written again under the same id", s.Revived, s.Deletes)

	if r := o.Rows; r != nil {
		v = share2(uint64(r.Unlike), uint64(r.Alike+r.Unlike), 0.05, 3)
		say("the table holds what memcached holds", v, "memcached and the table have different forms: use way B, where one layer writes both",
			"of %d idle sessions in both, %d differ", r.Alike+r.Unlike, r.Unlike)
		v = share2(uint64(r.Bypassed), uint64(r.Looked), 0.01, 1)
		say("writers past the agents", v, "find what writes the sessions table (cron, admin tools) and point it at an agent, or stop it before read-new",
			"%d of %d rows changed, %d of them though no agent saw a write", r.Changed, r.Looked, r.Bypassed)
		v = Green
		if r.Deleted > 0 {
			v = Amber
		}
		say("rows deleted by SQL", v, "a logout by SQL is honoured at the application's own next look at the table, or with sql_logouts; plan what replaces it before cutover",
			"%d of %d rows are gone before their end", r.Deleted, r.Looked)
		v = Green
		if r.Looked > 0 && r.Only*2 > r.Looked {
			v = Amber
		}
		say("rows that only the table has", v, "see that memcached is large enough: more than half of the live sessions are not in it",
			"%d of %d; the backfill copies them", r.Only, r.Looked)
	}

	for _, k := range ks {
		fs = append(fs, judgeKind(o, &k)...)
	}
	v, text := Green, "none"
	if len(o.Unsupported) > 0 {
		v = Red
		var parts []string
		for _, c := range slices.Sorted(maps.Keys(o.Unsupported)) {
			parts = append(parts, fmt.Sprintf("%s %d", c, o.Unsupported[c]))
		}
		text = strings.Join(parts, ", ")
	}
	say("commands that are not spoken", v, "these clients get errors: change how they speak, or leave them where they are", "%s", text)
	v = Green
	if s.Error > 0 {
		v = Amber
	}
	say("errors", v, "see crossfade status, and the agents' logs: old did not answer", "%d requests failed", s.Error)
	return fs
}

func judgeKind(o *Observation, k *kinds.Kind) (fs []Finding) {
	lives, longest, never, all := o.Seen.Lives[k.Name], int64(0), uint64(0), uint64(0)
	for life, n := range lives {
		all += n
		if life < 0 {
			never += n
		}
		longest = max(longest, life)
	}
	f := Finding{Name: k.Name + ": lives", Verdict: Green, Found: fmt.Sprintf("the longest is %v, %d of %d for ever", time.Duration(longest)*time.Second, never, all)}
	switch {
	case all == 0:
		f.Found = "no write was seen"
	case never > 0:
		f.Verdict, f.Do = Amber, "sessions that never end fill new: see that the application ends them"
	case k.MaxAge > 0 && time.Duration(longest)*time.Second > k.MaxAge+time.Second:
		f.Verdict, f.Do = Red, fmt.Sprintf("set max_age to %v or more", time.Duration(longest)*time.Second)
	case k.MaxAge == 0:
		f.Verdict, f.Do = Amber, fmt.Sprintf("set max_age: %v; without it marks and tombstones have no end of their own", time.Duration(longest)*time.Second)
	}
	fs = append(fs, f)
	usual, others := uint64(0), map[uint32]uint64{}
	for fl, n := range o.Seen.Flags[k.Name] {
		if fl == k.Flags {
			usual += n
		} else {
			others[fl] += n
		}
	}
	f = Finding{Name: k.Name + ": client flags", Verdict: Green, Found: fmt.Sprintf("%d writes with the usual %d", usual, k.Flags)}
	if len(others) > 0 {
		var most uint32
		sum := uint64(0)
		for fl, n := range others {
			sum += n
			if n > others[most] {
				most = fl
			}
		}
		f.Found += fmt.Sprintf(", %d with others", sum)
		if f.Verdict = Amber; others[most] > usual {
			f.Do = fmt.Sprintf("set flags: %d for the kind: most writes have them, and others cost a second key in new", most)
		} else {
			f.Do = "nothing, or make the clients agree: others than the usual ones cost a second key in new"
		}
	}
	fs = append(fs, f)
	lock := time.Duration(o.Seen.LockSeconds[k.Name]) * time.Second
	f = Finding{Name: k.Name + ": locks", Verdict: Green, Found: "none was asked for"}
	if lock > 0 {
		f.Found = fmt.Sprintf("the longest was asked for %v", lock)
		if k.LockTTL > 0 && lock > k.LockTTL {
			f.Verdict, f.Do = Amber, fmt.Sprintf("a lock is granted for lock_ttl, %v, at most: set it to %v if requests last that long", k.LockTTL, lock)
		}
	}
	return append(fs, f)
}

// share2 is green for none, red from so large a share, and so many, on.
func share2(n, of uint64, red float64, least uint64) Verdict {
	switch {
	case n == 0:
		return Green
	case n >= least && float64(n) >= red*float64(of):
		return Red
	}
	return Amber
}
