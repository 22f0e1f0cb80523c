package console

import (
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// WCAG 2.2, 1.4.3 and 1.4.11: text, and what has to be told apart without being
// text: lines of charts, bars, the edges of controls.
const (
	forText = 4.5
	forMark = 3
)

// pairs are the colours that stand on each other.
var pairs = []struct {
	on    string // backgrounds
	what  string
	least float64
}{
	{"paper panel", "ink dim bad accent", forText},
	{"paper", "good warn old new", forText},
	{"bad-bg", "ink", forText},
	{"warn-bg", "ink warn", forText},
	{"good-bg", "ink", forText},
	{"accent", "on-accent", forText},
	{"danger", "on-danger", forText},
	{"paper panel", "edge accent", forMark},
	{"paper panel", "off mirror fenced read-new sealed cutover back", forMark},
	{"paper", "old new bad", forMark},
}

var (
	declared  = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	used      = regexp.MustCompile(`var\(--([a-z-]+)\)`)
	usedText  = regexp.MustCompile(`[^-]color: var\(--([a-z-]+)\)`)
	darkBegin = "@media (prefers-color-scheme: dark)"
)

// TestContrast computes the contrast of each pair of the palette, light and dark.
func TestContrast(t *testing.T) {
	css, err := fs.ReadFile(embedded(), "style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, ok := strings.Cut(string(css), darkBegin)
	dark, _, _ := strings.Cut(rest, "\n}")
	if !ok {
		t.Fatal("no dark palette was found")
	}
	known := map[string]bool{}
	for name, block := range map[string]string{"light": light, "dark": dark} {
		p := palette(block)
		for _, x := range pairs {
			for _, on := range strings.Fields(x.on) {
				for _, what := range strings.Fields(x.what) {
					known[what] = true
					if p[on] == "" || p[what] == "" {
						t.Errorf("%s: --%s or --%s is not there", name, what, on)
					} else if got := contrast(p[what], p[on]); got < x.least {
						t.Errorf("%s: --%s on --%s is %.2f, want %.1f", name, what, on, got, x.least)
					}
				}
			}
		}
		for _, m := range used.FindAllStringSubmatch(string(css), -1) {
			if p[m[1]] == "" {
				t.Errorf("%s: --%s is used and not declared", name, m[1])
			}
		}
	}
	for _, m := range usedText.FindAllStringSubmatch(string(css), -1) {
		if !known[m[1]] {
			t.Errorf("text in --%s, of which no contrast is computed: add it to pairs", m[1])
		}
	}
	if got := contrast("#777777", "#ffffff"); math.Abs(got-4.48) > 0.005 { // the usual example that just fails
		t.Errorf("#777 on white is %.3f, want 4.48: the formula is wrong", got)
	}
}

func palette(block string) map[string]string {
	p := map[string]string{}
	for _, m := range declared.FindAllStringSubmatch(block, -1) {
		p[m[1]] = m[2]
	}
	return p
}

// contrast is WCAG's ratio, from 1 to 21.
func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(hex string) (l float64) {
	n, _ := strconv.ParseUint(hex[1:], 16, 32)
	for i, weight := range []float64{0.0722, 0.7152, 0.2126} { // blue is last in the number
		c := float64(n>>(8*i)&0xff) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}
