package redis

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/seed-41165957/crossfade/frontends"
)

func (h *handler) ping(context.Context) error {
	switch len(h.args) {
	case 1:
		return h.simple("+PONG\r\n")
	case 2:
		return h.bulk(h.args[1])
	}
	return h.fault("ERR wrong number of arguments for 'ping' command")
}

func (h *handler) echo(context.Context) error { return h.bulk(h.args[1]) }

func (h *handler) quit(context.Context) error {
	h.ok()
	return frontends.ErrQuit
}

func (h *handler) reset(context.Context) error {
	h.authed, h.name, h.resp, h.tx = h.p.password == "", "", 2, nil
	return h.simple("+RESET\r\n")
}

func (h *handler) selectDB(context.Context) error {
	n, ok := integer(h.args[1])
	switch {
	case !ok:
		return h.fault(errInteger)
	case n != 0 && !slices.Contains(h.p.dbs, int(n)):
		return h.unsupported(frontends.ClassDatabase, errDatabase)
	}
	return h.ok()
}

// command is COMMAND: redis-cli asks for help texts, and does without.
func (h *handler) command(context.Context) error { return h.simple("*0\r\n") }

func (h *handler) commandCount(context.Context) error { return h.number(':', int64(len(commands))) }

func (h *handler) commandDocs(context.Context) error { return h.dict(0) }

// configGet is CONFIG GET, which redis-benchmark asks: there is nothing.
func (h *handler) configGet(context.Context) error { return h.dict(0) }

var started = time.Now()

// info answers what clients look for before they send commands (ioredis:
// loading). What the agent does is in its metrics.
func (h *handler) info(context.Context) error {
	return h.verbatim(fmt.Sprintf("# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\nprocess_id:%d\r\nuptime_in_seconds:%d\r\n"+
		"\r\n# Persistence\r\nloading:0\r\n\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n",
		h.p.version, os.Getpid(), int64(time.Since(started)/time.Second)))
}
