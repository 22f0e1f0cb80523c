package audit

import (
	"context"
	"fmt"
)

// Checked is what a verification found.
type Checked struct {
	Entries int `json:"entries"`
	// Torn are lines that a crash cut short: their successors say so.
	Torn int `json:"torn"`
	// Bad are in words what is wrong; none: the log is as it was written.
	Bad []string `json:"bad"`
	// Sum of the last line: keep it elsewhere, and a log that was written anew is
	// found, too.
	Sum string `json:"sum"`
}

// badMost is how many are named: one line that is gone is enough to know.
const badMost = 20

// Read gives the entries from number from (the first is 1), at most so many.
// Lines that are damaged are left out: Verify tells of them.
func (l *Log) Read(ctx context.Context, from, most int) (es []Entry, err error) {
	err = l.each(ctx, func(_ int, line []byte) bool {
		if e, err := parse(line); err == nil && e.N >= from {
			es = append(es, e)
		}
		return len(es) < most
	})
	return es, err
}

// Verify looks at every line.
func (l *Log) Verify(ctx context.Context) (Checked, error) {
	c := Checked{Bad: []string{}}
	say := func(format string, args ...any) {
		if len(c.Bad) < badMost {
			c.Bad = append(c.Bad, fmt.Sprintf(format, args...))
		}
	}
	// The head first: what is appended meanwhile only makes the log longer.
	h, err := l.end(ctx)
	if err != nil {
		return c, err
	}
	var last Entry
	lines, torn, why, reached := 0, 0, "", h.Lines == 0
	err = l.each(ctx, func(n int, line []byte) bool {
		lines++
		e, err := parse(line)
		if err != nil {
			torn++
			why = fmt.Sprintf("line %d %v", n+1, err)
			return true
		}
		switch {
		case e.Torn != torn && torn > 0:
			say("%s", why)
		case e.Torn != torn:
			say("line %d: %d lines before it are gone", n+1, e.Torn)
		}
		switch {
		case e.N != last.N+1 && (e.Torn == torn || e.N > last.N+1+torn):
			say("line %d: entry %d follows entry %d: what stood between is gone", n+1, e.N, last.N)
		case e.Prev != last.Sum && torn == e.Torn:
			say("line %d: entry %d does not follow the line before it: that is another than was there", n+1, e.N)
		}
		c.Torn += e.Torn
		last, torn = e, 0
		c.Entries++
		if lines == h.Lines && e.Sum == h.Sum {
			reached = true
		}
		return true
	})
	if err != nil {
		return c, err
	}
	c.Sum = last.Sum
	if torn > 0 && lines <= h.Lines {
		say("%s", why)
	}
	if lines < h.Lines {
		say("the log ends with entry %d, and %d were written: its end is gone", last.N, h.N)
	} else if !reached && len(c.Bad) == 0 {
		say("entry %d is another than was written last", h.N)
	}
	return c, nil
}

func (l *Log) each(ctx context.Context, fn func(n int, line []byte) bool) error {
	for from := 0; ; {
		lines, err := l.b.Lines(ctx, from, chunk)
		if err != nil {
			return fmt.Errorf("audit: %w", err)
		}
		for i, line := range lines {
			if !fn(from+i, line) {
				return nil
			}
		}
		if from += len(lines); len(lines) < chunk {
			return nil
		}
	}
}
