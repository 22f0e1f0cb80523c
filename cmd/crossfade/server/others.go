package server

import (
	"net/http"

	"github.com/seed-41165957/crossfade/dashboard/ofrep"
	"github.com/seed-41165957/crossfade/migrate/access"
)

// others answers programs that want to know a session's position: whoever may
// look at the migration may ask.
func others(guard func(access.Role, http.Handler) http.Handler, newest func() []byte) http.Handler {
	return guard(access.Viewer, ofrep.New(newest, ofrep.Options{}))
}
