package control

import (
	"encoding/json"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
)

// patience bounds how long one acknowledgement is waited for. The server goes on
// with what was asked for; only the one who asked stops waiting.
type patience struct {
	most time.Duration
	tell func(migrate.Progress)

	since time.Time // the same agents are waited for; zero: nobody is
	last  migrate.Progress
	shown string
	at    time.Time
}

func (p *patience) progress(now migrate.Progress) {
	switch {
	case len(now.Waiting) == 0:
		p.since = time.Time{}
	case p.since.IsZero() || now.Phase != p.last.Phase:
		p.since = time.Now()
	}
	p.last = now
	// The server repeats itself, so that both know that the other is there.
	b, _ := json.Marshal(now)
	if p.tell != nil && now.Phase != "" && (string(b) != p.shown || time.Since(p.at) > 2*time.Second) {
		p.shown, p.at = string(b), time.Now()
		p.tell(now)
	}
}

func (p *patience) over() bool { return !p.since.IsZero() && time.Since(p.since) > p.most }

func (p *patience) waiting() error { return &migrate.Waiting{Agents: p.last.Waiting} }
