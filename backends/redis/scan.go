package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
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

// ScanFrom implements backends.Resumer. A place is a cursor, which means
// something to the process that gave it and to no other: its run id stands
// before it. A cluster gives none.
func (s *Store) ScanFrom(ctx context.Context, place string, fn func(names []string, next string) error) (fresh bool, err error) {
	none := func(names []string) error { return fn(names, "") }
	if _, ok := s.layout.(*cluster); ok {
		return place != "", s.Scan(ctx, "", none)
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return false, err
	}
	h, err := nodes[0].health(ctx)
	if err != nil {
		return false, err
	}
	runID, text, _ := strings.Cut(place, ":")
	cursor, err := strconv.ParseUint(text, 10, 64)
	if fresh = place != "" && (err != nil || runID != h.RunID || runID == ""); fresh || place == "" {
		cursor = 0
	}
	return fresh, nodes[0].scanFrom(ctx, "", cursor, func(names []string, next uint64) error {
		if next == 0 || h.RunID == "" {
			return fn(names, "")
		}
		return fn(names, h.RunID+":"+strconv.FormatUint(next, 10))
	})
}

// Size implements backends.Sizer.
func (s *Store) Size(ctx context.Context) (n int64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	nodes, err := s.layout.nodes(ctx)
	if err != nil {
		return 0, err
	}
	for _, node := range nodes {
		has, err := node.lists.DBSize(ctx).Result()
		if err != nil {
			return 0, s.read(ctx, "dbsize", err)
		}
		n += has
	}
	return n, nil
}

func (n *node) scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	return n.scanFrom(ctx, prefix, 0, func(names []string, _ uint64) error {
		if len(names) == 0 {
			return nil
		}
		return fn(names)
	})
}

// scanFrom gives also empty batches, for their cursors.
func (n *node) scanFrom(ctx context.Context, prefix string, cursor uint64, fn func(names []string, next uint64) error) error {
	pattern := globEscaper.Replace(prefix) + "*"
	for {
		if err := n.store.enter(ctx); err != nil {
			return err
		}
		names, next, err := n.lists.Scan(ctx, cursor, pattern, scanCount).Result()
		if err != nil {
			return n.store.read(ctx, "scan", err)
		}
		if err := fn(names, next); err != nil {
			return err
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
