package access

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	const token = "a-token-of-nobody"
	for _, tt := range []struct {
		name, token, path, host, auth string
		want                          int
	}{
		{"by address", "", "/v1/x", "127.0.0.1:9311", "", 200},
		{"by an IPv6 address", "", "/v1/x", "[::1]:9311", "", 200},
		{"by localhost", "", "/v1/x", "localhost:9311", "", 200},
		{"by a name that counts", "", "/v1/x", "socket.agent", "", 200},
		{"by a name", "", "/v1/x", "rebound.example:9311", "", 403},
		{"health by a name", "", "/healthz", "rebound.example", "", 200},
		{"with the token", token, "/v1/x", "ctl.example:9310", "Bearer " + token, 200},
		{"without", token, "/v1/x", "127.0.0.1:9310", "", 401},
		{"with another", token, "/v1/x", "127.0.0.1:9310", "Bearer " + token + "2", 401},
		{"with its beginning", token, "/v1/x", "127.0.0.1:9310", "Bearer " + token[:5], 401},
		{"with no scheme", token, "/v1/x", "127.0.0.1:9310", token, 401},
		{"health without", token, "/readyz", "ctl.example", "", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := false
			h := Guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }), Options{Token: tt.token, Setting: "some.setting", Hosts: []string{"socket.agent"}})
			r := httptest.NewRequest("GET", "http://x"+tt.path, nil)
			r.Host = tt.host
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want || asked != (tt.want == 200) {
				t.Errorf("%d, asked %v, want %d", w.Code, asked, tt.want)
			}
			if body := w.Body.String(); strings.Contains(body, token) || tt.want != 200 && !strings.Contains(body, "some.setting") {
				t.Errorf("it says %s", body)
			}
		})
	}
}
