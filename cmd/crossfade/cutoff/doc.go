// Package cutoff tries agents that only a store reaches: the crossfade binary
// as two agents without a flag file and as the command line, a real memcached
// and a real Redis. It has tests, and nothing to import.
//
//	go test -v ./cmd/crossfade/cutoff
package cutoff
