package migrate

import (
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// fleet is the agents as the rules see them (rules.MayFollow), and why each of
// them is waited for. An agent that does not answer has acknowledged nothing; one
// that is named no more is forgotten, and ends when what it left has run out.
func (r *record) fleet(cur *revision, replies []reply, oldDead bool, most time.Duration) (ms []rules.Member, lagging []Lagging) {
	lagging = r.leftOut(most)
	for range lagging {
		ms = append(ms, rules.Member{Forgotten: true})
	}
	for i := range replies {
		a := &replies[i]
		m := rules.Member{Acked: cur.def.Epoch, Silent: a.err != nil}
		if why := lag(cur, a, r.Agents[a.addr], oldDead); why != "" {
			m.Acked = 0
			lagging = append(lagging, Lagging{Name: a.name(), Addr: a.addr, Why: why})
		}
		ms = append(ms, m)
	}
	return ms, lagging
}
