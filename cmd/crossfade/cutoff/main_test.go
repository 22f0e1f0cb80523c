package cutoff

import (
	"testing"

	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
)

func TestMain(m *testing.M) { binarytest.Main(m) }
