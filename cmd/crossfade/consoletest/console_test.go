package consoletest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/migrate/access"
)

// Browsers log each 401 and 403, and each connection that is refused; the tests
// that mean to see them say so.
const (
	signedOut = "status of 401"
	forbidden = "status of 403"
	refused   = "ERR_CONNECTION_REFUSED"
	brokenOff = "ERR_INCOMPLETE_CHUNKED_ENCODING"
)

// TestConsole is what an engineer does with the page, on a site with traffic:
// every subtest goes on where the one before it left the migration.
func TestConsole(t *testing.T) {
	t.Parallel()
	s := newSite(t, false)
	s.traffic()
	ada := open(t, s.url(), look{}, signedOut, refused, brokenOff, "status of 503")

	step := func(name string, fn func(*testing.T)) {
		if !t.Failed() { // else it would only wait for what does not come
			t.Run(name, fn)
		}
	}
	step("sign in", func(t *testing.T) {
		ada.on(t)
		ada.until("the sign-in dialog", `document.querySelector("#sign-in").open && document.activeElement.id === "sign-in-name"`)
		if eval[bool](ada, `document.querySelector("#page").checkVisibility()`) {
			t.Error("the page is shown to nobody")
		}
		ada.fill("#sign-in-name", "ada")
		ada.fill("#sign-in-password", "wrong horse battery")
		ada.click("#sign-in .main")
		ada.until("a refusal", `document.querySelector("#sign-in-error").innerText !== ""`)
		ada.signIn("ada", password)
		ada.says("#me", "ada (admin)")
		ada.says("#agents-sum", "2: 2 acknowledged, 0 with a problem")
		ada.says("#track", "off")
	})

	step("a dry run behind each control", func(t *testing.T) {
		ada.on(t)
		ada.until("a server that leads", `document.querySelector('#acts [data-verb="hold"]').getAttribute("aria-disabled") === "false"`)
		ada.do(`document.querySelectorAll("details").forEach(d => d.open = true)`)
		for _, verb := range []string{"advance", "hold", "rollback", "backfill", "verify", "repair", "pin", "unpin", "declare-down", "recover", "complete", "forget"} {
			ada.click(fmt.Sprintf(`[data-verb=%q]`, verb))
			if strings.HasSuffix(verb, "pin") {
				ada.fill("#act-hash", strings.Repeat("5a", 16))
				ada.do(`document.querySelector("#act-hash").dispatchEvent(new Event("change"))`)
			}
			// Some are refused now; what the server does not understand is neither.
			ada.until(verb+": a dry run", `/^Dry run|^Refused by gate/.test(document.querySelector("#act .dry").innerText)`)
			ada.click("#act .buttons button:last-child")
		}
	})

	step("advance to mirror 1, ramp to 25, and the chart moves", func(t *testing.T) {
		ada.on(t)
		ada.says("#why", "somebody who says crossfade advance")
		ada.click(`#acts [data-verb="advance"]`)
		ada.says("#act .dry", "1 % of the sessions from off to mirror")
		ada.confirm("the first of the plan")
		ada.says("#act .told", "mirror 1 %, off 99 %")
		ada.click("#act .main")
		ada.ramp("mirror", "25")
		ada.says("#act .told", "mirror 25 %, off 75 %")
		ada.click("#act .main")
		ada.says(`#track [data-position="mirror"]`, "25 %")
		ada.until("the chart of requests to show mirror", `[...document.querySelectorAll("#figures figure:first-child li")].some(li => li.innerText.startsWith("mirror") && parseFloat(li.querySelector("b").innerText) > 0)`)
		// What is drawn, not what is written beside it: a line that is not at zero.
		ada.until("the line itself", `(() => { const c = document.querySelector("#figures canvas"), g = c.getContext("2d"); const want = getComputedStyle(document.documentElement).getPropertyValue("--mirror").trim().slice(1);
			const [r, gr, b] = [0, 2, 4].map(i => parseInt(want.slice(i, i + 2), 16)), d = g.getImageData(0, 0, c.width, c.height * 0.7).data; let n = 0;
			for (let i = 0; i < d.length; i += 4) if (Math.abs(d[i] - r) + Math.abs(d[i+1] - gr) + Math.abs(d[i+2] - b) < 12 && d[i+3] > 200) n++;
			return n > 3 })()`)
		ada.says("#log-body", "to see the chart move")
	})

	step("hold", func(t *testing.T) {
		ada.on(t)
		ada.click(`#acts [data-verb="hold"]`)
		ada.says("#act .dry", "Taking it back")
		ada.confirm("lunch")
		ada.says("#act .told", "Done")
		ada.click("#act .main")
		ada.says("#held", "held by ada")
		ada.says("#why", "lunch")
		ada.ramp("mirror", "30")
		ada.says("#act .told", "Refused by gate held")
		ada.cancel()
		ada.click(`#acts [data-verb="release"]`)
		ada.confirm("fed")
		ada.says("#act .told", "Done")
		ada.click("#act .main")
		ada.until("the hold to go", `document.querySelector("#held").hidden`)
	})

	step("a refused step and its reason", func(t *testing.T) {
		ada.on(t)
		ada.ramp("read-new", "5")
		ada.says("#act .told", "Refused by gate order")
		ada.says("#act .told", "mirror is at 25 %")
		ada.says("#act .told", "crossfade ramp mirror 100")
		ada.cancel()
		ada.says(`#track [data-position="read-new"]`, "0 %")
	})

	step("two operators at once", func(t *testing.T) {
		ada.on(t)
		grace := open(t, s.url(), look{}, signedOut)
		grace.signIn("grace", password)
		grace.says("#me", "grace (operator)")
		grace.setRamp("mirror", "50")
		grace.says("#act .dry", "25 % of the sessions from off to mirror")
		grace.fill("#act-why", "half of them")
		ada.ramp("mirror", "30")
		ada.says("#act .told", "mirror 30 %, off 70 %")
		ada.click("#act .main")
		grace.says("#act .notice.warn", "is in force now (ada)")
		grace.click("#act .main")
		grace.says("#act .told", "Refused by gate revision")
		if why := eval[string](grace, `document.querySelector("#act-why").value`); why != "half of them" {
			t.Errorf("what was typed is gone: %q", why)
		}
		grace.cancel()
		grace.says(`#track [data-position="mirror"]`, "30 %")
	})

	step("a viewer may not act", func(t *testing.T) {
		vic := open(t, s.url(), look{}, signedOut, forbidden)
		vic.signIn("vic", password)
		vic.says("#may", "needs the role operator: vic is viewer")
		vic.until("every control disabled", `[...document.querySelectorAll("main [data-verb], #ramp .main")].length > 10 && [...document.querySelectorAll("main [data-verb], #ramp .main")].every(b => b.getAttribute("aria-disabled") === "true")`)
		vic.until("a reason on each", `[...document.querySelectorAll("main [data-verb]")].every(b => b.title.includes("needs the role"))`)
		for _, control := range []string{`#acts [data-verb="rollback"]`, "#ramp .main"} {
			vic.click(control)
			vic.says("#act", "not now")
			vic.says("#act .whynot", "needs the role operator: vic is viewer.")
			if n := eval[int](vic, `document.querySelectorAll("#act form, #act input").length`); n != 0 {
				t.Errorf("%s is disabled, and offers a form", control)
			}
			vic.click("#act .main")
			vic.until("the dialog gone", `!document.querySelector("#act").open`)
		}
		// The page is no guard: the server is.
		vic.do(`fetch("v1/do", {method: "POST", body: JSON.stringify({verb: "rollback", args: {to: "off"}})}).then(r => window.answered = r.status)`)
		vic.until("the server to refuse", `window.answered === 403`)
	})

	step("an expired sign-in", func(t *testing.T) {
		ada.on(t)
		ada.click(`#acts [data-verb="rollback"]`)
		ada.says("#act .dry", "Taking it back")
		ada.fill("#act-why", "typed before it ran out")
		s.person("ada", access.Admin, "another horse battery")
		ada.until("the sign-in dialog", `document.querySelector("#sign-in").open`)
		if !eval[bool](ada, `document.querySelector("#page").checkVisibility()`) {
			t.Error("the page is gone")
		}
		ada.signIn("ada", "another horse battery")
		ada.says("#link", "live")
		if why := eval[string](ada, `document.querySelector("#act-why").value`); why != "typed before it ran out" {
			t.Errorf("what was typed is gone: %q", why)
		}
		ada.cancel()
	})

	step("the server restarted under an open page", func(t *testing.T) {
		ada.on(t)
		ada.fill("#agents-filter", "web-2")
		s.stop("ctl-1")
		ada.says("#notices", "Not connected since")
		ada.says("#stages .asof", "as of")
		ada.says(`#track [data-position="mirror"]`, "30 %") // still readable
		ada.until("nothing to press", `document.querySelector('#acts [data-verb="hold"]').getAttribute("aria-disabled") === "true"`)
		s.start("server", "ctl-1")
		ada.until("the sign-in dialog", `document.querySelector("#sign-in").open`) // a restart signs people out
		ada.signIn("ada", "another horse battery")
		ada.until("no notice", `document.querySelector("#notices").innerText === ""`)
		ada.says("#link", "live")
		ada.until("a server that leads", `document.querySelector('#acts [data-verb="rollback"]').getAttribute("aria-disabled") === "false"`)
		if filter := eval[string](ada, `document.querySelector("#agents-filter").value`); filter != "web-2" {
			t.Errorf("what was typed is gone: %q", filter)
		}
	})

	step("rollback", func(t *testing.T) {
		ada.on(t)
		ada.until("both agents back", `document.querySelector("#agents-sum").innerText.startsWith("2: 2 acknowledged, 0 with")`)
		ada.click(`#acts [data-verb="rollback"]`)
		ada.do(`(() => { const s = document.querySelector("#act-to"); s.value = "off"; s.dispatchEvent(new Event("change")) })()`)
		ada.says("#act .dry", "from mirror to off")
		ada.confirm("seen enough")
		ada.says("#act .told", "off 100 %")
		ada.click("#act .main")
		ada.says(`#track [data-position="off"]`, "100 %")
		ada.says("#log-body", "seen enough")
	})
}

