package frontends

import (
	"cmp"
	"log/slog"
	"time"
)

// Options of a server. The zero value works: each zero field is the value that
// its comment gives.
type Options struct {
	// Connections at once: 10,000. One more is told so and closed. (At rest
	// one costs 9 KB, goroutine and buffer.)
	Connections int
	// Line is the longest line of a command: 64 KiB, as Redis has it for
	// inline commands; a get of 250 long keys.
	Line int
	// Args of one command: 1,024. More are read, and the command is refused.
	Args int
	// Value is the largest value: 1 MiB, memcached's. A larger one is read
	// away, and the command is refused.
	Value int
	// Idle is how long a connection may rest, and up to half as long again: an
	// hour, longer than client
	// libraries keep theirs (go-redis: 30 minutes), so that they end it, and
	// never with a request under way. Negative: for ever.
	Idle time.Duration
	// Young is how old a connection is at the most to count as one request,
	// which Shutdown lets end: 1 s. (Clients that connect for each request, as
	// PHP does, send commands with the page's work in between.) Older ones are
	// kept for many requests, and closed between two commands. Negative: none is.
	Young time.Duration
	// Command is how long the rest of a command may take once it has begun:
	// 30 s, which is 1 MiB over a line of 35 KB/s.
	Command time.Duration
	// Write is how long a client may take no answers, and up to half as long
	// again: 10 s.
	Write time.Duration
	// Output is how many bytes of answers may wait while further commands of
	// the same packet are read: 64 KiB. Then they are sent, and reading waits
	// for the client to take them.
	Output int
	// Hold is how many bytes of one answer are held back, so that an error in
	// a later part can take the place of the whole: 2 MiB. In an answer that is
	// longer an error ends the connection.
	Hold int

	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// Observer may be nil.
	Observer Observer
	// Log may be nil. It gets what no client can be told: accepting failed.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Connections = cmp.Or(o.Connections, 10_000)
	o.Line = cmp.Or(o.Line, 64<<10)
	o.Args = cmp.Or(o.Args, 1024)
	o.Value = cmp.Or(o.Value, 1<<20)
	o.Idle = cmp.Or(o.Idle, time.Hour)
	o.Young = cmp.Or(o.Young, time.Second)
	o.Command = cmp.Or(o.Command, 30*time.Second)
	o.Write = cmp.Or(o.Write, 10*time.Second)
	o.Output = cmp.Or(o.Output, 64<<10)
	o.Hold = cmp.Or(o.Hold, 2<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
