package migrate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"testing"
)

// agentSwitch serves whatever life of an agent is running.
type agentSwitch struct{ a *testAgent }

func (s *agentSwitch) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.a.api.ServeHTTP(w, r) }

// unclean makes a start file look as after a kill.
func unclean(t testing.TB, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m["clean"] = false
	if data, err = json.Marshal(m); err == nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestThereAndBack is a whole migration there and back, with clients that never
// stop.
func TestThereAndBack(t *testing.T) {
	r := newRig(t, 2)
	ctx := context.Background()
	for i := range 300 {
		r.put(r.old, ref(fmt.Sprintf("idle%d", i)).OldKey(), "idle")
	}
	r.ramp("mirror", 0) // makes the flag file
	tr := r.traffic(4)
	r.ramp("mirror", 50)
	r.at("mirror 50 %, off 50 %")
	r.ramp("mirror", 100)
	if rep := r.backfill(); rep.Copied < 300 {
		t.Errorf("backfill copied %d sessions, want the 300 idle ones at least", rep.Copied)
	}
	r.at("fenced 100 %")
	r.verify()
	r.ramp("read-new", 20)
	r.at("read-new 20 %, fenced 80 %")
	r.ramp("read-new", 100)
	if d := r.def(); d.Settled != 10_000 {
		t.Errorf("settled %d, want 10000", d.Settled)
	}
	r.ramp("cutover", 30)
	r.at("cutover 30 %, read-new 70 %")
	r.ramp("cutover", 100)
	r.at("cutover 100 %")
	if _, err := r.m.Rollback(ctx, "read-new", nil); err != nil {
		t.Fatal(err)
	}
	r.at("read-new 100 %")
	for i := range 300 {
		if got := r.get(r.old, ref(fmt.Sprintf("idle%d", i)).OldKey()); got != "idle" {
			t.Fatalf("after the rollback old holds %q for idle session %d", got, i)
		}
	}
	res, err := r.m.Rollback(ctx, "off", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.at("off 100 %")
	if want := []string{"unsettle read-new", "100 % of the sessions from read-new to fenced", "100 % of the sessions from fenced to mirror", "100 % of the sessions from mirror to off"}; !slices.Equal(res.Steps, want) {
		t.Errorf("steps down: %q, want %q", res.Steps, want)
	}
	tr.end()
}
