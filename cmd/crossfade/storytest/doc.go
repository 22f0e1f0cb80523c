// Package storytest is the whole way of a migration under load, with faults, on
// real servers: sessions move from memcached over a Galera cluster of three
// nodes to a Redis with a replica and three Sentinels, by two crossfade servers
// and a fleet of agents, each a process. Users log in, click, log out; a ledger
// that knows nothing of Crossfade judges what they were told. It has tests, and
// nothing to import.
//
//	go test -v ./cmd/crossfade/storytest
//	CROSSFADE_LONG=1 go test -v -timeout 60m ./cmd/crossfade/storytest
package storytest
