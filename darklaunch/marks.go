package darklaunch

import (
	"context"
	"errors"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// CountMarks lists old, and counts the sessions that are marked there.
func (l *Layer) CountMarks(ctx context.Context) (n int, err error) {
	sc, ok := l.side(rules.Old).Store.(backends.Scanner)
	if !ok {
		return 0, errors.New("darklaunch: old cannot list what it holds")
	}
	prefix := backends.MarksPrefix(l.o.Migration)
	err = sc.Scan(ctx, prefix, func(names []string) error { n += len(names); return nil })
	return n, err
}
