package agent

import "github.com/seed-41165957/crossfade/cmd/crossfade/config"

// syntheticOff is why this agent makes no synthetic sessions; empty: it does. They
// are written to old as clients' sessions are, so old must be the layer's to write.
func syntheticOff(c *config.Config) string {
	o := c.Old
	switch {
	case o.Files != nil:
		// A file lives as long as all others, however short a life is asked for: one
		// that a killed agent left would stand there for PHP to count and to keep.
		return "old is session files, where nothing lives shorter than the rest"
	case o.Hybrid != nil && o.Hybrid.MySQL.Writes == "app", o.MySQL != nil && o.MySQL.Writes == "app":
		// The application writes rows and deletes cached ones itself: what is in the
		// one and not in the other means something to it.
		return "old is the application's to write (writes: app)"
	}
	return ""
}
