package server

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate/access"
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
	const token, own = "a-token-of-nobody", "a-token-of-ada's"
	file := filepath.Join(t.TempDir(), "people.yaml")
	if err := access.EditRoll(file, func(r *access.Roll) error {
		r.People = append(r.People, access.Person{Name: "ada", Role: access.Viewer,
			Tokens: []access.Token{{Name: "one", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(own))), Made: time.Now()}}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	people, err := access.OpenPeople(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, token, host, shown, origin string
		people                           *access.People
		want                             int
	}{
		{"with the token", token, "ctl.example", token, "", nil, 200},
		{"without", token, "127.0.0.1:9310", "", "", nil, 401},
		{"with another", token, "127.0.0.1:9310", token + "2", "", nil, 401},
		{"by address, where none is needed", "", "127.0.0.1:9310", "", "", nil, 200},
		{"by a name", "", "rebound.example", "", "", nil, 403},
		{"from another page", "", "127.0.0.1:9310", "", "https://elsewhere.example", nil, 403},
		{"where people sign in, nobody", "", "127.0.0.1:9310", "", "", people, 401},
		{"where people sign in, a viewer's token", token, "ctl.example", own, "", people, 200},
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
				desk := access.NewDesk(access.DeskOptions{Token: tt.token, Setting: "server.token_file", People: tt.people})
				others(func(role access.Role, h http.Handler) http.Handler {
					return desk.Guard(h, func(*http.Request) access.Role { return role })
				}, newest).ServeHTTP(w, r)
				if w.Code != want || strings.Contains(w.Body.String(), "mirror") != (want == 200) {
					t.Errorf("%d %s, want %d", w.Code, w.Body, want)
				}
			})
		}
	}
}
