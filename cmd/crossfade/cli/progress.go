package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
)

// quiet is how long a step may take without a word.
const quiet = 2 * time.Second

// progress prints what a step tells, once it takes longer than a moment: lines,
// or on a terminal one line that is drawn again while a phase goes on.
func (a *app) progress() func(migrate.Progress) {
	began := time.Now()
	if isTerminal(a.err) {
		a.bar = &bar{out: a.err}
	}
	var mu sync.Mutex
	return func(p migrate.Progress) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case p.Phase != "published" && time.Since(began) < quiet:
		case a.bar != nil:
			a.bar.draw(p)
		default:
			fmt.Fprintln(a.err, line(p))
		}
	}
}

// isTerminal tells whether somebody may be looking.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// barWidth is how many characters a bar has: with the words beside it most
// lines stay within 80.
const barWidth = 24

// bar is a line of a terminal that is drawn again.
type bar struct {
	out io.Writer

	mu    sync.Mutex // guards phase
	phase string     // of the line that stands unfinished; empty: none does
}

func (b *bar) draw(p migrate.Progress) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != "" && b.phase != p.Phase {
		fmt.Fprintln(b.out)
	}
	text := line(p)
	if p.Total > 0 {
		full := int(barWidth * min(p.Done, p.Total) / p.Total)
		text = "[" + strings.Repeat("#", full) + strings.Repeat("-", barWidth-full) + "] " + text
	}
	fmt.Fprint(b.out, "\r"+text+"\x1b[K") // ECMA-48, EL: to the end of the line
	if b.phase = p.Phase; p.Total == 0 {
		fmt.Fprintln(b.out)
		b.phase = ""
	}
}

// end leaves the line as it is, before something else is printed.
func (b *bar) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase != "" {
		fmt.Fprintln(b.out)
		b.phase = ""
	}
}

func line(p migrate.Progress) string {
	var b strings.Builder
	b.WriteString(p.Phase)
	switch {
	case p.Total > 0:
		fmt.Fprintf(&b, ": %d of %d (%d %%)", p.Done, p.Total, 100*p.Done/p.Total)
	case p.Done > 0:
		fmt.Fprintf(&b, ": %d", p.Done)
	}
	if p.Rate > 0 {
		fmt.Fprintf(&b, ", %.0f a second", p.Rate)
	}
	if p.ETA > 0 {
		fmt.Fprintf(&b, ", %v left", p.ETA)
	}
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	return b.String()
}
