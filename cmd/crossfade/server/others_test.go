package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestOthers: flags are told to who may ask the API, and to nobody else.
func TestOthers(t *testing.T) {
	d := flags.Definition{Migration: "m", Epoch: 1, Default: position.Mirror}
	d.Weights[position.Mirror] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	newest := func() []byte { return data }
	const token = "a-token-of-nobody"
	for _, tt := range []struct {
		name, token, host, shown, origin string
		want                             int
	}{
		{"with the token", token, "ctl.example", token, "", 200},
		{"without", token, "127.0.0.1:9310", "", "", 401},
		{"with another", token, "127.0.0.1:9310", token + "2", "", 401},
		{"by address, where none is needed", "", "127.0.0.1:9310", "", "", 200},
		{"by a name", "", "rebound.example", "", "", 403},
		{"from another page", "", "127.0.0.1:9310", "", "https://elsewhere.example", 403},
	} {
		for _, path := range []string{"/flags.json", "/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/" + flags.Key} {
			t.Run(tt.name+path, func(t *testing.T) {
				method, body := "POST", `{"context":{"targetingKey":"c6baf1b464990c4738cc1003de32daad"}}`
				if path == "/flags.json" {
					method, body = "GET", ""
				}
				r := httptest.NewRequest(method, path, strings.NewReader(body))
				r.Host = tt.host
				if tt.shown != "" {
					r.Header.Set("Authorization", "Bearer "+tt.shown)
				}
				want := tt.want
				if tt.origin != "" {
					if r.Header.Set("Origin", tt.origin); method == "GET" {
						want = 200 // a browser does not let the page read it
					}
				}
				w := httptest.NewRecorder()
				others(newest, tt.token).ServeHTTP(w, r)
				if w.Code != want || strings.Contains(w.Body.String(), "mirror") != (want == 200) {
					t.Errorf("%d %s, want %d", w.Code, w.Body, want)
				}
			})
		}
	}
}
