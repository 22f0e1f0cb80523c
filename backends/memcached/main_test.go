package memcached

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The suite's promises mostly wait for deadlines of whole seconds; two at a
	// time, as on two cores, would be half a minute.
	flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}
