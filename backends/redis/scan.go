package redis

import (
	"context"
	"strings"
)

// scanCount is how many keys one SCAN looks at: 1,000 keep the server busy for
// well under a millisecond.
const scanCount = 1000

// Scan is SCAN with the prefix as a pattern.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	pattern := globEscaper.Replace(prefix) + "*"
	for cursor := uint64(0); ; {
		if err := s.enter(ctx); err != nil {
			return err
		}
		names, next, err := s.reads.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return s.read(ctx, "scan", err)
		}
		if len(names) > 0 {
			if err := fn(names); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// globEscaper takes their meaning from the bytes that SCAN's patterns give one
// (commands/keys).
var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`, `^`, `\^`, `-`, `\-`)
