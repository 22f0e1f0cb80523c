package darklaunch_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// A layer from two stores and a source of flags.
func Example() {
	set, _ := kinds.Compile([]kinds.Kind{{Name: "web", Keys: []string{"sess:{id: [a-z0-9]+}"}}})
	hasher, _ := flags.NewHasher(make([]byte, flags.KeySize)) // yours is random, and the fleet's
	mirror := flags.Definition{Migration: "sessions", Epoch: 1, Default: position.Mirror}
	mirror.Weights[position.Mirror] = flags.Buckets
	revision, _ := mirror.Compile()
	layer, _ := darklaunch.New(darklaunch.Options{
		Migration: "sessions", Kinds: set, Hasher: hasher, Flags: flags.NewStatic(revision), // or flags.NewFile
		Old: darklaunch.Store{Store: memory.New(memory.Options{})},
		New: darklaunch.Store{Store: memory.New(memory.Options{})},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- layer.Run(ctx) }()

	door := layer.Door("library")
	ref, _ := door.ResolveString("sess:abc")
	door.Set(ctx, ref, backends.Session{Data: []byte("cart: 3"), Deadline: time.Now().Add(time.Hour)})
	s, found, err := door.Get(ctx, ref)
	fmt.Println(string(s.Data), found, err)

	stop()
	<-done
	layer.Close()
	// Output: cart: 3 true <nil>
}
