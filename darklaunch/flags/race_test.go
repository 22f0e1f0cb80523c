//go:build race

package flags

const raceDetector = true
