package parts

import (
	"time"

	"github.com/seed-41165957/crossfade/dashboard/metrics"
	"github.com/seed-41165957/crossfade/migrate"
)

// Fleet is what a watcher saw, as the metrics have it.
func Fleet(v migrate.Watched) metrics.Fleet {
	f := metrics.Fleet{Estimate: v.Logouts.Estimate, Lower: v.Logouts.Lower, Upper: v.Logouts.Upper, IdleAge: -1, Window: v.Window,
		Agents: map[string]int{"acknowledged": v.Acknowledged, "waiting": v.Waiting, "silent": v.Silent}, Gates: map[string]string{}}
	if v.Logouts.IdleKnown {
		f.IdleAge = v.Logouts.IdleAge + time.Since(v.At)
	}
	for gate, state := range v.Gates {
		f.Gates[gate] = string(state)
	}
	if c := v.Copying; c != nil {
		f.Job, f.Progress = c.Job, 1
		if !c.Ended && c.Total > 0 {
			f.Progress = min(1, float64(c.Done)/float64(c.Total))
		} else if !c.Ended {
			f.Progress = 0
		}
	}
	return f
}
