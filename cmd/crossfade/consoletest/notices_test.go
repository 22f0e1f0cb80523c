package consoletest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestNobodySignsIn: on loopback without people everything is allowed, and a name
// is asked for, for the log.
func TestNobodySignsIn(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	s.plan, s.refusal = readNew, m{"Gate": "held", "Found": "held by ada", "Do": "wait"}
	s.me["name"], s.me["signed_in"], s.me["sign_in"] = "", false, false
	b := open(t, s.url, look{})
	b.says("#me", "nobody signed in (admin)")
	b.click("#ramp .main")
	b.says("#act .dry", "of revision 19")
	b.fill("#act-why", "soaked")
	b.click("#act .main")
	b.says("#act .told", "Your name")
	b.fill("#act-who", "lin")
	b.click("#act .main")
	b.says("#act .told", "Refused by gate held")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked["who"] != "lin" || s.asked["why"] != "soaked" || s.asked["revision"] != 19. || s.asked["verb"] != "ramp" {
		t.Errorf("asked for %v", s.asked)
	}
}

// TestNotices: what keeps the page from being true, or from acting, stands above
// everything.
func TestNotices(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	s.me["version"] = "v2"
	s.status["leads"], s.status["declared_down"] = false, "old"
	b := open(t, s.url, look{})
	b.says("#notices", "The server is of version v2 now, this page of v1: reload it.")
	b.says("#notices", "Server ctl-1 does not lead")
	b.says("#notices", "Declared down: old.")
	b.says("#may", "this server does not lead")
	s.set(func() { s.status["leads"] = true; delete(s.status, "declared_down") })
	b.until("the others gone", `document.querySelectorAll("#notices .notice").length === 1 && document.querySelector("#may").hidden`)
}

// TestInClear: whoever is about to type a password where others may read it is
// told; by TLS, and on this machine, nobody can.
func TestInClear(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	s.me["role"], s.me["name"], s.me["signed_in"] = "", "", false
	b := open(t, s.url, look{})
	b.until("the sign-in dialog", `document.querySelector("#sign-in").open`)
	b.until("no word of it", `document.querySelector("#sign-in-clear").hidden`)
	b.inject(`Object.defineProperty(window, "isSecureContext", { value: false })`) // as at another host's address
	b.run(chromedp.Reload())
	b.says("#sign-in", "This connection is not encrypted")
}

// TestRefused: without people the address protects, since a name can be made to
// point anywhere; who asked by one is told.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	s.refuses = "asked by a name: ask by address"
	b := open(t, s.url, look{}, "status of 403")
	b.says("#notices", "The server refuses this page: asked by a name: ask by address.")
}

// TestComesBack: a browser's stream does not connect again by itself once it was
// answered with an error, as while a server starts; the page does.
func TestComesBack(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	b := open(t, s.url, look{}, "status of 503", "ERR_")
	b.says("#link", "live")
	b.do(`const fetched = fetch; window.fetch = (...a) => { if (String(a[0]).endsWith("v1/me")) window.tried = (window.tried || 0) + 1; return fetched(...a) }`)
	s.set(func() { s.starting = true })
	b.says("#notices", "Not connected since")
	b.until("two tries", `window.tried >= 2`)
	s.set(func() { s.starting = false; s.status["epoch"] = 20 })
	b.says("#revision", "revision 20")
	b.until("no notice", `document.querySelector("#notices").innerText === ""`)
}

// TestShownFirst: nothing is asked for before its dry run was shown, also where
// what was shown is of other arguments.
func TestShownFirst(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	answer := make(chan bool)
	s.refusal, s.plan = m{"Gate": "busy", "Found": "x", "Do": "y"}, func(string) any { <-answer; return readNew("") }
	b := open(t, s.url, look{})
	b.says("#link", "live")
	confirm := func() string {
		t.Helper()
		b.click("#act .main")
		b.until("an answer", `document.querySelector("#act .told").innerText !== ""`)
		return b.text("#act .told")
	}
	b.click(`#acts [data-verb="rollback"]`)
	b.fill("#act-why", "because")
	if said := confirm(); !strings.Contains(said, "not shown yet") {
		t.Errorf("before the dry run: %s", said)
	}
	answer <- true
	b.says("#act .dry", "of revision 19")
	b.do(`const to = document.querySelector("#act-to"); to.value = "off"; to.dispatchEvent(new Event("change"))`)
	if said := confirm(); !strings.Contains(said, "not shown yet") {
		t.Errorf("with the dry run of other arguments: %s", said)
	}
	b.do(`window.was = document.querySelector("#act .dry").firstChild`)
	answer <- true
	b.until("the new dry run", `document.querySelector("#act .dry").firstChild !== window.was`)
	b.click("#act .main")
	b.says("#act .told", "gate busy")
	s.mu.Lock()
	defer s.mu.Unlock()
	if args, _ := s.asked["args"].(map[string]any); args["to"] != "off" {
		t.Errorf("asked for %v", s.asked)
	}
}
