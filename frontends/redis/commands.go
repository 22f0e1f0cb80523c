package redis

import "context"

// command is one that is served, or a container of such.
type command struct {
	arity int // with the name; negative: at least so many
	do    func(*handler, context.Context) error
	when  when
	subs  map[string]command // by the second word; nil: it is no container
}

type when uint8

const (
	stranger when = 1 << iota // also before the password was given
	atOnce                    // also between MULTI and EXEC, which do not queue it
)

var commands map[string]command

func init() { // not a literal: some commands look others up
	commands = map[string]command{
		"get": {arity: 2, do: (*handler).get}, "mget": {arity: -2, do: (*handler).mget},
		"strlen": {arity: 2, do: (*handler).strlen}, "exists": {arity: -2, do: (*handler).exists}, "type": {arity: 2, do: (*handler).typeOf},
		"getrange": {arity: 4, do: (*handler).getrange}, "substr": {arity: 4, do: (*handler).getrange},

		"set": {arity: -3, do: (*handler).set}, "setnx": {arity: 3, do: (*handler).setnx}, "getset": {arity: 3, do: (*handler).getset},
		"setex": {arity: 4, do: (*handler).setex}, "psetex": {arity: 4, do: (*handler).psetex},
		"del": {arity: -2, do: (*handler).del}, "unlink": {arity: -2, do: (*handler).del}, "getdel": {arity: 2, do: (*handler).getdel},

		"append": {arity: 3, do: (*handler).append},
		"incr":   {arity: 2, do: (*handler).incr}, "incrby": {arity: 3, do: (*handler).incrby},
		"decr": {arity: 2, do: (*handler).decr}, "decrby": {arity: 3, do: (*handler).decrby},

		"expire": {arity: -3, do: (*handler).expire}, "pexpire": {arity: -3, do: (*handler).pexpire},
		"expireat": {arity: -3, do: (*handler).expireat}, "pexpireat": {arity: -3, do: (*handler).pexpireat},
		"persist": {arity: 2, do: (*handler).persist}, "getex": {arity: -2, do: (*handler).getex}, "touch": {arity: -2, do: (*handler).exists},
		"ttl": {arity: 2, do: (*handler).ttl}, "pttl": {arity: 2, do: (*handler).pttl},
		"expiretime": {arity: 2, do: (*handler).expiretime}, "pexpiretime": {arity: 2, do: (*handler).pexpiretime},

		"multi": {arity: 1, do: (*handler).multi, when: atOnce}, "exec": {arity: 1, do: (*handler).exec, when: atOnce},
		"discard": {arity: 1, do: (*handler).discard, when: atOnce}, "unwatch": {arity: 1, do: (*handler).unwatch},

		"eval": {arity: -3, do: (*handler).eval}, "evalsha": {arity: -3, do: (*handler).evalsha},
		"script": {arity: -2, subs: map[string]command{
			"load": {arity: 3, do: (*handler).scriptLoad}, "exists": {arity: -3, do: (*handler).scriptExists},
		}},

		"ping": {arity: -1, do: (*handler).ping}, "echo": {arity: 2, do: (*handler).echo}, "select": {arity: 2, do: (*handler).selectDB},
		"auth": {arity: -2, do: (*handler).auth, when: stranger}, "hello": {arity: -1, do: (*handler).hello, when: stranger},
		"quit":  {arity: -1, do: (*handler).quit, when: stranger | atOnce},
		"reset": {arity: 1, do: (*handler).reset, when: stranger | atOnce},
		"client": {arity: -2, subs: map[string]command{
			"id": {arity: 2, do: (*handler).clientID}, "getname": {arity: 2, do: (*handler).clientName},
			"setname": {arity: 3, do: (*handler).clientSetName}, "setinfo": {arity: 4, do: (*handler).clientInfo},
			"tracking": {arity: -3, do: (*handler).clientTracking},
		}},
		"info": {arity: -1, do: (*handler).info},
		"command": {arity: -1, do: (*handler).command, subs: map[string]command{
			"count": {arity: 2, do: (*handler).commandCount}, "docs": {arity: -2, do: (*handler).commandDocs},
		}},
		"config": {arity: -2, subs: map[string]command{"get": {arity: -3, do: (*handler).configGet}}},
	}
}

// fits tells whether a command may have so many words.
func (c *command) fits(words int) bool {
	if c.arity > 0 {
		return words == c.arity
	}
	return words >= -c.arity
}
