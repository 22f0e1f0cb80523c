package cli

import "fmt"

func errStage(got string) error {
	return fmt.Errorf("no stage %q to ramp: accepted are mirror, read-new and cutover", got)
}

func errBack(got string) error {
	return fmt.Errorf("--to %q: accepted are read-new, mirror and off", got)
}

func errStore(got string) error {
	return fmt.Errorf("no store %q here: accepted is old", got)
}
