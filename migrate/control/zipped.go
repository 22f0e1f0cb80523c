package control

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// zipLeast is the smallest answer that is zipped, in bytes: below it nothing is
// won that a packet would show.
const zipLeast = 4 << 10

// zipped zips the long answers of h for who can read that: an hour of points, the
// log, a hundred agents, to a page at the other end of a slow line. Streams go as
// they are: each would need a compressor of its own. No answer holds a secret
// beside what somebody else may have written, which its length could give away.
func zipped(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.ServeHTTP(w, r)
			return
		}
		z := &zipWriter{ResponseWriter: w}
		defer z.close()
		h.ServeHTTP(z, r)
	})
}

// zipWriter decides at the first bytes of the body, which are all of it where it
// is JSON.
type zipWriter struct {
	http.ResponseWriter
	begun bool
	gz    *gzip.Writer // nil: it goes as it is
}

// Unwrap is for http.ResponseController.
func (z *zipWriter) Unwrap() http.ResponseWriter { return z.ResponseWriter }

func (z *zipWriter) WriteHeader(code int) {
	z.begun = true // an error: short
	z.ResponseWriter.WriteHeader(code)
}

func (z *zipWriter) Write(p []byte) (int, error) {
	if !z.begun {
		z.begun = true
		if h := z.Header(); len(p) >= zipLeast && h.Get("Content-Type") == "application/json" {
			h.Set("Content-Encoding", "gzip")
			h.Add("Vary", "Accept-Encoding")
			z.gz, _ = gzip.NewWriterLevel(z.ResponseWriter, gzip.BestSpeed)
		}
	}
	if z.gz != nil {
		return z.gz.Write(p)
	}
	return z.ResponseWriter.Write(p)
}

func (z *zipWriter) close() {
	if z.gz != nil {
		z.gz.Close() // who asked may be gone
	}
}
