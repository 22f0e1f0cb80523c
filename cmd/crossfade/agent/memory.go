package agent

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

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

// With the ballast an agent at rest collects nothing for minutes, and the stacks
// of resting connections stay as large as a request needs them.
const (
	quietEvery = 10 * time.Second
	quietBytes = 8 << 20 // allocated in that time: some thousand requests
)

// tidy gives memory back whenever the agent has had little to do, until ctx
// ends.
func tidy(ctx context.Context) {
	tick := time.NewTicker(quietEvery)
	defer tick.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	last := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(sample)
		now := sample[0].Value.Uint64()
		if now-last < quietBytes {
			debug.FreeOSMemory()
		}
		last = now
	}
}
