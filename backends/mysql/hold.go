package mysql

import (
	"context"
	"errors"
	"time"
)

// holding is run for what keeps its line: f gets it, and the caller owns it
// when holding returns nil. f changes nothing.
func (s *Store) holding(ctx context.Context, kind poolKind, op string, f func(*line, *conn) error) error {
	for attempt := 1; ; attempt++ {
		l, err := s.take(ctx, kind)
		if err == nil {
			var usable bool
			usable, err = l.do(ctx, op, true, func(c *conn) error { return f(l, c) })
			if err == nil {
				return nil
			}
			if usable {
				l.pool.put(l)
			}
			if elsewhere(err) {
				s.fail(l.pool.host)
			}
		}
		var lost *lostError
		again := elsewhere(err) && len(s.hosts) > 1 || errors.As(err, &lost)
		if !again || attempt == attempts || ctx.Err() != nil || s.isClosed() {
			return err
		}
	}
}

// giveBack ends the transaction of a line and puts it back, for at most a
// second: a line that does not answer is dropped, and the server ends it.
func (l *line) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	usable, _ := l.do(ctx, "rollback", true, func(c *conn) error {
		_, err := c.exec("ROLLBACK")
		return err
	})
	if usable {
		l.pool.put(l)
	}
}
