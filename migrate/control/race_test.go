//go:build race

package control

// raceEnabled: times mean little.
const raceEnabled = true
