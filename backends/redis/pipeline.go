package redis

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"
)

// exec runs a pipeline. An error of the connection comes before an answer of
// the server, which would say that the connection is in step. Answers of
// single commands (a nil, a wrong type) are left to those who look at them,
// except a transaction that was not run.
func exec(ctx context.Context, pipe goredis.Pipeliner) error {
	cmds, err := pipe.Exec(ctx)
	if err == nil {
		return nil
	}
	aborted := isAbort(err)
	var why error
	sent := false
	for _, c := range cmds {
		e := c.Err()
		sent = sent || e != nil
		if e != nil && !isReply(e) {
			return e
		}
		if e != nil && why == nil && !isAbort(e) {
			why = e
		}
	}
	switch {
	case !sent:
		// The connection could not be made (a wrong password): the commands
		// have no error then, and their empty answers would be misses.
		return err
	case aborted && why != nil:
		return why // the command for which the rest was not run
	case aborted, !isReply(err), errors.Is(err, goredis.TxFailedErr):
		return err
	}
	return nil
}

func isAbort(err error) bool { return goredis.HasErrorPrefix(err, "EXECABORT") }