// on lets the helpers of a tab fail the subtest that uses it.
func (b *tab) on(t *testing.T) {
	was := b.t
	b.t = t
	t.Cleanup(func() {
		if t.Failed() {
			b.dump()
		}
		b.t = was
	})
}

func (b *tab) signIn(name, password string) {
	b.t.Helper()
	b.until("the sign-in dialog", `document.querySelector("#sign-in").open`)
	b.fill("#sign-in-name", name)
	b.fill("#sign-in-password", password)
	b.click("#sign-in .main")
	b.until("the sign-in to be gone", `!document.querySelector("#sign-in").open`)
	b.says("#link", "live")
}

// setRamp sets the ramp and asks for the dry run.
func (b *tab) setRamp(stage, percent string) {
	b.t.Helper()
	b.do(fmt.Sprintf(`(() => { const s = document.querySelector("#ramp-stage"); s.value = %q; s.dispatchEvent(new Event("change")) })()`, stage))
	b.fill("#ramp-number", percent)
	b.until("the ramp to be allowed", `document.querySelector("#ramp .main").getAttribute("aria-disabled") === "false"`)
	b.click("#ramp .main")
	b.until("the dialog", `document.querySelector("#act").open`)
}

func (b *tab) ramp(stage, percent string) {
	b.t.Helper()
	b.setRamp(stage, percent)
	b.confirm("to see the chart move")
}

func (b *tab) confirm(why string) {
	b.t.Helper()
	b.until("the dry run", `/^Dry run, of|^Refused/.test(document.querySelector("#act .dry").innerText)`)
	b.fill("#act-why", why)
	b.click("#act .main")
}

func (b *tab) cancel() {
	b.t.Helper()
	b.until("the answer", `!document.querySelector("#act .main").disabled`)
	b.click("#act .buttons button:last-child")
	if strings.Contains(b.text("#act"), "Reason") {
		b.until("the dialog to be gone", `!document.querySelector("#act").open`)
	}
}
