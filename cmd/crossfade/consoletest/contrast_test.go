package consoletest

import (
	"strings"
	"testing"
)

// faint lists what stands on the screen with less contrast than WCAG AA wants
// (1.4.3), by the colours that the browser has computed: each text, and each
// placeholder, on the background that is nearest behind it.
const faint = `(() => {
  const rgb = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m[3] ?? 1 } };
  const light = (c) => c.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((l, v, i) => l + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => { for (; e; e = e.parentElement) { const b = rgb(getComputedStyle(e).backgroundColor); if (b.a === 1) return b.c } return [255, 255, 255] };
  const found = new Set();
  let seen = 0;
  const look = (e, style, text) => {
    seen++;
    const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
    const [a, b] = [light(rgb(style.color).c), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) * (style.opacity < 1 ? 0 : 1);
    if (ratio < (large ? 3 : 4.5)) found.add(ratio.toFixed(2) + " " + style.color + " on " + behind(e) + ": " + e.tagName + "." + e.className + " " + text.trim().slice(0, 40));
  };
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t; (t = walk.nextNode());) if (t.data.trim() && t.parentElement.checkVisibility() && !t.parentElement.closest(".hide, .skip, option, script")) look(t.parentElement, getComputedStyle(t.parentElement), t.data);
  for (const i of document.querySelectorAll("input[placeholder]")) look(i, getComputedStyle(i, "::placeholder"), i.placeholder);
  for (const s of document.querySelectorAll("select, input")) look(s, getComputedStyle(s), s.id);
  return seen < 200 ? "only " + seen + " texts were seen" : [...found].join("\n");
})()`

// TestContrastOnTheScreen: what is written can be read, light and dark, on the
// page of a bad day, with its dialogs.
func TestContrastOnTheScreen(t *testing.T) {
	t.Parallel()
	s := newStandin(t, 12)
	s.plan = func(string) any {
		return m{"state": "x", "text": "y", "refused": "a gate is shut", "taking_it_back": []string{"z"}, "revisions": []any{m{"epoch": 20, "text": "a", "needs": []string{"b"}}}}
	}
	s.refusal = m{"Gate": "verified", "Found": "no verification counts", "Do": "crossfade verify"}
	s.set(func() {
		s.broken()
		s.log()
		s.copying()
		s.differ()
		s.status["declared_down"] = "old"
		s.status["would_be_logouts"].(m)["lower"] = 12
		p := s.status["plan"].(m)
		p["held"] = m{"by": "plan", "gate": "p99", "why": "new 9ms", "at": "2026-01-01T00:00:00Z"}
		p["gates"].([]any)[2].(m)["state"] = "fail"
		s.status["pins"] = []any{m{"hash": strings.Repeat("5a", 16), "position": "fenced"}}
		s.status["weights"] = m{"cutover": 500, "read-new": 9500}
	})
	for _, dark := range []bool{false, true} {
		b := open(t, s.url, look{1280, 900, dark})
		b.says("#agents-sum", "4 with a problem")
		b.do(`document.querySelectorAll("details").forEach(d => d.open = true); document.querySelector("#divergences").scrollIntoView()`)
		b.says("#divergences-body", "missing_new")
		b.says("#log-body", "sign-in")
		check := func(when string) {
			t.Helper()
			if bad := eval[string](b, faint); bad != "" {
				t.Errorf("%s, dark %v:\n%s", when, dark, bad)
			}
		}
		check("the page")
		b.do(`document.querySelector("#ramp-stage").value = "cutover"`)
		b.click("#ramp .main")
		b.says("#act .dry", "Taking it back")
		b.fill("#act-why", "because")
		b.fill("#act-confirm", "sessions")
		b.click("#act .main")
		b.says("#act .told", "Refused by gate verified")
		check("the dialog")
	}
}
