package consoletest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// fits fails where the page is wider than the window: a small one would show it
// smaller then.
func (b *tab) fits(what string, width int) {
	b.t.Helper()
	if wide := eval[string](b, `(width => document.documentElement.scrollWidth > width ? [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest(".scroll")).slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join("; ") || "something" : "")(`+fmt.Sprint(width)+`)`); wide != "" {
		b.t.Errorf("%s: wider than the window: %s", what, wide)
	}
}

// TestHundredAgents: those with a problem come first, a filter finds one, and a
// row that changes does not take the focus away.
func TestHundredAgents(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 100)
	s.set(func() { s.broken(); s.series = busyHour() })
	began := time.Now()
	b := open(t, s.url, look{})
	b.says("#agents-sum", "100: 98 acknowledged, 4 with a problem")
	t.Logf("from the address to a hundred agents: %v", time.Since(began).Round(time.Millisecond))
	rows := `[...document.querySelectorAll("#agents-body tbody tr")]`
	if got := eval[string](b, rows+`.slice(0, 5).map(r => r.dataset.agent).join(" ")`); got != "web-04.fra1 web-07.fra1 web-09.fra1 web-10.fra1 web-01.fra1" {
		t.Errorf("first come %s", got)
	}
	b.says(`[data-agent="web-04.fra1"]`, "no answer")
	b.says(`[data-agent="web-07.fra1"]`, "another configuration")
	b.says(`[data-agent="web-09.fra1"]`, "new: breaker open")
	b.says(`[data-agent="web-10.fra1"]`, "1 revision behind")
	b.fits("100 agents", 1280)

	b.do(`document.querySelector('[data-agent="web-88.fra1"] button').focus()`)
	s.set(func() { s.status["agents"].([]any)[87].(m)["status"].(m)["dirty_new"] = 7 })
	b.says(`[data-agent="web-88.fra1"]`, "dirty")
	b.until("the focus to stay", `document.activeElement.closest("tr")?.dataset.agent === "web-88.fra1"`)

	b.fill("#agents-filter", "web-9")
	b.until("ten rows", rows+`.length === 10`) // 90 to 99
	b.fill("#agents-filter", "b771")
	b.until("the odd digest", rows+`.map(r => r.dataset.agent).join() === "web-07.fra1"`)
	b.do(`document.querySelector("#agents-filter").value = ""; document.querySelector("#agents-bad").click()`)
	b.until("the bad ones", rows+`.length === 5`)
}

// TestNobodyYet: a migration with no agent, an hour without a request, and names
// as long as they may be, at both widths and in both schemes.
func TestNobodyYet(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 0)
	long := strings.Repeat("very-long-agent-name.", 3) + "z"
	s.set(func() {
		s.differ()
		s.status["would_be_logouts"] = m{"estimate": 0, "lower": 0, "upper": 0, "followed": 0, "lost": 0, "unknown": 0, "rate": 64}
		s.status["migration"], s.status["why"] = strings.Repeat("m", 32), strings.Repeat("waits ", 60)
	})
	for _, l := range []look{{1280, 900, false}, {390, 844, true}} {
		b := open(t, s.url, l)
		b.says("#agents-sum", "none has connected yet")
		b.says("#logouts", "not known")
		b.says("#figures", "no requests")
		b.until("all charts", `document.querySelectorAll("#figures canvas").length === 8`)
		b.fits("nobody", int(l.width))
		s.set(func() { s.status["agents"] = []any{agent(long)}; s.log(); s.copying() })
		b.says("#agents-body", long)
		b.do(`document.querySelector("#divergences").scrollIntoView()`)
		b.says("#divergences-body", "missing_new")
		b.says("#doing", "742,118 of 1,842,000, 40.3 %")
		b.fits("long names", int(l.width))
		s.set(func() { s.status["agents"] = []any{} })
	}
}

// TestBetween: the positions between the stages are there while they last, and
// nested in what they came through.
func TestBetween(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 1)
	s.set(func() { s.status["weights"] = m{"cutover": 1000, "back": 500, "sealed": 500, "read-new": 8000} })
	b := open(t, s.url, look{})
	names := `[...document.querySelectorAll("#track li")].map(li => li.dataset.position).join(" ")`
	b.until("sealed and back", names+` === "off mirror read-new sealed back cutover"`)
	width := func(position string) float64 {
		return eval[float64](b, fmt.Sprintf(`(() => { const li = document.querySelector('#track [data-position="%s"]'); return Math.round(1000 * li.querySelector(".least").getBoundingClientRect().width / li.querySelector(".bar").getBoundingClientRect().width) / 10 })()`, position))
	}
	for position, want := range map[string]float64{"off": 100, "mirror": 100, "read-new": 100, "sealed": 20, "back": 15, "cutover": 10} {
		if got := width(position); got != want {
			t.Errorf("at least %s: the bar is %v %% wide, want %v", position, got, want)
		}
	}
	s.set(func() { s.status["weights"] = m{"cutover": 2000, "read-new": 8000} })
	b.until("them gone", names+` === "off mirror read-new cutover"`)
}

// TestKeyboard: a step is taken, and a dialog left, without a mouse; every
// control has a name.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 2)
	s.set(func() { s.me["role"] = "operator"; s.status["weights"] = m{"cutover": 1000, "read-new": 9000} })
	b := open(t, s.url, look{})
	b.says("#link", "live")
	b.until("the buttons", `document.querySelector('#acts [data-verb="hold"]').getAttribute("aria-disabled") === "false"`)
	key := func(keys string) { t.Helper(); b.run(chromedp.KeyEvent(keys)) }
	key(kb.Tab)
	b.until("the way past the head", `document.activeElement.className === "skip"`)
	for range 40 {
		if key(kb.Tab); eval[string](b, `document.activeElement.dataset.verb ?? ""`) == "rollback" {
			break
		}
	}
	key(kb.Enter)
	b.until("the dialog, with the focus in it", `document.querySelector("#act").open && document.activeElement.id === "act-to"`)
	// From cutover this is dangerous: without the name it is not even asked for.
	b.until("the name to be asked for", `document.querySelector("#act-confirm").checkVisibility()`)
	key(kb.Tab)
	key("because")
	key(kb.Enter)
	b.says("#act .told", "Type the migration's name")
	b.until("the focus where it is missing", `document.activeElement.id === "act-confirm"`)
	key(kb.Escape)
	b.until("the dialog gone and the focus back", `!document.querySelector("#act").open && document.activeElement.dataset.verb === "rollback"`)
	b.until("what needs an admin to say so", `[...document.querySelectorAll('[data-verb="forget"], [data-verb="complete"]')].every(b => b.title === "needs the role admin: ada is operator")`)

	if bare := eval[string](b, `[...document.querySelectorAll("button, input, select, [role=region], section, dialog, progress")].filter(e => !(e.labels?.length || e.ariaLabel || document.getElementById(e.getAttribute("aria-labelledby"))?.textContent || e.textContent.trim() || e.hidden || e.closest("[hidden]"))).map(e => e.outerHTML.slice(0, 100)).join("\n")`); bare != "" {
		t.Errorf("without a name: %s", bare)
	}
}
