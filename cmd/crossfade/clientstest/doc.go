// Package clientstest has the session clients that people run speak to an agent:
// PHP's extensions and frameworks, Node's, Python's, Ruby's and Go's libraries,
// each as its authors made it, at each position of a migration, and with the
// other kind of store behind. It has tests, and nothing to import.
//
//	go test -v ./cmd/crossfade/clientstest                      // four of them, one position
//	CROSSFADE_LONG=1 go test -v ./cmd/crossfade/clientstest     // all; also: make test-clients
//	CROSSFADE_LONG=1 go test -run Matrix ./cmd/crossfade/clientstest -update // writes docs/clients.md
//
// Each client has a script in testdata, a small site that counts clicks in a
// session; all scripts answer alike (script.go says how).
package clientstest
