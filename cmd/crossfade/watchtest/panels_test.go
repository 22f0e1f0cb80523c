package watchtest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/dashboard/grafana"
)

// busy is how much longer a busy machine may take for what the limits below are of.
const busy = 5

// expectation is one panel, or one series of it: what it shows while all is well,
// the fault that it is for, and what it shows then.
type expectation struct {
	page, panel string
	ref         string // of the query; empty: A
	only        string // labels; empty: the sum of all series
	healthy     func(v float64) bool
	fault       string
	moved       func(before, now float64) bool
}

func is(want float64) func(float64) bool {
	return func(v float64) bool { return v == want || math.Abs(v-want) < 1e-9 }
}

// below holds for values of healthy latency, ages and such.
func below(most float64) func(float64) bool { return func(v float64) bool { return v < most } }
func above(least float64) func(float64) bool {
	return func(v float64) bool { return v > least }
}

func to(want func(float64) bool) func(before, now float64) bool {
	return func(_, now float64) bool { return want(now) }
}

func grows(by float64) func(before, now float64) bool {
	return func(before, now float64) bool { return now > before+by }
}

func falls(below float64) func(before, now float64) bool {
	return func(before, now float64) bool { return now < before*below }
}

// queries of a panel, with what a reader would have chosen.
func queries(t testing.TB, page, panel, class, purpose string) map[string]string {
	t.Helper()
	d := grafana.Migration()
	if page == "agents" {
		d = grafana.Agents()
	}
	for _, p := range d.Panels {
		if p.Title != panel || p.Type == "row" {
			continue
		}
		out := map[string]string{}
		for _, q := range p.Targets {
			out[q.RefID] = strings.NewReplacer("$migration", "watch", "$agent", ".+", "$class", class, "$purpose", purpose,
				"$__rate_interval", window).Replace(q.Expr)
		}
		return out
	}
	t.Fatalf("dashboard %s has no panel %q", page, panel)
	return nil
}

// look evaluates what an expectation is about.
func (e *expectation) look(p *prometheus) (float64, string) {
	p.t.Helper()
	expr := queries(p.t, e.page, e.panel, "write", "request")[cmp.Or(e.ref, "A")]
	points := p.ask(expr)
	return total(points, strings.ReplaceAll(e.only, "=second", "="+p.second)), text(points)
}

// stays waits until all panels have shown that nothing is wrong three times in a
// row. A machine that stalls for half a second is a fault, too: then it begins
// again.
func stays(p *prometheus, limit time.Duration, all []expectation) {
	p.t.Helper()
	end := time.Now().Add(busy * limit)
	for calm := 0; calm < 3; calm++ {
		time.Sleep(scrape)
		for _, e := range all {
			v, said := e.look(p)
			if e.healthy(v) {
				continue
			}
			if time.Now().After(end) {
				p.t.Fatalf("all is well, and %s / %s %s %s shows %.4g: %s", e.page, e.panel, e.ref, e.only, v, said)
			}
			calm = -1
			break
		}
	}
}

// settles waits until all panels are where they are while nothing is wrong.
func settles(p *prometheus, limit time.Duration, all []expectation) {
	p.t.Helper()
	left := ""
	for end := time.Now().Add(busy * limit); ; time.Sleep(scrape / 2) {
		left = ""
		for _, e := range all {
			if v, said := e.look(p); !e.healthy(v) {
				left = fmt.Sprintf("%s / %s %s %s shows %.4g: %s", e.page, e.panel, e.ref, e.only, v, said)
				break
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(end) {
			p.t.Fatalf("after %v: %s", busy*limit, left)
		}
	}
}

// calm waits until no panel that is for a fault shows it, and gives what each
// shows then. On a busy machine one call is late now and then: what is seen at
// another moment does not count.
func calm(p *prometheus, of []expectation, fault string) (before []float64) {
	p.t.Helper()
	shown := ""
	for end := time.Now().Add(busy * 30 * time.Second); time.Now().Before(end); time.Sleep(scrape / 2) {
		before, shown = nil, ""
		for _, e := range of {
			v, _ := e.look(p)
			if before = append(before, v); e.moved(v, v) {
				shown = fmt.Sprintf("%s / %s %s %s shows %.4g", e.page, e.panel, e.ref, e.only, v)
			}
		}
		if shown == "" {
			return before
		}
	}
	p.t.Errorf("%s before the fault %q, as if there were one", shown, fault)
	return before
}

// proves makes a fault, waits until each panel that is for it has moved, and
// mends it.
func proves(p *prometheus, all []expectation, fault string, limit time.Duration, make, mend func()) {
	p.t.Helper()
	began := time.Now()
	waiting := slices.DeleteFunc(slices.Clone(all), func(e expectation) bool { return e.fault != fault })
	if len(waiting) == 0 {
		p.t.Fatalf("no panel is for the fault %q", fault)
	}
	before := calm(p, waiting, fault)
	n := len(waiting)
	make()
	said := map[int]string{}
	for end := time.Now().Add(busy * limit); len(waiting) > 0 && time.Now().Before(end); time.Sleep(scrape / 2) {
		for i := 0; i < len(waiting); i++ {
			v, series := waiting[i].look(p)
			if said[i] = fmt.Sprintf("%.4g, before %.4g: %s", v, before[i], series); waiting[i].moved(before[i], v) {
				waiting, before = append(waiting[:i:i], waiting[i+1:]...), append(before[:i:i], before[i+1:]...)
				i--
			}
		}
	}
	for i, e := range waiting {
		p.t.Errorf("fault %q: %s / %s %s %s has not moved: %s", fault, e.page, e.panel, e.ref, e.only, said[i])
	}
	mend()
	p.t.Logf("%s: %d of %d panels moved, %.1fs", fault, n-len(waiting), n, time.Since(began).Seconds())
}

// TestEveryPanel: each query of each panel of both dashboards has an expectation.
func TestEveryPanel(t *testing.T) {
	have := map[string]bool{}
	for _, e := range expectations {
		have[e.page+e.panel+cmp.Or(e.ref, "A")] = true
		queries(t, e.page, e.panel, "", "")
	}
	for page, d := range map[string]grafana.Dashboard{"migration": grafana.Migration(), "agents": grafana.Agents()} {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if !have[page+p.Title+q.RefID] {
					t.Errorf("%s / %s, query %s: nothing proves that it moves", page, p.Title, q.RefID)
				}
			}
		}
	}
}
