// Package pairtest breaks the members of a replicated memcached pair under
// several agents' traffic, judged by the ledger: no acknowledged write is lost, no
// deleted session comes back, nobody is logged out.
package pairtest
