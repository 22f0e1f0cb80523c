package clientstest

// PHP's locks wait for at most these times, as a site with busy sessions sets
// them: with the defaults php-memcached gives up after 0.75 s, phpredis after
// 25 ms, and the page fails. php-memcache gives a busy machine 1 s, and then
// takes the session for empty.
const (
	memcachedWaits = "memcached.sess_lock_retries=2000"
	redisWaits     = "redis.session.lock_retries=2500"
)

var clients = []client{
	{name: "php-memcached", speaks: "memcached", protocol: "binary", kind: "php", keeps: locked, cut: true,
		start: php("session.php", "session.save_handler=memcached", "session.save_path=%s", "memcached.sess_locking=1",
			memcachedWaits, "memcached.sess_lock_wait_min=5", "memcached.sess_lock_wait_max=20")},
	{name: "php-memcached, ASCII", speaks: "memcached", protocol: "ASCII", kind: "php", keeps: locked,
		start: php("session.php", "session.save_handler=memcached", "session.save_path=%s", "memcached.sess_locking=1", "memcached.sess_binary_protocol=0",
			memcachedWaits, "memcached.sess_lock_wait_min=5", "memcached.sess_lock_wait_max=20")},
	{name: "php-memcache", speaks: "memcached", protocol: "ASCII", kind: "php-memcache", keeps: locked, shared: 2, note: "waits up to 0.64 s more after each refusal; unlocks by writing alone: a page that only reads keeps others out for 15 s",
		start: php("session.php", "session.save_handler=memcache", `session.save_path="tcp://%s?timeout=10"`)},
	{name: "phpredis", speaks: "redis", protocol: "RESP2", kind: "php", keeps: locked, cut: true,
		start: php("session.php", "session.save_handler=redis", "session.save_path=tcp://%s", "redis.session.locking_enabled=1",
			redisWaits, "redis.session.lock_wait_time=10000")},
	{name: "phpredis, no locks", speaks: "redis", protocol: "RESP2", kind: "php",
		start: php("session.php", "session.save_handler=redis", "session.save_path=tcp://%s")},
	{name: "Symfony MemcachedSessionHandler", speaks: "memcached", protocol: "ASCII", kind: "symfony-memcached", start: php("symfony.php")},
	{name: "Symfony RedisSessionHandler", speaks: "redis", protocol: "RESP2", kind: "symfony-redis", start: php("symfony.php")},
	{name: "Laravel, memcached", speaks: "memcached", protocol: "ASCII", kind: "laravel-memcached", start: php("laravel.php")},
	{name: "Laravel, redis", speaks: "redis", protocol: "RESP2", kind: "laravel-redis", start: php("laravel.php")},

	{name: "connect-redis, redis", speaks: "redis", protocol: "RESP2", kind: "connect-redis", start: node},
	{name: "connect-redis, ioredis", speaks: "redis", protocol: "RESP2", kind: "connect-redis", start: node},
	{name: "connect-redis, ioredis 6", speaks: "redis", protocol: "RESP3", kind: "connect-redis", start: node},
	{name: "connect-memcached", speaks: "memcached", protocol: "ASCII", kind: "connect-memcached", start: node},
	{name: "memjs", speaks: "memcached", protocol: "binary", kind: "memjs", start: node, note: "with a session store of a few lines: it has none"},

	{name: "pymemcache", speaks: "memcached", protocol: "ASCII", kind: "own", keeps: swapped, cut: true, start: python, note: "sessions of the test's own, by gets and cas"},
	{name: "redis-py", speaks: "redis", protocol: "RESP2", kind: "own", keeps: locked, cut: true, start: python, note: "sessions of the test's own, behind its Lock"},
	{name: "Django cache, memcached", speaks: "memcached", protocol: "ASCII", kind: "django", start: python},
	{name: "Django cached_db, memcached", speaks: "memcached", protocol: "ASCII", kind: "django-db", start: python, note: "the database holds each session too"},
	{name: "Django cache, redis", speaks: "redis", protocol: "RESP2", kind: "django", start: python, note: "database 1 in LOCATION"},
	{name: "Django cached_db, redis", speaks: "redis", protocol: "RESP2", kind: "django-db", start: python, note: "the same"},

	{name: "dalli", speaks: "memcached", protocol: "binary", kind: "dalli", start: ruby},
	{name: "redis-rack", speaks: "redis", protocol: "RESP2", kind: "redis-rack", start: ruby},

	{name: "gomemcache", speaks: "memcached", protocol: "ASCII", kind: "own", keeps: swapped, start: golang, note: "sessions of the test's own, by gets and cas"},
	{name: "go-redis", speaks: "redis", protocol: "RESP3", kind: "own", keeps: locked, start: golang, note: "sessions of the test's own, behind SET NX PX"},
	{name: "scs", speaks: "redis", protocol: "RESP3", kind: "scs", start: scsSite, note: "with its goredisstore, through its middleware"},
}
