package agent

import (
	"context"
	"encoding/json"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// watchNotes makes what follows the epoch in both stores: with the flag file and
// the server gone, the agent still goes on with its fleet, or learns that it is
// behind.
func watchNotes(c *config.Config, p *parts.Parts) *epochs.Watcher {
	o := epochs.WatcherOptions{Kept: p.Flags, Migration: c.Migration, Name: c.Agent.Name, Former: darklaunch.FormerLives(c.Agent.StateDir)}
	o.Old, _ = backends.NotesOf(p.Old.Store, c.Migration)
	o.New, _ = backends.NotesOf(p.New.Store, c.Migration)
	return epochs.NewWatcher(o)
}

// sayStopped logs, once, that the fleet has gone on without this agent. It stays
// up, so that its clients are told an error and not to look elsewhere, and so
// that its status can be asked for.
func (a *agent) sayStopped(ctx context.Context) {
	select {
	case <-a.parts.Flags.Halted():
		a.o.Log.Error("stopped serving: start this agent anew", "component", "flags", "cause", a.parts.Flags.Stopped())
	case <-ctx.Done():
	}
}

// speak lets the agent tell in the stores what it would answer if it were asked.
func (a *agent) speak(api *agentapi.Handler) {
	a.notes.Speak(epochs.Voice{Start: a.layer.Status().Start, Asked: api.Asked,
		Status: func() ([]byte, error) { return json.Marshal(api.Status()) }})
}
