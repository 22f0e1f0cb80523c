package agent

import "runtime"

// ballastSize is what the heap of an agent seems to hold and does not: a small
// heap is collected each time that it has doubled, which with some MiB of
// sessions on their way is tens of times a second, and each time the stacks of
// all connections are looked at. Nobody writes it, so it takes no memory.
const ballastSize = 64 << 20

// carry keeps the ballast until the returned function is called.
func carry() (drop func()) {
	b := make([]byte, ballastSize)
	return func() { runtime.KeepAlive(b) }
}
