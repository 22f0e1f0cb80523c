package memory_test

import (
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/backends/memory"
)

func TestSuite(t *testing.T) {
	backendtest.Run(t, func(*testing.T) backends.Store { return memory.New(memory.Options{}) }, backendtest.Options{})
}
