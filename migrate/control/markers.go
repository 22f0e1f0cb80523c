package control

import (
	"context"
	"time"
)

const (
	markersEach = 10 * time.Second
	// markersAgain is how long a look that listed old, and came to nothing, is not
	// repeated.
	markersAgain = 2 * time.Minute
)

// listMarkers makes the record of markers again where old has lost it, or an agent
// that was in it has gone.
func (s *Server) listMarkers(lead context.Context) {
	for {
		sleep(lead, markersEach)
		if lead.Err() != nil {
			return
		}
		if s.current() != nil {
			continue // a step does so at its end
		}
		if made, err := s.m.ListMarkers(lead); err != nil && lead.Err() == nil {
			s.log.Warn("readers of new go on looking for marks", "error", err)
			sleep(lead, markersAgain)
		} else if made {
			s.log.Info("the record of markers is made again")
		}
	}
}
