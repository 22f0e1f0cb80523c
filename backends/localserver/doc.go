// Package localserver starts real servers on this machine, for tests and for
// a demonstration: a redis-server, a memcached, a MariaDB or a Galera cluster on
// free loopback ports, its data in a temporary folder, gone when it is stopped.
//
//	s, err := localserver.Redis(ctx, localserver.Options{})
//	if err != nil {
//		return err // a missing program says what to install
//	}
//	defer s.Stop()
//	use(s.Addr())
//
// RedisSentinel and RedisCluster start several that belong together.
//
// It promises that every wait is bounded, that a child dies with the program
// that started it, and that Kill, Freeze, Thaw and Restart have happened when
// they return: a frozen server no longer answers, a restarted one does.
package localserver
