package mysql

import (
	"context"
	"database/sql/driver"
)

// Size implements backends.Sizer: what InnoDB estimates of the sessions table,
// which may be wrong by half.
func (s *Store) Size(ctx context.Context) (int64, error) {
	got := make(chan int64, attempts)
	err := s.run(ctx, forReads, "size", true, func(c *conn) error {
		n := int64(0)
		err := c.query(func(v []driver.Value) error { n, _ = integer(v[0]); return nil },
			"SELECT IFNULL(table_rows, 0) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", s.opts.Database, s.opts.Table)
		if err == nil {
			got <- n
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return <-got, nil
}
