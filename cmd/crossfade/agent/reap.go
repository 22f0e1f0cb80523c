package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/seed-41165957/crossfade/backends/hybrid"
)

// reaping walks old's expired rows now and then, where that is asked for. Of a
// fleet one agent does it at a time.
func (a *agent) reaping(ctx context.Context) {
	h := a.c.Old.Hybrid
	st, ok := a.parts.Old.Store.(*hybrid.Store)
	if !ok || h == nil || h.Reap.Every == 0 {
		return
	}
	every := h.Reap.Every.Std()
	for {
		// Not all agents at one moment.
		select {
		case <-time.After(every/2 + rand.N(every)):
		case <-ctx.Done():
			return
		}
		r, err := st.Reap(ctx, hybrid.Reap{Batch: h.Reap.Batch, Pause: h.Reap.Pause.Std(), Limit: every})
		switch {
		case errors.Is(err, hybrid.ErrReaping):
		case err != nil:
			a.o.Log.Warn("expired rows were not all walked", "component", "reaper", "error", err, "revived", r.Revived, "dropped", r.Dropped)
		default:
			a.o.Log.Info("walked the expired rows", "component", "reaper", "ended", r.Ended, "revived", r.Revived, "dropped", r.Dropped, "left", r.Left)
		}
	}
}
