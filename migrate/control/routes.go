package control

import (
	"net/http"
	"strings"

	"github.com/seed-41165957/crossfade/migrate/access"
	"github.com/seed-41165957/crossfade/migrate/tunnel"
)

// route is one thing that may be asked, and by whom: docs/api.md has them all. A
// route without a role is refused to everybody.
type route struct {
	pattern string
	role    access.Role
	answer  http.HandlerFunc
}

// table is what this server answers, and nothing else. Where the role depends on
// what is in the request (POST /v1/do), the least of them stands here.
func (s *Server) table() []route {
	return []route{
		{"GET /healthz", access.Anybody, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) }},
		{"GET /readyz", access.Anybody, s.ready},

		{"GET /v1/me", access.Anybody, s.me},
		{"POST /v1/sign-in", access.Anybody, s.signIn},
		{"POST /v1/sign-out", access.Anybody, s.signOut},

		{"POST " + tunnel.Path, access.Fleet, s.connect},
		{"POST /v1/agents/sign-off", access.Fleet, s.signOff},

		{"GET /v1/status", access.Viewer, s.status},
		{"GET /v1/events", access.Viewer, s.events},
		{"GET /v1/series", access.Viewer, s.seriesNow},
		{"GET /v1/agents", access.Viewer, s.agents},
		{"GET /v1/flags", access.Viewer, s.flags},
		{"GET /v1/planned", access.Viewer, s.plannedView},
		{"GET /v1/divergences", access.Viewer, s.divergences},
		{"GET /v1/bypass", access.Viewer, s.bypass},
		{"GET /v1/complete", access.Viewer, s.complete},
		{"GET /v1/audit", access.Viewer, s.audit},
		{"GET /v1/jobs/{name}", access.Viewer, s.jobState},
		{"POST /v1/explain", access.Viewer, s.explain},
		{"POST /v1/plan", access.Viewer, s.planned},

		{"POST /v1/do", access.Operator, s.doing},
		{"POST /v1/hold", access.Operator, s.holding},
		{"POST /v1/release", access.Operator, s.releasing},
		{"POST /v1/auto", access.Operator, s.automatic},
		{"POST /v1/jobs/{name}", access.Operator, s.wish},
	}
}

// verbRoles are who may ask for each verb of POST /v1/do.
var verbRoles = map[string]access.Role{
	"ramp": access.Operator, "rollback": access.Operator, "advance": access.Operator,
	"backfill": access.Operator, "verify": access.Operator, "repair": access.Operator, "repair-undo": access.Operator,
	"pin": access.Operator, "unpin": access.Operator, "observe": access.Operator,
	"forget": access.Admin, "declare-down": access.Admin, "recover": access.Admin, "complete": access.Admin,
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	roles := map[string]access.Role{}
	for _, r := range s.table() {
		mux.HandleFunc(r.pattern, r.answer)
		roles[r.pattern] = r.role
	}
	return s.desk.Guard(zipped(mux), func(r *http.Request) access.Role {
		_, pattern := mux.Handler(r)
		switch {
		case pattern != "":
			return roles[pattern]
		case strings.HasPrefix(r.URL.Path, "/v1/"):
			return access.Viewer // what there is not is told to who may look
		}
		return access.Anybody
	})
}

// Guard passes on to h what somebody with that role asks, as below /v1/: for what
// is served beside this server's own API.
func (s *Server) Guard(role access.Role, h http.Handler) http.Handler {
	return s.desk.Guard(h, func(*http.Request) access.Role { return role })
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
