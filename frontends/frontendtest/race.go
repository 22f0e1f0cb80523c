//go:build race

package frontendtest

// Race tells whether the race detector is on.
const Race = true
