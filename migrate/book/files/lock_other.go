//go:build !unix

package files

import (
	"errors"
	"os"
)

func tryLock(*os.File) (bool, error) {
	return false, errors.New("this system has no flock: move the ramp from a Unix host")
}
