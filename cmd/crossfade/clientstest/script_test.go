package clientstest

import (
	"fmt"
	"testing"
)

// script is a site that counts clicks in a session, made with one client. It is
// asked by numbered connections: what one is asked comes one after the other,
// and those of different numbers at once, where the client can, over
// connections of their own.
type script interface {
	// ask does one of:
	//
	//	version    what is installed, in Note
	//	login      a new session of User, count 0
	//	click      one more; after Hold milliseconds between reading and writing
	//	look       reads and changes nothing
	//	renew      the same session under a new id
	//	logout     ends it
	//
	// An error is one that a user would see.
	ask(conn int, q question) (answer, error)
	// warnings are what it has logged that says that something is wrong.
	warnings() []string
	// stop ends it, once. It may outlive the test that has started it.
	stop() error
}

type question struct {
	Op   string `json:"op"`
	ID   string `json:"id,omitempty"` // of the session, as its browser has it
	User string `json:"user,omitempty"`
	Hold int    `json:"hold,omitempty"`
}

type answer struct {
	ID      string `json:"id"` // where it has changed
	User    string `json:"user"`
	N       int    `json:"n"`
	Missing bool   `json:"missing"` // nobody is logged in under this id
	Error   string `json:"error"`
	Note    string `json:"note"`
}

// locking is what keeps two clicks of one session apart.
type locking string

const (
	unlocked locking = ""     // nothing: the last one wins
	locked   locking = "lock" // one waits for the other
	swapped  locking = "cas"  // the one that comes late does it again
)

// client is one library as it is set up in one site.
type client struct {
	name     string // unique; a subtest's name
	speaks   string // memcached or redis
	protocol string // how, for people
	kind     string // of kindsYAML
	keeps    locking
	// shared is how often each connection clicks in one session of all; 0: as
	// often as elsewhere.
	shared int
	// cut is in every run, not in the long one alone.
	cut   bool
	note  string
	start func(t testing.TB, c client, addr string) script
}

// kindsYAML is what the agent is told of the sessions of each client.
var kindsYAML = map[string]string{
	"php":               `keys: ["memc.sess.key.{id: [A-Za-z0-9,-]+}", "PHPREDIS_SESSION:{id}"], locks: ["memc.sess.key.lock.{id}", "PHPREDIS_SESSION:{id}_LOCK"], format: php`,
	"php-memcache":      `keys: ["{id: [a-z0-9]{26}}"], locks: ["{id}.lock"], format: php`,
	"symfony-redis":     `keys: ["sf_s{id: [A-Za-z0-9,-]+}"], format: php`,
	"symfony-memcached": `keys: ["sf2s{id: [A-Za-z0-9,-]+}"], format: php`,
	"laravel-redis":     `keys: ["laravel_database_laravel_cache:{id: [A-Za-z0-9]{40}}"]`,
	"laravel-memcached": `keys: ["laravel_cache:{id: [A-Za-z0-9]{40}}"]`,
	"connect-redis":     `keys: ["sess:{id: [A-Za-z0-9_-]+}"], format: json`,
	"connect-memcached": `keys: ["{id: [A-Za-z0-9_-]{32}}"], flags: 2, format: json`,
	"memjs":             `keys: ["memjs:{id: [A-Za-z0-9_-]+}"], format: json`,
	"django":            `keys: [":1:django.contrib.sessions.cache{id: [a-z0-9]{32}}"], flags: 1`,
	"django-db":         `keys: [":1:django.contrib.sessions.cached_db{id: [a-z0-9]{32}}"], flags: 1`,
	"redis-rack":        `keys: ["rack:session:{id: [0-9a-f:]+}"]`,
	"dalli":             `keys: ["dalli:{id: [0-9a-f]+}"], flags: 1`,
	"scs":               `keys: ["scs:session:{id: [A-Za-z0-9_-]{43}}"]`,
	"own":               `keys: ["own:{id: [0-9a-f]{32}}"], locks: ["own-lock:{id}"]`,
}

func (a answer) is(user string, n int) error {
	if a.Missing {
		return fmt.Errorf("nobody is logged in, want %s with %d", user, n)
	}
	if a.User != user || a.N != n {
		return fmt.Errorf("got %q with %d, want %s with %d", a.User, a.N, user, n)
	}
	return nil
}
