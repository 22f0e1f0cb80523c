// Package setup makes a crossfade.yaml: it knows what clients call their
// sessions, looks at what answers on this host, and writes a file that loads.
//
//	found := setup.Look(ctx, setup.Places{})
//	answers := setup.Answers{Client: "php-memcached", Old: "memcached:127.0.0.1:11211", New: "redis:127.0.0.1:6379"}
//	text, err := setup.Render(answers)
//
// It promises that it changes nothing but the file that it is told to write,
// that it overwrites none, and that no secret is in one: passwords are named by
// the paths of their files.
package setup

// Client is one library that keeps sessions, and what it calls them.
type Client struct {
	Name   string
	What   string
	Speaks string // memcached, redis; or files, whose clients then speak redis
	Keys   []string
	Locks  []string
	Format string
	Flags  uint32 // memcached's, that it usually sets
	// PHP sessions change their handler when they leave memcached or files: then
	// they have phpredis's names in a new Redis.
	PHP bool
	// Note is what to know before.
	Note string
}

const phpID = "{id: [A-Za-z0-9,-]+}"

const phpredisKey, phpredisLock = "PHPREDIS_SESSION:{id}", "PHPREDIS_SESSION:{id}_LOCK"

// Clients are those that are known, as captured on the wire with the versions
// in brackets.
var Clients = []Client{
	{Name: "php-memcached", What: "PHP, session.save_handler=memcached (3.2)", Speaks: "memcached", PHP: true, Format: "php",
		Keys: []string{"memc.sess.key." + phpID}, Locks: []string{"memc.sess.key.lock.{id}"}},
	{Name: "php-memcache", What: "PHP, session.save_handler=memcache (8.2)", Speaks: "memcached", PHP: true, Format: "php",
		Keys: []string{phpID}, Locks: []string{"{id}.lock"},
		Note: "it takes an error for an empty session: try it before anything else"},
	{Name: "phpredis", What: "PHP, session.save_handler=redis (6.0)", Speaks: "redis", PHP: true, Format: "php",
		Keys: []string{"PHPREDIS_SESSION:" + phpID}, Locks: []string{phpredisLock}},
	{Name: "php-files", What: "PHP, session.save_handler=files: moves to redis at the agent's socket first, over the same files", Speaks: "files", PHP: true, Format: "php",
		Keys: []string{phpID, phpredisKey}, Locks: []string{"{id}_LOCK", phpredisLock}},
	{Name: "symfony-redis", What: "Symfony's RedisSessionHandler (6, 7)", Speaks: "redis", Format: "php", Keys: []string{"sf_s" + phpID}},
	{Name: "symfony-memcached", What: "Symfony's MemcachedSessionHandler (6, 7)", Speaks: "memcached", Format: "php", Keys: []string{"sf2s" + phpID}},
	{Name: "connect-redis", What: "Node, express-session with connect-redis (7, 9)", Speaks: "redis", Format: "json", Keys: []string{"sess:{id: [A-Za-z0-9_-]+}"}},
	{Name: "connect-memcached", What: "Node, express-session with connect-memcached (3)", Speaks: "memcached", Format: "json", Flags: 2, Keys: []string{"{id: [A-Za-z0-9_-]{32}}"}},
	{Name: "django-memcached", What: "Django's cache sessions over memcached", Speaks: "memcached", Flags: 1,
		Keys: []string{":1:django.contrib.sessions.cache{id: [a-z0-9]{32}}"}},
	{Name: "django-redis", What: "Django's cache sessions over Redis (django-redis)", Speaks: "redis",
		Keys: []string{":1:django.contrib.sessions.cache{id: [a-z0-9]{32}}"}, Note: "it selects database 1: give the store database: 1"},
	{Name: "redis-rack", What: "Ruby, redis-rack (2, 3)", Speaks: "redis", Keys: []string{"rack:session:{id: [0-9a-f:]+}"}},
}

// ClientOf finds one by its name.
func ClientOf(name string) (Client, bool) {
	for _, c := range Clients {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// Names of the clients.
func Names() (names []string) {
	for _, c := range Clients {
		names = append(names, c.Name)
	}
	return names
}
