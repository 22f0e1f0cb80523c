package consoletest

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"github.com/seed-41165957/crossfade/migrate/certs"
	"github.com/seed-41165957/crossfade/migrate/certs/certstest"
)

// What the page may cost until it can be used: until where the migration is, and
// each control, is on the screen. Times are of the machine, and are told by the
// test; these are of the page, and the same on each.
const (
	requestsMost = 32     // the page, its modules and styles, who asks, the stream
	bytesMost    = 64_000 // of files, zipped; a hundred agents come with the stream
	nodesMost    = 700    // elements: a hundred agents in a table are 4,000, and come after it
)

// TestUsable: with a hundred agents and an hour of points the page asks for little
// until it can be used, and for the rest after that; over a slow line too.
func TestUsable(t *testing.T) {
	t.Parallel()
	cert, key := certstest.NewCA(t).Sign(t, t.TempDir(), "127.0.0.1")
	c, err := certs.Server(certs.Files{CertFile: cert, KeyFile: key}, nil, "h2") // as a server does
	if err != nil {
		t.Fatal(err)
	}
	s := standinOver(t, 100, c)
	s.set(func() { s.broken(); s.series = busyHour(); s.log() })
	b := open(t, s.url, look{})
	b.until("the page, once: the browser is warm", `performance.getEntriesByName("usable").length`)
	set(b, performance.Enable, performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks})
	// Counted at that very moment: a look from here comes later.
	b.inject(`const mark = performance.mark; performance.mark = function (...a) { window.nodesThen = document.querySelectorAll("*").length; return mark.apply(performance, a) }`)
	set(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	for _, line := range []struct {
		what string
		conditions
	}{
		{"on this machine", conditions{Down: -1, Up: -1}},
		{"over 10 Mbit/s with 50 ms", conditions{Latency: 50, Down: 1_250_000, Up: 1_250_000}},
	} {
		set(b, emulate, line.conditions)
		b.run(chromedp.Navigate("about:blank"))
		before := b.metrics()
		b.run(chromedp.Navigate(s.url))
		b.until("it to be usable", `performance.getEntriesByName("usable").length`)
		after := b.metrics()
		b.until("a hundred agents, and controls", `document.querySelectorAll("#agents-body tbody tr").length === 100 && document.querySelector('#acts [data-verb="rollback"]').getAttribute("aria-disabled") === "false"`)
		at := eval[float64](b, `performance.getEntriesByName("usable")[0].startTime`)
		earlier := eval[string](b, `performance.getEntriesByType("resource").filter(e => e.startTime < performance.getEntriesByName("usable")[0].startTime).map(e => e.name.slice(location.origin.length)).join(" ")`)
		bytes := eval[float64](b, `performance.getEntriesByType("resource").filter(e => e.startTime < performance.getEntriesByName("usable")[0].startTime).reduce((n, e) => n + e.transferSize, performance.getEntriesByType("navigation")[0].transferSize)`)
		n, nodes := len(strings.Fields(earlier)), eval[int](b, "window.nodesThen")
		t.Logf("%s: usable after %.0f ms; %.0f ms of work for the page's thread, with the agents; %d requests, %.0f bytes, %d elements, %.0f layouts",
			line.what, at, 1000*(after["TaskDuration"]-before["TaskDuration"]), n, bytes, nodes, after["LayoutCount"]-before["LayoutCount"])
		if n > requestsMost || bytes > bytesMost || nodes > nodesMost {
			t.Errorf("%s: more than %d requests, %d bytes or %d elements", line.what, requestsMost, bytesMost, nodesMost)
		}
		for _, late := range []string{"uPlot.esm", "v1/series", "v1/audit", "v1/divergences", "v1/jobs"} {
			if strings.Contains(earlier, late) {
				t.Errorf("%s: %s was asked for before it was usable", line.what, late)
			}
		}
		b.until("the charts, after it", `document.querySelectorAll("#figures canvas").length === 8`)
	}
}

// conditions are those of a line, of Network.emulateNetworkConditions: ms and bytes
// a second; -1: no bound.
type conditions struct {
	Offline bool    `json:"offline"`
	Latency float64 `json:"latency"`
	Down    float64 `json:"downloadThroughput"`
	Up      float64 `json:"uploadThroughput"`
}

// emulate is deprecated; what takes its place is not in every Chromium yet.
var emulate = cdp.Command[conditions, cdp.Empty]{Method: "Network.emulateNetworkConditions"}

// metrics are what the browser counts of a tab.
func (b *tab) metrics() map[string]float64 {
	b.t.Helper()
	said, err := chromedp.Call(b.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, m := range said.Metrics {
		out[m.Name] = m.Value
	}
	return out
}
