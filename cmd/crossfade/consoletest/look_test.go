package consoletest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	s := newStandin(t, 12)
	s.set(func() {
		s.series = busyHour()
		s.log()
		s.copied()
		s.differ()
		s.broken()
		s.copying()
	})
	s.plan = func(string) any {
		return m{"state": "read-new 5 %, fenced 95 %", "revisions": []any{m{"epoch": 20, "text": "20 % of the sessions from fenced to read-new", "needs": []string{"every agent has acknowledged the last revision", "no copy is running", "nothing dirty in new, no mark in old"}},
			m{"epoch": 21, "text": "settle read-new", "needs": []string{"every agent has acknowledged the last revision"}}}, "taking_it_back": []string{"no copy: old decides every write and holds every session", "each revision waits for the locks that are out: at most 30s"}}
	}
	for _, l := range []look{{1280, 900, false}, {1280, 900, true}, {390, 844, false}, {390, 844, true}} {
		b := open(t, s.url, l)
		b.says("#link", "live")
		b.until("charts", `document.querySelectorAll(".uplot").length === 8`)
		b.do(`document.querySelector("#divergences").scrollIntoView()`)
		b.until("div", `document.querySelector("#divergences-body tbody").children.length`)
		b.until("log", `document.querySelector("#log-body tbody").children.length`)
		b.do(`scrollTo(0,0)`)
		name := map[bool]string{true: "dark", false: "light"}[l.dark] + map[bool]string{true: "-390", false: "-1280"}[l.width < 600]
		b.shot(filepath.Join(dir, name+".png"), "")
		for _, x := range []string{"#now", "#stages", "#plan", "#copies", "#agents", "#divergences", "#log"} {
			b.shot(filepath.Join(dir, name+x+".png"), x)
		}
		b.click("#ramp .main")
		b.says("#act", "What changes")
		b.shot(filepath.Join(dir, name+"-act.png"), "#act")
	}
}
