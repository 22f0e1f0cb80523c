// Package access decides who may ask the HTTP API of an agent or a server.
//
//	h = access.Guard(mux, access.Options{Token: token, Setting: "server.token_file"})
//
// Below /v1/ a request needs the bearer token; where there is none, it has to be
// asked by address, since the address is then all that protects. What is not
// below /v1/ (health, metrics) passes. No answer shows the token.
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Options of a guard.
type Options struct {
	// Token is asked for as a bearer token; empty: none is, and the API must
	// listen on loopback.
	Token string
	// Setting names the key of the configuration that sets the token, for whoever
	// is refused.
	Setting string
	// Hosts are names that count as addresses, beside localhost.
	Hosts []string
}

// Guard passes on to h what may be asked.
func Guard(h http.Handler, o Options) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			switch {
			case o.Token != "" && !o.shown(r):
				w.Header().Set("WWW-Authenticate", "Bearer")
				refuse(w, http.StatusUnauthorized, "a bearer token is needed: see "+o.Setting)
				return
			case o.Token == "" && !o.byAddress(r.Host):
				// A name that somebody made point here (DNS rebinding) is not an
				// address.
				refuse(w, http.StatusForbidden, "asked by a name: ask by address, or set "+o.Setting)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}

func (o *Options) shown(r *http.Request) bool {
	got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	// Of sums, so that not even the token's length can be measured.
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(o.Token))
	return ok && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func (o *Options) byAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || host == "localhost" || slices.Contains(o.Hosts, host)
}

func refuse(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(struct {
		Error string `json:"error"`
	}{text})
}
