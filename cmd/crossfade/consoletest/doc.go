// Package consoletest opens the console in a real Chromium: on a real server
// process, with real agents and traffic over real memcached and redis, and, for
// what would take a hundred hosts, on an API that stands in for a server.
package consoletest
