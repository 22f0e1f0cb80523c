package agentapi

import (
	"fmt"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
)

// Passthrough is the state of an agent that connects clients to old and looks
// at nothing they say. It takes clients, and acknowledges nothing.
const Passthrough State = "passthrough"

// NewPassthrough makes the handler of such an agent. start is this life's id, former
// are those before it. No later one says that it ended cleanly: what clients did in it the
// layer has not seen, so no verification from before counts after it.
func NewPassthrough(o Options, start string, former []string, connections func() int64) *Handler {
	h := &Handler{o: o, began: time.Now()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if h.State() == Stopping {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(string(Stopping) + "\n"))
			return
		}
		w.Write([]byte(string(Passthrough) + "\n"))
	})
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		cur, n := o.Flags.Current(), connections()
		s := Status{Agent: o.Name, Version: o.Version, Started: h.began, Uptime: time.Since(h.began).Seconds(), Now: time.Now(), State: Passthrough,
			Migration: cur.Migration(), Status: darklaunch.Status{Start: start, Former: former, Epoch: cur.Epoch(),
				// Older, too, so that a step which waits for nothing else still waits.
				Older:   n + 1,
				Waiting: []string{fmt.Sprintf("passthrough: %d connections go straight to old: start it without --passthrough", n)}}}
		if o.Digest != nil {
			s.Digest = o.Digest(cur.Bucketing())
		}
		fs := o.Flags.Status()
		s.FlagsContact = fs.LastContact
		if fs.LastError != nil {
			s.FlagsError = fs.LastError.Error()
		}
		answer(w, s)
	})
	if o.Take != nil {
		mux.HandleFunc("POST /v1/flags", h.take)
	}
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusConflict, "this agent is a passthrough and has no session layer: start it without --passthrough")
	})
	h.guard(mux)
	return h
}
