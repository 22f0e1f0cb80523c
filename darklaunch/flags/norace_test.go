//go:build !race

package flags

const raceDetector = false
