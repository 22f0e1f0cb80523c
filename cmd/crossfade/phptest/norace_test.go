//go:build !race

package phptest

const raceFlag = "-race=false"
