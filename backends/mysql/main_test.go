package mysql

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets more subtests wait at once than there are cores: most of their
// time is spent waiting for deadlines of whole seconds.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
