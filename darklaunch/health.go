package darklaunch

import (
	"context"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// healthTick is how often each store is asked how it is.
const healthTick = time.Second

// watchHealth asks a store how it is. Old may lose a mark, by eviction
// or by a restart: then readers of new no longer learn that it is behind, and
// nothing is known to be clean until a verification. New may lose its last
// writes when another server takes its place: see recomparing.
func (l *Layer) watchHealth(ctx context.Context, s rules.Side) {
	h, ok := l.side(s).Store.(backends.Healther)
	if !ok {
		return
	}
	var last *backends.Health
	tick := time.NewTicker(healthTick)
	defer tick.Stop()
	for {
		ask, cancel := context.WithTimeout(ctx, l.side(s).Timeout)
		now, err := h.Health(ask)
		cancel()
		if err == nil {
			l.health[s].Store(&now)
			if last != nil && s == rules.Old && (now.RunID != last.RunID || now.Evictions != last.Evictions) {
				l.marksMayBeLost()
			}
			if s == rules.New {
				l.newAnswered(last == nil || now.RunID == last.RunID)
			}
			last = &now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// marksMayBeLost: while marks of ours stand, all is dirty.
func (l *Layer) marksMayBeLost() {
	n := l.marksStanding.Load()
	if n <= 0 {
		return
	}
	l.marksLost.Add(n)
	l.soilAll(rules.New)
	l.log.Warn("old has evicted or restarted while marks stood: all sessions count as dirty until a verification", "marks", n)
}

// Connections are what this agent has open to a store; ok is false for a store
// that has none, or has not said.
func (l *Layer) Connections(s rules.Side) (open, parked int, ok bool) {
	if p, is := l.side(s).Store.(backends.Pooled); is {
		open, parked = p.Connections()
		return open, parked, true
	}
	h, ok := l.Health(s)
	return h.Connections, h.Parked, ok
}

// Health is what a store last said of itself; ok is false before it has.
func (l *Layer) Health(s rules.Side) (h backends.Health, ok bool) {
	if p := l.health[s].Load(); p != nil {
		return *p, true
	}
	return h, false
}
