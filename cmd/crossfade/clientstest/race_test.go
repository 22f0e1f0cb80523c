//go:build race

package clientstest

// raceFlag builds the agents as this test was built.
const raceFlag = "-race"
