package watchtest

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// poll waits until ok, at most limit.
func poll(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	limit *= busy
	for end := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v still waiting: %s", limit, what)
		}
	}
}
