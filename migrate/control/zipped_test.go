package control

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestZipped: long answers in JSON are zipped for who can read that, and nothing
// else is; what comes out is the same.
func TestZipped(t *testing.T) {
	long := strings.Repeat("revision ", 2000)
	for _, tt := range []struct {
		what, method, accepts string
		answer                func(w http.ResponseWriter)
		zipped                bool
	}{
		{"a long answer", "GET", "br, gzip", func(w http.ResponseWriter) { answer(w, long) }, true},
		{"to who cannot read it", "GET", "", func(w http.ResponseWriter) { answer(w, long) }, false},
		{"a short one", "GET", "gzip", func(w http.ResponseWriter) { answer(w, "no") }, false},
		{"a failure", "GET", "gzip", func(w http.ResponseWriter) { fail(w, 503, long) }, false},
		{"a post", "POST", "gzip", func(w http.ResponseWriter) { answer(w, long) }, false},
		{"a stream", "GET", "gzip", func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			io.WriteString(w, long)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("a stream cannot be flushed: %v", err)
			}
		}, false},
	} {
		h := zipped(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
		ask := func(accepts string) *httptest.ResponseRecorder {
			r, w := httptest.NewRequest(tt.method, "/v1/series", nil), httptest.NewRecorder()
			r.Header.Set("Accept-Encoding", accepts)
			h.ServeHTTP(w, r)
			return w
		}
		w, plain := ask(tt.accepts), ask("").Body.String()
		got := w.Body.String()
		if is := w.Header().Get("Content-Encoding") == "gzip"; is != tt.zipped {
			t.Errorf("%s: zipped %v, want %v", tt.what, is, tt.zipped)
		} else if is {
			if len(got) > len(plain)/5 || w.Header().Get("Vary") == "" {
				t.Errorf("%s: %d bytes of %d, Vary %q", tt.what, len(got), len(plain), w.Header().Get("Vary"))
			}
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if got = string(b); err != nil {
				t.Errorf("%s: %v", tt.what, err)
			}
		}
		if got != plain {
			t.Errorf("%s: another answer than without: %.60q", tt.what, got)
		}
	}
}
