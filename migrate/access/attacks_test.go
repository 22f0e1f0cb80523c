package access

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestStillByToken: who is answered at length by a token of their own is so for
// as long as the file has that token, and not only them.
func TestStillByToken(t *testing.T) {
	o := newOffice(t)
	var who Who
	if code, text, w := o.asks(Viewer, bearer(o.tok)); code != 200 {
		t.Fatalf("got %d %s", code, text)
	} else if who = w; !o.desk.Still(who, Viewer) {
		t.Fatal("a token that stands ends at once")
	}
	o.write("people:\n  - {name: bob, role: admin, password: '" + o.ada + "'}\n")
	o.pass(lookEvery)
	if o.desk.Still(who, Viewer) {
		t.Error("bob's token is revoked, and what it opened goes on")
	}
}

// TestPageOfElsewhere: a browser that another site's page makes ask is answered
// nothing, also where nothing has to be shown and nothing is written.
func TestPageOfElsewhere(t *testing.T) {
	open := NewDesk(DeskOptions{Setting: "server.token_file"})
	for site, want := range map[string]int{"": 200, "none": 200, "same-origin": 200, "same-site": 403, "cross-site": 403} {
		o := &office{t: t, desk: open}
		code, text, _ := o.asks(Viewer, func(r *http.Request) {
			r.Host = "127.0.0.1:9310"
			if site != "" {
				r.Header.Set("Sec-Fetch-Site", site)
			}
		})
		if code != want {
			t.Errorf("Sec-Fetch-Site %q: %d %s, want %d", site, code, text, want)
		}
	}
}

// TestPeopleInPlaceOf: a file that was put in the place of another is read, though
// it is as long and has the same time; a pipe holds nobody up.
func TestPeopleInPlaceOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.yaml")
	made := time.Unix(1_700_000_000, 0)
	put := func(text string) {
		t.Helper()
		writeRoll(t, path+".put", text, 0o600)
		if err := os.Chtimes(path+".put", made, made); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".put", path); err != nil {
			t.Fatal(err)
		}
	}
	put("people:\n  - {name: ada, role: viewer}\n")
	p, err := OpenPeople(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := made
	p.clock = func() time.Time { return now }
	put("people:\n  - {name: eve, role: viewer}\n")
	now = now.Add(lookEvery)
	if x := p.now(); x.people["ada"] != nil || x.people["eve"] == nil {
		t.Error("ada was taken off, and is still there")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(lookEvery)
	read := make(chan *index, 1)
	go func() { read <- p.now() }()
	select {
	case x := <-read:
		if x.people["eve"] == nil {
			t.Error("a pipe counts as a file without people")
		}
	case <-time.After(20 * time.Second):
		t.Error("everybody waits for somebody to write into a pipe")
	}
}
