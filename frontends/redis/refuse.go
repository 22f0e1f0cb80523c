package redis

import (
	"strings"

	"github.com/seed-41165957/crossfade/frontends"
)

// refusals of commands that people will miss, by class.
var refusals = func() map[string]string {
	m := map[string]string{}
	for class, names := range map[string]string{
		frontends.ClassTransaction: "watch",
		frontends.ClassPubSub:      "subscribe unsubscribe psubscribe punsubscribe ssubscribe sunsubscribe publish spublish pubsub monitor",
		frontends.ClassScan:        "scan keys dbsize randomkey",
		frontends.ClassFlush:       "flushall flushdb",
		frontends.ClassArithmetic:  "incrbyfloat",
		frontends.ClassConcat:      "setrange",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = class
		}
	}
	return m
}()

var remedies = map[string]string{
	frontends.ClassTransaction: "it watches no key, so that EXEC could not keep what WATCH promises; use SET with NX for a lock",
	frontends.ClassPubSub:      "use another server for messages",
	frontends.ClassScan:        "ask the stores themselves, or list sessions with crossfade",
	frontends.ClassFlush:       "it would log everybody out; delete the sessions that shall end",
	frontends.ClassArithmetic:  "use INCRBY, or another server for counters",
	frontends.ClassConcat:      "GET the session, change it, and SET it whole",
}

// refuse answers commands that are not served. Clients that can do without one
// look for Redis's "unknown command".
func (h *handler) refuse(name []byte) error {
	switch string(name) {
	case "post", "host:": // a browser was told to talk to us (Redis, securityWarningCommand)
		return frontends.ErrQuit
	}
	if !h.authed {
		return h.reject(errAuth)
	}
	if h.tx != nil {
		h.tx.spoil()
	}
	if class, ok := refusals[string(name)]; ok {
		return h.unsupported(class, "ERR "+strings.ToUpper(string(name))+" is not supported by crossfade: "+remedies[class])
	}
	return h.unsupported(frontends.ClassCommand, "ERR unknown command '"+harmless(h.args[0])+
		"': crossfade serves sessions (GET, SET, SETEX, EXPIRE, DEL and the like); send this to another server")
}

// probes are subcommands that clients try and do without. They are no sign that
// somebody misses something, and are not counted.
var probes = map[string]bool{"maint_notifications": true}

func (h *handler) subUnknown(container string) error {
	text := "ERR unknown subcommand '" + harmless(h.args[1]) + "'. Try " + container + " HELP."
	switch {
	case !h.authed:
		return h.reject(errAuth)
	case probes[word(h.args[1])]:
		return h.reject(text)
	}
	if h.tx != nil {
		h.tx.spoil()
	}
	return h.unsupported(frontends.ClassCommand, text)
}

// harmless is a word for an error text, if it may be a name at all.
func harmless(b []byte) string {
	if len(b) > 32 {
		return "?"
	}
	for _, c := range b {
		if c != '-' && c != '_' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "?"
		}
	}
	return string(b)
}
