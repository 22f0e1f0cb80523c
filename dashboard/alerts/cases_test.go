package alerts

import (
	"fmt"
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"
)

// input is a series and its values, in promtool's notation: "0+6x60" begins at 0
// and rises by 6 each minute, for 60 minutes.
type input struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// healthy is a fleet of two agents at which nothing fires.
var healthy = []input{
	{`crossfade_requests_total{migration="m",instance="a",result="hit"}`, "0+600x60"},
	{`crossfade_requests_total{migration="m",instance="a",result="error"}`, "0+1x60"},
	{`crossfade_would_be_logouts_lower{migration="m",instance="a"}`, "0x60"},
	{`crossfade_ramp_ratio{migration="m",instance="a",stage="read-new"}`, "0.5x60"},
	{`crossfade_fallbacks_total{migration="m",instance="a",reason="unmarked"}`, "7x60"},
	{`crossfade_fallbacks_total{migration="m",instance="a",reason="miss"}`, "0+1x60"},
	{`crossfade_marks_lost_total{migration="m",instance="a",store="old"}`, "5x60"},
	{`crossfade_breaker_state{migration="m",instance="a",store="new",state="open"}`, "0x60"},
	{`crossfade_divergences_total{migration="m",instance="a",class="value",cause="unknown"}`, "3x60"},
	{`crossfade_divergences_total{migration="m",instance="a",class="missing_new",cause="before_mirror"}`, "0+60x60"},
	{`crossfade_comparisons_total{migration="m",instance="a",result="match"}`, "0+600x60"},
	{`crossfade_bypass_total{migration="m",instance="a"}`, "2x60"},
	{`crossfade_dirty_sessions{migration="m",instance="a",store="new"}`, "0 3 0 5 0 0 2 0x60"},
	{`crossfade_unknown_calls{migration="m",instance="a",store="new"}`, "0 3 0 5 0 0 2 0x60"},
	{`crossfade_store_errors_total{migration="m",instance="a",store="new",reason="error"}`, "0+3x60"},
	{`crossfade_mirror_lag_seconds{migration="m",instance="a"}`, "0.01x60"},
	{`crossfade_mirror_dropped_total{migration="m",instance="a"}`, "9x60"},
	{`crossfade_agents{migration="m",instance="a",state="acknowledged"}`, "2x60"},
	{`crossfade_agents{migration="m",instance="a",state="waiting"}`, "0x60"},
	{`crossfade_agents{migration="m",instance="a",state="silent"}`, "0x60"},
	{`crossfade_epoch{migration="m",instance="a"}`, "7x60"},
	{`crossfade_epoch{migration="m",instance="b"}`, "7x60"},
	{`crossfade_flag_last_contact_timestamp_seconds{migration="m",instance="a"}`, "0+60x60"},
	{`crossfade_build_info{migration="m",instance="a",version="1"}`, "1x60"},
	{`crossfade_build_info{migration="m",instance="b",version="1"}`, "1x60"},
	{`crossfade_rollback_window_seconds{migration="m",instance="a"}`, "100000000x60"},
}

