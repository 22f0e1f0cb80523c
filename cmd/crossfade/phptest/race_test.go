//go:build race

package phptest

// raceFlag builds the agents as this test was built.
const raceFlag = "-race"
