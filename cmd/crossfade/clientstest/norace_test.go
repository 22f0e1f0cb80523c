//go:build !race

package clientstest

const raceFlag = "-race=false"
