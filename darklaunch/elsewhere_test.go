package darklaunch_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// TestElsewhere: a layer obeys a definition that was made elsewhere, and one that
// comes after it, though no revision of ours is known and the epoch stays; it
// acknowledges nothing meanwhile.
func TestElsewhere(t *testing.T) {
	ctx := context.Background()
	kept := flags.NewKept(flags.KeptOptions{Migration: migration})
	kept.Begin()
	hasher, _ := flags.NewHasher(make([]byte, 32))
	newer := memory.New(memory.Options{})
	l, err := darklaunch.New(darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: hasher, Flags: kept,
		Old: darklaunch.Store{Store: memory.New(memory.Options{})}, New: darklaunch.Store{Store: newer}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(run) })
	defer wg.Wait()
	defer end()
	door := l.Door("library")
	if l.Serves() {
		t.Error("it serves, and nothing is known")
	}
	n := 0
	// mirrors tells whether a write is copied to new; it writes until the layer has
	// taken what is wanted.
	mirrors := func(want bool) {
		t.Helper()
		for limit := time.Now().Add(20 * time.Second); ; {
			n++
			r := ref("s" + string(rune('a'+n%26)) + string(rune('a'+n/26%26)))
			if err := door.Set(ctx, r, backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Hour)}); err == nil {
				if err := l.Barrier(ctx); err != nil { // what was queued has arrived
					t.Fatal(err)
				}
				_, found, err := newer.Get(ctx, r.NewKey())
				if err != nil {
					t.Fatal(err)
				}
				if found == want {
					return
				}
			}
			if time.Now().After(limit) {
				t.Fatalf("writes are mirrored: %v, want %v", !want, want)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	for _, variant := range []string{"on", "off", "on"} {
		text := `{"flags": {"crossfade-stage": {"state": "ENABLED", "variants": {"on": "read-new", "off": "off"}, "defaultVariant": "` + variant + `"}}}`
		if err := kept.Take([]byte(text), flags.FromURL); err != nil {
			t.Fatal(err)
		}
		mirrors(variant == "on")
		if st := l.Status(); !l.Serves() || st.Acknowledged || st.Epoch != 0 || !st.FlagsElsewhere {
			t.Errorf("%s: serves %v, status %+v", variant, l.Serves(), st)
		}
	}
}
