package cli

import (
	"os"
	"runtime"
)

// share has this process run Go on half of the machine's processors, one at
// least: the others are the application's. On two it spares waking a second
// thread for half of the requests. The environment's GOMAXPROCS is heeded.
func share() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(max(1, runtime.GOMAXPROCS(0)/2))
	}
}
