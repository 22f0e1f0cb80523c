package consoletest

import (
	"fmt"
	"strings"
	"testing"
)

// fillOld puts sessions into old past the agents, so that there is something to
// copy.
func (s *site) fillOld(n int) {
	s.t.Helper()
	c, err := dial(s.old)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		if said, err := c.say(fmt.Sprintf("set memc.sess.key.idle%d 0 1800 8\r\nx|i:%03d;", i, i%1000)); err != nil || said != "STORED" {
			s.t.Fatalf("set: %q, %v", said, err)
		}
	}
}

// done waits for the end of what the dialog has begun, and closes it.
func (b *tab) done() {
	b.t.Helper()
	b.until("it to be done", `/^Done/.test(document.querySelector("#act .told").innerText) && document.querySelector("#act .main").innerText === "Close"`)
	b.click("#act .main")
	b.until("the dialog to be gone", `!document.querySelector("#act").open`)
}

// TestCopies: what copies, holds one session, and lets an agent go, each from the
// page, by real servers, over TLS.
func TestCopies(t *testing.T) {
	t.Parallel()
	s := newSite(t, true)
	s.fillOld(1500)
	ada := open(t, s.url(), look{}, signedOut)
	ada.signIn("ada", password)
	ada.until("all of it to come over HTTP/2", `(() => { const all = performance.getEntriesByType("resource").filter(e => e.responseEnd); return all.length > 20 && all.every(e => e.nextHopProtocol === "h2") })()`)
	if seen := eval[string](ada, "document.cookie"); seen != "" {
		t.Errorf("a script can read the cookie: %s", seen)
	}
	ada.until("both agents", `document.querySelector("#agents-sum").innerText.startsWith("2: 2 acknowledged")`)
	ada.do(`document.querySelectorAll("details").forEach(d => d.open = true)`)
	ada.ramp("mirror", "100")
	ada.done()

	// So slow that it is there to be looked at, however busy the machine is.
	ada.click(`[data-verb="backfill"]`)
	ada.fill("#act-rate", "20")
	ada.do(`document.querySelector("#act-rate").dispatchEvent(new Event("change"))`)
	ada.confirm("before read-new")
	ada.until("progress in the dialog", `(() => { const p = document.querySelector("#act .told progress"); return p && p.value > 0 && p.value < p.max })()`)
	ada.until("progress under Copies, with a rate and what is left", `/\d+ of 1,5\d\d, [\d.]+ %.* \/s.* left/.test(document.querySelector("#copies-body article").innerText)`)
	ada.says("#doing-body", "backfill asked for by ada")
	ada.click("#act .buttons button:last-child") // it goes on
	for _, w := range []struct{ verb, dry, then string }{
		{"job-hold", "stands still within a second, at ", "held since"},
		{"job-release", "the backfill goes on within a second", "running since"},
		{"job-cancel", "ends within a second", "not running"},
	} {
		ada.click(`#copies-body [data-verb="` + w.verb + `"]`)
		ada.says("#act .dry", w.dry)
		ada.says("#act .dry", "Taking it back")
		ada.confirm("the site is busy")
		ada.done()
		ada.says("#copies-body article", w.then)
	}
	ada.until("nothing under way", `!document.querySelector("#doing").checkVisibility()`)
	ada.click(`[data-verb="backfill"]`)
	ada.confirm("at night")
	ada.done()
	ada.until("what it came to", `/^ended[^]*1,5\d\d sessions: .* the same, .* copied.* 0 unresolved/m.test(document.querySelector("#copies-body article").innerText)`)
	ada.until("nothing under way", `!document.querySelector("#doing").checkVisibility()`)

	ada.click(`[data-verb="verify"]`)
	ada.confirm("before read-new")
	ada.done()
	ada.says("#copies-body", "The verification that counts ended")

	hash := strings.Repeat("5a", 16)
	ada.click(`[data-verb="pin"]`)
	ada.says("#act", "While one is below fenced no verification counts; while one is at read-new old cannot be declared down")
	ada.fill("#act-hash", hash)
	ada.do(`const p = document.querySelector("#act-position"); p.value = "read-new"; p.dispatchEvent(new Event("change"))`)
	ada.says("#act .dry", "from fenced to read-new")
	ada.confirm("look at one first")
	ada.done()
	ada.says("#pins", hash[:16])
	ada.says("#pins", "pinned at read-new")
	ada.says(`#track [data-position="read-new"]`, "0 %") // one session is no cohort
	ada.click(`#pins [data-verb="unpin"]`)
	ada.confirm("it is well")
	ada.done()
	ada.until("no pin", `document.querySelector("#pins").innerText === ""`)

	// An agent whose host is gone: it answers no more, and has not signed off.
	s.kill("web-2")
	ada.says(`[data-agent="web-2"]`, "no answer")
	ada.click(`[data-agent="web-2"] [data-verb="forget"]`)
	ada.says("#act .dry", "agent web-2 is taken off the roster")
	ada.until("the name to be asked for", `document.querySelector("#act-confirm").checkVisibility()`)
	ada.fill("#act-confirm", "sessions")
	ada.confirm("its host burnt down")
	ada.done()
	ada.until("one agent", `document.querySelector("#agents-sum").innerText.startsWith("1: 1 acknowledged, 0 with a problem") && !document.querySelector('[data-agent="web-2"]')`)
	ada.says("#copies-body", "No verification counts now")
	ada.says("#log-body", "its host burnt down")
	ada.says("#log-body", "backfill hold")
}

