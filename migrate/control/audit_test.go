package control

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestLastOfAudit: ?last=N gives the newest, and the whole log is verified.
func TestLastOfAudit(t *testing.T) {
	r := newRig(t, 1, "web-1")
	r.ready(r.agents["web-1"])
	r.ramp("mirror", 1)
	get := func(query string) (a Audit, code int) {
		t.Helper()
		p, err := http.Get(r.servers[0].http.URL + "/v1/audit" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Body.Close()
		if err := json.NewDecoder(p.Body).Decode(&a); err != nil && p.StatusCode == 200 {
			t.Fatal(err)
		}
		return a, p.StatusCode
	}
	all, _ := get("")
	n := len(all.Entries)
	two, _ := get("?last=2")
	if n < 3 || len(two.Entries) != 2 || two.Entries[1].N != all.Entries[n-1].N || two.Checked.Entries < n {
		t.Errorf("of %d entries the last two: %+v, %+v", n, two.Entries, two.Checked)
	}
	if more, _ := get("?last=100000"); len(more.Entries) < n {
		t.Errorf("more than there are: %d of %d", len(more.Entries), n)
	}
	for _, bad := range []string{"0", "-1", "x"} {
		if _, code := get("?last=" + bad); code != http.StatusBadRequest {
			t.Errorf("last=%s: %d, want 400", bad, code)
		}
	}
}
