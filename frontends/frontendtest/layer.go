package frontendtest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/frontends"
)

// Off is a real layer of which every session is in off, over one store. end ends
// the layer and closes the store.
func Off(tb testing.TB, old backends.Store, ks ...kinds.Kind) (s frontends.Sessions, end func()) {
	tb.Helper()
	fail := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	set, err := kinds.Compile(ks)
	fail(err)
	hasher, err := flags.NewHasher(bytes.Repeat([]byte{7}, flags.KeySize))
	fail(err)
	d := flags.Definition{Migration: "m", Epoch: 1, Default: position.Off}
	d.Weights[position.Off] = flags.Buckets
	snapshot, err := d.Compile()
	fail(err)
	l, err := darklaunch.New(darklaunch.Options{Migration: "m", Kinds: set, Hasher: hasher, Flags: flags.NewStatic(snapshot),
		Old: darklaunch.Store{Store: old}, New: darklaunch.Store{Store: memory.New(memory.Options{Migration: "m"})}})
	fail(err)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	return l.Door("test"), func() {
		cancel()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			tb.Error(err)
		}
		if err := errors.Join(l.Close(), old.Close()); err != nil {
			tb.Error(err)
		}
	}
}
