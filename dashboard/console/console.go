// Package console is the page on which people watch a migration and move it:
// files, and nothing else. What the page shows and does it asks of the server's
// HTTP API below /v1/, on the same origin; so rights, gates and the log are the
// API's, and the page may be open while the server behind it is another one.
//
//	page := console.New(console.Options{Migration: "sessions", Version: version})
//	mux.Handle("GET /{$}", page)
//	mux.Handle("GET /assets/", page)
//
// It promises that the page loads from nowhere but this origin and runs no
// script that is not a file of this package (Content-Security-Policy, with
// Trusted Types), that nobody can frame it, and that a file that has changed is
// never taken from a cache. There is no build step: what is embedded is what is
// in assets/.
package console

import (
	"net/http"
	"os"
)

// Options of New. Migration is its name, as people type it; it stands on the page
// before anybody has signed in.
type Options struct {
	Migration string
	Version   string // of the server: a page of another one says that it is old
	// Dir, where set, is a folder to read the assets from with each request, in
	// place of those that are embedded: for who works on them.
	Dir string
}

// New makes the handler of / and of /assets/; anything else is 404. It is safe
// for concurrent use. It panics when the embedded files are damaged: that is
// found at the first start of such a binary.
func New(o Options) http.Handler {
	if o.Dir != "" {
		return secured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := build(o, os.DirFS(o.Dir))
			if err != nil {
				http.Error(w, "the console's files cannot be read: "+err.Error(), http.StatusInternalServerError)
				return
			}
			p.immutable = false
			p.ServeHTTP(w, r)
		}))
	}
	p, err := build(o, embedded())
	if err != nil {
		panic("console: " + err.Error())
	}
	return secured(p)
}
