package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// scanCount is how many keys one SCAN looks at: 1,000 keep the server busy for
// well under a millisecond.
const scanCount = 1000

// scanPasses bounds how often a cluster is scanned whose slots move meanwhile.
const scanPasses = 5

var errSlotsMove = errors.New("backends/redis: scan: slots of the cluster are being moved: scan again when that is over")

// Scan is SCAN with the prefix as a pattern, on each master of a cluster in
// turn. A key that moves from one that is still to come to one that is done
// would be left out: where slots were moved meanwhile all is scanned again, and
// while that goes on Scan returns an error in the end.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	for range scanPasses {
		before, err := s.standing(ctx)
		if err != nil {
			return err
		}
		nodes, err := s.layout.nodes(ctx)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if err := n.scan(ctx, prefix, fn); err != nil {
				return err
			}
		}
		after, err := s.standing(ctx)
		if err != nil || before == after && !strings.Contains(after, "[") {
			return err
		}
	}
	return errSlotsMove
}

func (n *node) scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	pattern := globEscaper.Replace(prefix) + "*"
	for cursor := uint64(0); ; {
		if err := n.store.enter(ctx); err != nil {
			return err
		}
		names, next, err := n.reads.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return n.store.read(ctx, "scan", err)
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

// standing is what each master of a cluster says of its own slots: ranges, and
// in brackets those that are being moved (CLUSTER NODES, the line "myself").
// It is empty where there is no cluster.
func (s *Store) standing(ctx context.Context) (string, error) {
	l, ok := s.layout.(*cluster)
	if !ok {
		return "", s.enter(ctx)
	}
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	if err := l.begin(0).wait(ctx); err != nil {
		return "", err
	}
	nodes, err := l.nodes(ctx)
	if err != nil {
		return "", err
	}
	var lines []string
	for _, n := range nodes {
		text, err := n.control.ClusterNodes(ctx).Result()
		if err != nil {
			return "", s.read(ctx, "cluster nodes", err)
		}
		for line := range strings.Lines(text) {
			// id addr flags primary ping pong epoch link slot …
			if f := strings.Fields(line); len(f) >= 8 && strings.Contains(f[2], "myself") {
				lines = append(lines, f[0]+" "+strings.Join(f[8:], " "))
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// globEscaper takes their meaning from the bytes that SCAN's patterns give one
// (commands/keys).
var globEscaper = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`, `\`, `\\`, `^`, `\^`, `-`, `\-`)
