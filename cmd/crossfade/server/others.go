package server

import (
	"net/http"

	"github.com/seed-41165957/crossfade/dashboard/ofrep"
	"github.com/seed-41165957/crossfade/migrate/access"
)

// others answers programs that want to know a session's position: whoever may
// ask the API may ask it, too.
func others(newest func() []byte, token string) http.Handler {
	const below = "/v1" // what access.Guard guards
	told := http.NewCrossOriginProtection().Handler(ofrep.New(newest, ofrep.Options{}))
	h := access.Guard(http.StripPrefix(below, told), access.Options{Token: token, Setting: "server.token_file"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, u := *r, *r.URL
		if u.Path = below + u.Path; u.RawPath != "" {
			u.RawPath = below + u.RawPath
		}
		q.URL = &u
		h.ServeHTTP(w, &q)
	})
}
