package screen

import (
	"strings"
	"unicode"
)

// style is a colour of the terminal's own sixteen, as the person has set them.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// span is a piece of a line in one style.
type span struct {
	style
	text string
}

// line is one line of the screen. What it says may have been typed by anybody
// (a reason, an agent's name): whatever a terminal would obey is replaced.
type line []span

func text(s string) line          { return line{{plain, s}} }
func in(st style, s string) line  { return line{{st, s}} }
func (l line) add(b ...span) line { return append(l, b...) }

// render is the line in at most width columns; what is cut off ends in ….
func (l line) render(width int, colour bool) string {
	var b strings.Builder
	left := width
	total := 0
	for _, s := range l {
		total += columns(s.text)
	}
	for _, s := range l {
		part, used := clip(s.text, left, total > width)
		left -= used
		if part == "" {
			continue
		}
		if colour && s.style != plain {
			b.WriteString("\x1b[" + string(s.style) + "m" + part + "\x1b[0m")
		} else {
			b.WriteString(part)
		}
	}
	return b.String()
}

// clip is the beginning of s that fits, and its columns. more says that the line
// does not fit as a whole: then the last column is kept for ….
func clip(s string, width int, more bool) (string, int) {
	var b strings.Builder
	used := 0
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		w := runeColumns(r)
		if more && used+w > width-1 {
			if width-used >= 1 {
				b.WriteRune('…')
				used = width
			}
			return b.String(), used
		}
		b.WriteRune(r)
		used += w
	}
	return b.String(), used
}

func columns(s string) (n int) {
	for _, r := range s {
		n += runeColumns(r)
	}
	return n
}

// runeColumns is how wide terminals draw a rune: two columns for East Asian
// scripts and pictures (as far as Unicode's blocks tell), none for what combines.
func runeColumns(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff, r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// pad makes a text n columns wide, at least.
func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-columns(s))) }