// faults are, for each alert, what its series do instead; "_": they are missing.
var faults = map[string][]input{
	"CrossfadeRequestErrors":      {{`crossfade_requests_total{migration="m",instance="a",result="error"}`, "0+60x60"}},
	"CrossfadeWouldBeLogouts":     {{`crossfade_would_be_logouts_lower{migration="m",instance="a"}`, "12x60"}},
	"CrossfadeUnmarkedReads":      {{`crossfade_fallbacks_total{migration="m",instance="a",reason="unmarked"}`, "0+2x60"}},
	"CrossfadeMarksLost":          {{`crossfade_marks_lost_total{migration="m",instance="a",store="old"}`, "0x25 4x60"}},
	"CrossfadeBreakerOpen":        {{`crossfade_breaker_state{migration="m",instance="a",store="new",state="open"}`, "1x60"}},
	"CrossfadeDivergence":         {{`crossfade_divergences_total{migration="m",instance="a",class="value",cause="unknown"}`, "0+6x60"}},
	"CrossfadeBypass":             {{`crossfade_bypass_total{migration="m",instance="a"}`, "0x25 1x60"}},
	"CrossfadeFallbacks":          {{`crossfade_fallbacks_total{migration="m",instance="a",reason="miss"}`, "0+60x60"}},
	"CrossfadeDirtyStays":         {{`crossfade_dirty_sessions{migration="m",instance="a",store="new"}`, "3x60"}},
	"CrossfadeUnknownCalls":       {{`crossfade_unknown_calls{migration="m",instance="a",store="new"}`, "2x60"}},
	"CrossfadeStoreErrors":        {{`crossfade_store_errors_total{migration="m",instance="a",store="new",reason="error"}`, "0+120x60"}},
	"CrossfadeMirrorLag":          {{`crossfade_mirror_lag_seconds{migration="m",instance="a"}`, "9x60"}},
	"CrossfadeMirrorDropped":      {{`crossfade_mirror_dropped_total{migration="m",instance="a"}`, "0x25 4x60"}},
	"CrossfadeAgentSilent":        {{`crossfade_agents{migration="m",instance="a",state="silent"}`, "1x60"}},
	"CrossfadeAgentWaiting":       {{`crossfade_agents{migration="m",instance="a",state="waiting"}`, "1x60"}},
	"CrossfadeRevisionSkew":       {{`crossfade_epoch{migration="m",instance="b"}`, "6x60"}},
	"CrossfadeFlagsStale":         {{`crossfade_flag_last_contact_timestamp_seconds{migration="m",instance="a"}`, "0x60"}},
	"CrossfadeVersionSkew":        {{`crossfade_build_info{migration="m",instance="b",version="1"}`, "_x60"}, {`crossfade_build_info{migration="m",instance="b",version="2"}`, "1x60"}},
	"CrossfadeRollbackWindowEnds": {{`crossfade_rollback_window_seconds{migration="m",instance="a"}`, "3600x60"}},
	"CrossfadeUnwatched": {{`crossfade_agents{migration="m",instance="a",state="acknowledged"}`, "_x60"},
		{`crossfade_agents{migration="m",instance="a",state="waiting"}`, "_x60"}, {`crossfade_agents{migration="m",instance="a",state="silent"}`, "_x60"}},
}

// seen is how many of an alert promtool finds at minute 30.
const seen = `sum(ALERTS{alertstate="firing",alertname="%s"}) or vector(0)`

type exprTest struct {
	Expr    string   `yaml:"expr"`
	At      string   `yaml:"eval_time"`
	Samples []sample `yaml:"exp_samples"`
}

type sample struct {
	Labels string  `yaml:"labels"`
	Value  float64 `yaml:"value"`
}

type group struct {
	Interval string     `yaml:"interval"`
	Input    []input    `yaml:"input_series"`
	Tests    []exprTest `yaml:"promql_expr_test"`
}

// cases is promtool's test file: for each fault every alert is asked for, and
// only those of the fault may fire; without a fault none.
func cases(rulesFile string) ([]byte, error) {
	var groups []group
	for _, fault := range append([]string{""}, names()...) {
		g := group{Interval: "1m", Input: slices.Clone(healthy)}
		for _, in := range faults[fault] {
			i := slices.IndexFunc(g.Input, func(h input) bool { return h.Series == in.Series })
			if i < 0 {
				g.Input = append(g.Input, in)
			} else {
				g.Input[i] = in
			}
		}
		for _, r := range rules {
			fires := 0.0
			if r.Name == fault {
				fires = 1
			}
			g.Tests = append(g.Tests, exprTest{fmt.Sprintf(seen, r.Name), "30m", []sample{{"{}", fires}}})
		}
		groups = append(groups, g)
	}
	return yaml.Marshal(map[string]any{"rule_files": []string{rulesFile}, "evaluation_interval": "1m", "tests": groups})
}

func names() (out []string) {
	for _, r := range rules {
		out = append(out, r.Name)
	}
	return out
}

// TestFaults: every alert has one.
func TestFaults(t *testing.T) {
	for _, n := range names() {
		if faults[n] == nil {
			t.Errorf("%s has no fault that it fires on", n)
		}
	}
	if len(faults) != len(rules) {
		t.Errorf("%d faults for %d alerts", len(faults), len(rules))
	}
}
