package mysql

import (
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// Expiry says how a column tells when a session ends.
type Expiry string

// The ways. NULL is never in each of them.
const (
	UnixSeconds Expiry = "unix"        // an integer; 0 is never
	UnixMillis  Expiry = "unix_ms"     // an integer; 0 is never
	DateTime    Expiry = "datetime"    // DATETIME or TIMESTAMP of whole seconds
	DateTimeMs  Expiry = "datetime_ms" // DATETIME(3) or finer
	// Lifetime is Symfony's: absolute seconds, and up to 315,576,000 (ten years)
	// seconds after the column Time, as before Symfony 4.4.
	Lifetime Expiry = "lifetime"
)

// Columns names the columns of the application's table. What is written there
// as "never" is a time so far away that any application takes it as such: the
// last seconds of 32 bits, or the last day of the year 9999.
type Columns struct {
	ID      string // the primary key, or unique
	Data    string
	Expires string
	Kind    Expiry // of Expires
	// Time is when the row was written, in unix seconds. Needed with Lifetime;
	// else it may be empty.
	Time string
	// Flags is an INT UNSIGNED with the client's 32 bits; empty: none are kept.
	Flags string
	// TimeZone is the session time zone in which a DATETIME is written and read.
	// Zero: "+00:00". (Zones with summer time repeat an hour; so do deadlines.)
	TimeZone string
}

// Plain is a table made for Crossfade: id, data, flags, expires_ms.
func Plain() Columns {
	return Columns{ID: "id", Data: "data", Expires: "expires_ms", Kind: UnixMillis, Flags: "flags"}
}

// Symfony is PdoSessionHandler's table, as its createTable makes it (Symfony 4.4
// to 7; read in 5.4). PHP goes on for up to a second after the deadline here.
func Symfony() Columns {
	return Columns{ID: "sess_id", Data: "sess_data", Expires: "sess_lifetime", Time: "sess_time", Kind: Lifetime}
}

func (c Columns) check() error {
	for _, n := range []struct {
		what, name string
		empty      bool
	}{{"id", c.ID, false}, {"data", c.Data, false}, {"expires", c.Expires, false}, {"time", c.Time, c.Kind != Lifetime}, {"flags", c.Flags, true}} {
		if !identifier.MatchString(n.name) && (n.name != "" || !n.empty) {
			return fmt.Errorf("backends/mysql: column %s %q: accepted are 1 to 64 of A-Z, a-z, 0-9, _, $ and -", n.what, n.name)
		}
	}
	switch c.Kind {
	case UnixSeconds, UnixMillis, DateTime, DateTimeMs, Lifetime:
		return nil
	}
	return fmt.Errorf("backends/mysql: expiry %q: accepted are %s, %s, %s, %s and %s", c.Kind, UnixSeconds, UnixMillis, DateTime, DateTimeMs, Lifetime)
}

// nowMs is the server's clock when the statement began, in ms, whatever the
// session's time zone (UNIX_TIMESTAMP(NOW()) is an hour off once a year).
const nowMs = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)"

const (
	neverSeconds = "4294967294"      // and one more: see stamp
	neverMillis  = "253402214400000" // 9999-12-31
	neverDate    = "'9999-12-31'"
)

// past tells whether a session with this deadline is missing at once.
func past(deadline time.Time) bool { return !deadline.IsZero() && !deadline.After(time.Now()) }

// ttlMillis is a time to live in ms, rounded up, at least 1.
func ttlMillis(ttl time.Duration) int64 {
	return max(1, int64((ttl+time.Millisecond-1)/time.Millisecond))
}

// q quotes an identifier that check has seen.
func q(name string) string { return "`" + name + "`" }

// expiry is the SQL about one column of deadlines.
type expiry struct {
	kind      Expiry
	col, time string // quoted; time may be empty
}

