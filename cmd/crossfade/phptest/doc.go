// Package phptest tries the whole of Crossfade from outside: the crossfade
// binary as agents and as the command line, a real memcached and Redis, and
// real PHP in front. It has tests and a benchmark, and nothing to import.
//
//	go test -run PHPMove -v ./cmd/crossfade/phptest     // php-memcached to phpredis, nobody logged out
//	go test -run Neighbours -v ./cmd/crossfade/phptest  // PHP's locks between two positions
//	go test -run XXX -bench Proxy ./cmd/crossfade/phptest
//
// What a user was told is judged by package ledger, which knows nothing of
// Crossfade. CROSSFADE_LONG=1 makes the crowds larger.
package phptest
