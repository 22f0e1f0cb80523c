package backendtest

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// mustDeviate runs a promise that the store does not keep, and fails when the
// store keeps it after all.
func mustDeviate(t *testing.T, e *env, c testCase, reason string) {
	r := &recorder{TB: t}
	e.TB = r
	done := make(chan struct{})
	go func() { // FailNow ends a goroutine, and it must not be the test's own
		defer close(done)
		c.run(e)
	}()
	<-done
	failed, skipped, first := r.result()
	switch {
	case skipped:
		t.Errorf("a deviation is declared (%s) for an ability that the store does not have", reason)
	case !failed:
		t.Errorf("a deviation is declared (%s), and the store keeps the promise: the deviation is no longer needed", reason)
	default:
		t.Logf("deviates, as declared (%s): %s", reason, first)
	}
}

// recorder takes the failures of a test as an answer.
type recorder struct {
	testing.TB

	mu              sync.Mutex
	failed, skipped bool   // guarded by mu
	first           string // guarded by mu: the first failure
}

func (r *recorder) result() (failed, skipped bool, first string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed, r.skipped, r.first
}

func (r *recorder) fail(msg string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.failed {
		r.failed, r.first = true, msg
	}
}

func (r *recorder) Helper()                   {}
func (r *recorder) Fail()                     { r.fail("") }
func (r *recorder) Error(args ...any)         { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, a ...any) { r.fail(fmt.Sprintf(f, a...)) }
func (r *recorder) FailNow()                  { r.fail(""); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)         { r.fail(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, a ...any) { r.fail(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (r *recorder) Failed() bool              { failed, _, _ := r.result(); return failed }

func (r *recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}
func (r *recorder) Skip(...any)          { r.SkipNow() }
func (r *recorder) Skipf(string, ...any) { r.SkipNow() }