// at is the stored deadline in ms since 1970, of the integer kinds.
func (e expiry) at() string {
	switch e.kind {
	case UnixMillis:
		return "CAST(" + e.col + " AS SIGNED)"
	case Lifetime:
		return "CAST(IF(" + e.col + " > 315576000, " + e.col + ", " + e.col + " + " + e.time + ") AS SIGNED) * 1000"
	}
	return "CAST(" + e.col + " AS SIGNED) * 1000"
}

func (e expiry) isDate() bool { return e.kind == DateTime || e.kind == DateTimeMs }

// never is the condition that a row has no deadline.
func (e expiry) never() string {
	switch e.kind {
	case DateTime, DateTimeMs:
		return "(" + e.col + " IS NULL OR " + e.col + " >= " + neverDate + ")"
	case UnixMillis:
		return "(" + e.col + " IS NULL OR " + e.col + " = 0 OR " + e.col + " >= " + neverMillis + ")"
	case Lifetime:
		return "(" + e.col + " IS NULL OR " + e.col + " >= " + neverSeconds + ")"
	}
	return "(" + e.col + " IS NULL OR " + e.col + " = 0 OR " + e.col + " >= " + neverSeconds + ")"
}

// live is the condition that a row has not ended.
func (e expiry) live() string {
	if e.isDate() {
		return "(" + e.never() + " OR " + e.col + " > NOW(3))"
	}
	return "(" + e.never() + " OR " + e.at() + " > " + nowMs + ")"
}

// ends is when a live row ends, in ms since 1970 by the server's clock, or NULL.
func (e expiry) ends() string {
	if e.isDate() {
		return "IF(" + e.never() + ", NULL, " + nowMs + " + TIMESTAMPDIFF(MICROSECOND, NOW(3), " + e.col + ") DIV 1000)"
	}
	return "IF(" + e.never() + ", NULL, " + e.at() + ")"
}

// value is what is stored for a deadline: a moment of the server's clock,
// whenever it comes to run the statement. It is rounded up, so that a session
// never ends early. One that is past gives a time that is over.
func (t table) value(deadline time.Time) string {
	e := t.expiry
	if deadline.IsZero() {
		switch {
		case e.isDate():
			return neverDate
		case e.kind == UnixMillis:
			return neverMillis
		}
		return neverSeconds
	}
	end := nowMs + " - 1000"
	if !past(deadline) {
		there := t.clock.There(deadline)
		ms := there.UnixMilli()
		if there.Nanosecond()%1e6 > 0 {
			ms++
		}
		end = fmt.Sprint(ms)
	}
	switch e.kind {
	case UnixMillis:
		return end
	case DateTimeMs: // a date is of the session's time zone, so it is made from the server's
		return fmt.Sprintf("NOW(3) + INTERVAL 1000 * (%s - %s) MICROSECOND", end, nowMs)
	case DateTime:
		return fmt.Sprintf("NOW(0) + INTERVAL CEIL((%s - %s + MICROSECOND(NOW(3)) / 1000) / 1000) SECOND", end, nowMs)
	}
	return fmt.Sprintf("(%s + 999) DIV 1000", end)
}

// stamp makes the assignments that give a row its new deadline, and differ from
// what is there in any case: a write that changes no byte is no modification to
// InnoDB, and a guard would not hear of it. was is the new deadline, as an
// expression, and now that of the time column.
func (e expiry) stamp(was, now string) string {
	if e.time != "" {
		return fmt.Sprintf("%[1]s = IF(%[1]s <=> %[2]s, %[2]s - 1, %[2]s), %[3]s = %[4]s", e.time, now, e.col, was)
	}
	more := was + " + 1"
	switch e.kind {
	case DateTime:
		more = was + " + INTERVAL 1 SECOND"
	case DateTimeMs:
		more = was + " + INTERVAL 1000 MICROSECOND"
	}
	return fmt.Sprintf("%[1]s = IF(%[1]s <=> %[2]s, %[3]s, %[2]s)", e.col, was, more)
}

// deadline notes when a row ends of which ends said so.
func (c *conn) deadline(s *backends.Session, ends any) {
	if ms, ok := integer(ends); ok {
		s.Deadline = c.clock.Here(time.UnixMilli(ms)).UTC()
	}
}
