package main

import (
	"fmt"
	"strings"
)

// wire is what one client says and hears: a read and a write of one session of
// its own, as bytes. Sizes are all that is needed to find the end of an answer:
// the session never changes.
type wire struct {
	get, set         []byte
	gets, sets       int // bytes of their answers
	getHead, setHead byte
}

// oneKiB is a session.
var oneKiB = fmt.Sprintf(`n|s:1012:"%s";`, strings.Repeat("x", 1012))

// memcachedWire speaks as php-memcached does without the binary protocol.
func memcachedWire(id string) wire {
	key := "memc.sess.key." + id
	return wire{
		get:     []byte("get " + key + "\r\n"),
		set:     fmt.Appendf(nil, "set %s 0 1440 %d\r\n%s\r\n", key, len(oneKiB), oneKiB),
		gets:    len(fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(oneKiB), oneKiB)),
		sets:    len("STORED\r\n"),
		getHead: 'V', setHead: 'S',
	}
}

// redisWire speaks as phpredis does.
func redisWire(id string) wire {
	key := "PHPREDIS_SESSION:" + id
	return wire{
		get:     fmt.Appendf(nil, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", len(key), key),
		set:     fmt.Appendf(nil, "*4\r\n$5\r\nSETEX\r\n$%d\r\n%s\r\n$4\r\n1440\r\n$%d\r\n%s\r\n", len(key), key, len(oneKiB), oneKiB),
		gets:    len(fmt.Sprintf("$%d\r\n%s\r\n", len(oneKiB), oneKiB)),
		sets:    len("+OK\r\n"),
		getHead: '$', setHead: '+',
	}
}
