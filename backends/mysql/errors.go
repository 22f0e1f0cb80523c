package mysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	sqldriver "github.com/go-sql-driver/mysql"

	"github.com/seed-41165957/crossfade/backends"
)

// ServerError is an error that the server answered: nothing was changed, and it
// is never a miss. The server's own text is left out: it quotes ids.
type ServerError struct {
	Op     string // what was asked: "set"
	Number uint16
}

func (e *ServerError) Error() string {
	msg := fmt.Sprintf("backends/mysql: %s: server answered error %d", e.Op, e.Number)
	if hint := hints[e.Number]; hint != "" {
		msg += " (" + hint + ")"
	}
	return msg
}

// Numbers: MariaDB's "Error Codes", MySQL's "Server Error Message Reference".
const (
	errChanged     = 1020 // innodb_snapshot_isolation: modified since the snapshot
	errNotReady    = 1047 // Galera: the node is in no primary component
	errDuplicate   = 1062
	errNoThread    = 1094
	errLockWait    = 1205
	errDeadlock    = 1213 // also a certification conflict: rolled back
	errReadOnlyVar = 1290
	errReadOnlyDB  = 1836
	errTooLong     = 1406
	errIncorrect   = 1366 // bytes that the column's character set does not have
	errPacket      = 1153
)

var hints = map[uint16]string{
	1044:           "no access to this database: see check",
	1045:           "user name or password is wrong",
	1049:           "there is no such database",
	1054:           "a column is missing: see check",
	1142:           "a privilege is missing: see check",
	1143:           "a privilege is missing: see check",
	1146:           "a table is missing: see check",
	1021:           "the disk is full",
	1114:           "the table is full",
	1040:           "too many connections",
	1203:           "too many connections of this user",
	1226:           "this user's limit of connections or statements is reached",
	errNotReady:    "the node is in no primary component",
	errLockWait:    "somebody holds the row",
	errDeadlock:    "a deadlock or a certification conflict",
	errReadOnlyVar: "the server is read-only",
	errReadOnlyDB:  "the server is read-only",
}

// verdict is an error of ours that was found while the connection is in step.
type verdict struct{ error }

func (v verdict) Unwrap() error { return v.error }

// connectError is an error of a connection that could not be made: nothing was
// sent.
type connectError struct{ error }

func (e *connectError) Unwrap() error { return e.error }

// lostError is an error of a connection on which nothing was changed.
type lostError struct{ error }

func (e *lostError) Unwrap() error { return e.error }

func number(err error) uint16 {
	var e *sqldriver.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	var s *ServerError
	if errors.As(err, &s) {
		return s.Number
	}
	return 0
}

// isReply tells whether err is an answer of the server, or ours about one, so
// that the connection is in step.
func isReply(err error) bool {
	var v verdict
	return number(err) != 0 || errors.As(err, &v)
}

// spoils tells whether a connection is of no use after this answer.
func spoils(err error) bool {
	switch number(err) {
	case errNotReady, errReadOnlyVar, errReadOnlyDB, errPacket:
		return true
	}
	return doubtful(err)
}

// doubtful tells whether the server may have applied what it answered with an
// error: it was killed, it shut down, or lost its cluster, in the middle.
func doubtful(err error) bool {
	switch number(err) {
	case 1180, // error during COMMIT
		1053,       // shutdown in progress
		1105,       // unknown
		1317, 1927, // interrupted, connection was killed
		1152, 1159, 1160, 1161, 1184: // connection aborted
		return true
	}
	return false
}

// elsewhere tells whether the host cannot serve now, and surely has changed
// nothing: another one may.
func elsewhere(err error) bool {
	var c *connectError
	switch number(err) {
	case errNotReady, errReadOnlyVar, errReadOnlyDB:
		return true
	}
	return errors.As(err, &c)
}

// reply makes the server's errors fit to be shown. Others pass.
func (s *Store) reply(op string, err error) error {
	var v verdict
	if errors.As(err, &v) {
		return v.error
	}
	var lost *lostError
	if errors.As(err, &lost) {
		return lost.error
	}
	var connect *connectError
	if errors.As(err, &connect) {
		return connect.error
	}
	var e *sqldriver.MySQLError
	if !errors.As(err, &e) {
		return err
	}
	switch e.Number {
	case errTooLong, errPacket:
		return backends.ErrTooLarge // ids were measured before
	case errIncorrect:
		return backends.ErrKey // data is bytes
	}
	return &ServerError{Op: op, Number: e.Number}
}

// plain makes errors of the connection fit to be shown: the driver's may quote
// the address with what belongs to it.
func (s *Store) plain(op string, err error) error {
	var netErr net.Error
	switch {
	case err == nil:
		return nil
	case isReply(err):
		return s.reply(op, err)
	case s.isClosed():
		return backends.ErrClosed
	case errors.Is(err, errNotPrimary), isColumnError(err):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return timeoutError(op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.As(err, &netErr), errors.Is(err, sqldriver.ErrInvalidConn):
		return fmt.Errorf("backends/mysql: %s: %w", op, err)
	case errors.Is(err, sqldriver.ErrNoTLS):
		return fmt.Errorf("backends/mysql: %s: the server has no TLS", op)
	}
	if isTLS(err) {
		return fmt.Errorf("backends/mysql: %s: the server's certificate is not accepted", op)
	}
	return fmt.Errorf("backends/mysql: %s: the answer cannot be read", op)
}

// timeoutError is a deadline of ours or the context's.
func timeoutError(op string) error {
	return fmt.Errorf("backends/mysql: %s: %w", op, context.DeadlineExceeded)
}

func isColumnError(err error) bool {
	_, ok := columnError(err)
	return ok
}

func columnError(err error) (*ColumnError, bool) {
	var e *ColumnError
	ok := errors.As(err, &e)
	return e, ok
}
