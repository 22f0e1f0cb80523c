package mysql

import (
	"context"

	"github.com/seed-41165957/crossfade/backends"
)

var _ backends.OwnRemover = (*Store)(nil)

// RemoveOwn implements backends.OwnRemover: rows of our own table by name, but for
// locks, which have the application's names and end by themselves.
func (s *Store) RemoveOwn(ctx context.Context, name string) error {
	if !backends.OwnKey(name) {
		return nil
	}
	if err := s.enter(ctx, backends.Key{Name: name}); err != nil {
		return err
	}
	_, err := s.change(ctx, "remove own", true, func(c *conn) (string, []any, error) {
		return "DELETE FROM " + c.own.name + " WHERE `kind` IN ('" + rowSession + "', '" + rowGone + "', '" + rowMark + "') AND `name` = ?", []any{[]byte(name)}, nil
	})
	return err
}