// TestWhatOthersSay: what an agent, or a person, says of itself is text to the
// page, whatever stands in it.
func TestWhatOthersSay(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 2)
	const evil = `<img src=x onerror="window.owned=1"><b>x</b>`
	s.set(func() {
		a := s.status["agents"].([]any)[0].(m)
		a["acknowledged"], a["why"], a["name"] = false, evil, evil
		st := a["status"].(m)
		st["version"], st["digest"], st["flags_error"], st["state"] = evil, evil, evil, evil
		s.status["why"], s.status["state"], s.status["pins"] = evil, evil, []any{m{"hash": evil, "position": evil}}
		s.status["goal"].(m)["who"], s.status["goal"].(m)["why"] = evil, evil
		delete(s.status["goal"].(m), "ended")
		s.status["doing"] = m{"phase": evil, "detail": evil, "waiting": []any{m{"name": evil, "why": evil}}}
		p := s.status["plan"].(m)
		p["name"], p["held"] = evil, m{"by": evil, "why": evil, "at": "2026-01-01T00:00:00Z"}
		p["gates"].([]any)[0].(m)["text"], p["steps"].([]any)[8].(m)["text"] = evil, evil
		s.log()
		for _, e := range s.audit {
			for _, k := range []string{"who", "why", "verb", "text", "outcome", "from"} {
				e.(m)[k] = evil
			}
			e.(m)["args"] = m{"name": evil, "stage": evil}
		}
		s.differ()
		for _, d := range s.diverg {
			for _, k := range []string{"hash", "class", "cause", "position"} {
				d.(m)[k] = evil
			}
			d.(m)["old"].(m)["sum"] = evil
		}
	})
	s.plan = func(string) any {
		return m{"state": evil, "text": evil, "refused": evil, "taking_it_back": []string{evil}, "revisions": []any{m{"epoch": 20, "text": evil, "needs": []string{evil}}}}
	}
	s.refusal = m{"Gate": evil, "Found": evil, "Do": evil}
	b := open(t, s.url, look{})
	b.says("#why", evil)
	b.says("#agents-body", evil)
	b.do(`document.querySelector("#divergences").scrollIntoView()`)
	b.says("#divergences-body", evil)
	b.says("#log-body", evil)
	b.says("#doing-body", evil)
	b.click("#ramp .main")
	b.says("#act .dry", evil)
	b.fill("#act-why", "because")
	b.click("#act .main")
	b.says("#act .told", evil)
	if n := eval[int](b, `document.querySelectorAll("img, main b b, [onerror]").length + (window.owned ? 1000 : 0)`); n != 0 {
		t.Errorf("%d pieces of it are markup", n)
	}
}

// TestNow: what is short of the status comes alone, and leaves the agents be.
func TestNow(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 2)
	s.set(func() { s.status["doing"] = m{"phase": "copy", "done": 1, "total": 10} })
	b := open(t, s.url, look{})
	b.says("#doing-body", "1 of 10")
	b.says("#agents-sum", "2:")
	b.says("#next", "ramp read-new 25 (step 9 of 15")
	s.short(func() {
		s.status["why"] = "soak: 3m left"
		delete(s.status, "doing")
		s.status["agents"] = []any{}
	})
	b.says("#why", "soak: 3m left")
	b.until("what is no more to go", `!document.querySelector("#doing").checkVisibility()`)
	if said := b.text("#agents-sum"); !strings.HasPrefix(said, "2:") {
		t.Errorf("the agents are %q, want those that were told before", said)
	}
	if said := b.text("#next"); !strings.Contains(said, "ramp read-new 25 (step 9 of 15") {
		t.Errorf("the next step is %q, want that of the plan that was told before", said)
	}
}

// kill ends a process as a crash does.
func (s *site) kill(name string) {
	s.t.Helper()
	if err := s.procs[name].Kill(); err != nil {
		s.t.Error(err)
	}
	delete(s.procs, name)
}
