package screen

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/gates"
)

var escapes = regexp.MustCompile(`\x1b\[[0-9]*m`)

// full is a view in which everything has something to say, also what somebody
// typed to make a terminal obey.
func full(agents int) View {
	v := View{Seen: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	v.Migration, v.Epoch, v.Server, v.Leads = "sessions", 12, "ctl-1", true
	v.State, v.Mirror, v.ReadNew, v.Cutover, v.Settled = "mirror 75 %, read-new 25 %", 10_000, 2500, 0, 2500
	v.Why = "held by eve: \x1b[2J\x1b]0;owned\x07 \u202eblack friday 会议"
	v.Down = "old"
	v.Logouts.Followed, v.Logouts.Estimate, v.Logouts.Upper = 40, 3, 9
	v.Doing = &migrate.Progress{Phase: "backfill", Done: 250, Total: 1000, Rate: 50, ETA: 15 * time.Second}
	left := time.Hour
	v.Plan = &control.PlanView{Steps: []control.StepView{{Text: "ramp mirror 100"}, {Text: "ramp read-new 50"}}, Done: 1, RollbackLeft: &left, KeepOld: time.Hour,
		Gates: []gates.Verdict{{Gate: "latency", State: gates.Pass, Text: "p99 2 ms"}, {Gate: "divergence", State: gates.Fail, Text: "3 of 40"}, {Gate: "soak", State: gates.Inconclusive, Text: "4m of 10m"}}}
	for i := range agents {
		s := &agentapi.Status{State: agentapi.Ready}
		s.Epoch = 12
		g := migrate.AgentView{Name: fmt.Sprintf("web-%03d", i), Acknowledged: true, Status: s}
		switch i {
		case agents - 1:
			g.Name, g.Status, g.Why = "web-gone-\x1b[31m"+strings.Repeat("x", 60), nil, "connection refused"
		case agents - 2:
			g.Name, g.Acknowledged, g.Why = "web-behind", false, "2 locks granted under an older revision"
		}
		v.Agents = append(v.Agents, g)
	}
	return v
}

// TestFrameFits: at each size, with and without colours, nothing is wider or
// higher than the window, and nothing that was typed reaches the terminal.
func TestFrameFits(t *testing.T) {
	for _, v := range []View{full(100), full(3), {}, {Err: errors.New("refused")}} {
		for width := 1; width <= 200; width += 7 {
			for height := 1; height <= 60; height += 3 {
				for _, colour := range []bool{false, true} {
					lines := Frame(v, v.Seen.Add(time.Minute), width, height, colour)
					if len(lines) > height {
						t.Fatalf("%dx%d: %d lines", width, height, len(lines))
					}
					for _, l := range lines {
						bare := escapes.ReplaceAllString(l, "")
						if !colour && bare != l || strings.ContainsAny(bare, "\x1b\x07\u202e\r\n\t") {
							t.Fatalf("%dx%d: %q", width, height, l)
						}
						if n := columns(bare); n > width {
							t.Fatalf("%dx%d: %d columns: %q", width, height, n, bare)
						}
					}
				}
			}
		}
	}
}

// TestCut: a line that does not fit says so, in the last column.
func TestCut(t *testing.T) {
	for width, want := range map[int]string{1: "…", 4: "ab …", 5: "ab c…", 6: "ab cde", 9: "ab cde"} {
		if got := (line{{plain, "ab "}, {red, "cde"}}).render(width, false); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	if got := text("会议x").render(4, false); got != "会…" {
		t.Errorf("wide runes: %q", got)
	}
}

// TestFrameSays: what matters stands on the screen of the usual size.
func TestFrameSays(t *testing.T) {
	v := full(100)
	text := strings.Join(Frame(v, v.Seen, 80, 30, false), "\n")
	text = regexp.MustCompile(` +`).ReplaceAllString(text, " ")
	for _, want := range []string{
		"sessions revision 12 server ctl-1, leading", "waits for: held by eve", "declared down: old",
		"\n└ mirror 100 % [##############################]\n", " └ read-new 25 % [#######-----------------------] 25 % settled",
		" └ cutover 0 % [------------------------------]", "would-be logouts: 3 (95 %: 0 to 9)",
		"backfill [#######-----------------------] 250 of 1000, 50/s, 15s left", "next is ramp read-new 50",
		"✓ latency", "✗ divergence 3 of 40", "… soak", "no answer connection refused", "web-behind 12 no ", "more agents", "q quits",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Index(text, "web-gone") > strings.Index(text, "web-behind") || strings.Index(text, "web-behind") > strings.Index(text, "web-000") {
		t.Errorf("those that are waited for do not stand first:\n%s", text)
	}
	v.Err = errors.New("connection refused")
	if text := strings.Join(Frame(v, v.Seen.Add(42*time.Second), 80, 30, false), "\n"); !strings.Contains(text, "no answer for 42s: connection refused") || !strings.Contains(text, "100 %") {
		t.Errorf("what was seen last is gone, or its age is not said:\n%s", text)
	}
	coloured := strings.Join(Frame(v, v.Seen, 80, 30, true), "\n")
	if !strings.Contains(coloured, "\x1b[31m") || escapes.ReplaceAllString(coloured, "") != strings.Join(Frame(v, v.Seen, 80, 30, false), "\n") {
		t.Error("colours change more than colours")
	}
}
