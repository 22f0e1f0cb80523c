package storytest

import (
	"os"
	"testing"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

func TestMain(m *testing.M) { binarytest.Main(m) }

// long is the whole story; without it, a cut that fits beside other tests.
var long = os.Getenv("CROSSFADE_LONG") != ""
