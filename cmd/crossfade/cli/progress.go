package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate"
)

// quiet is how long a step may take without a word.
const quiet = 2 * time.Second

// progress prints what a step tells, once it takes longer than a moment.
func (a *app) progress() func(migrate.Progress) {
	began := time.Now()
	var mu sync.Mutex
	return func(p migrate.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Phase != "published" && time.Since(began) < quiet {
			return
		}
		fmt.Fprintln(a.err, line(p))
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
