package darklaunch_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestStopped: once the fleet has gone on without this agent every operation is
// an error, also the unlocking and the copies, and it acknowledges nothing.
func TestStopped(t *testing.T) {
	ctx := context.Background()
	kept := flags.NewKept(flags.KeptOptions{})
	kept.Begin()
	d := flags.Definition{Migration: migration, Epoch: 1, Default: position.Fenced}
	d.Weights[position.Fenced] = flags.Buckets
	data, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Take(data, flags.FromFile); err != nil {
		t.Fatal(err)
	}
	hasher, _ := flags.NewHasher(make([]byte, 32))
	l, err := darklaunch.New(darklaunch.Options{Migration: migration, Kinds: phpKinds, Hasher: hasher, Flags: kept,
		Old: darklaunch.Store{Store: memory.New(memory.Options{})}, New: darklaunch.Store{Store: memory.New(memory.Options{})}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	door, me := l.Door("library"), kinds.Owner{Client: "me", Conn: 1}
	s := backends.Session{Data: []byte("x"), Deadline: time.Now().Add(time.Hour)}
	operations := map[string]func() error{
		"get":    func() error { _, _, err := door.Get(ctx, ref("one")); return err },
		"set":    func() error { return door.Set(ctx, ref("one"), s) },
		"add":    func() error { _, err := door.Add(ctx, ref("two"), s); return err },
		"touch":  func() error { _, err := door.Touch(ctx, ref("one"), s.Deadline); return err },
		"lock":   func() error { _, err := door.Lock(ctx, ref("one"), me, time.Second); return err },
		"unlock": func() error { _, err := door.Unlock(ctx, ref("one"), me); return err },
		"copy":   func() error { return l.CopyOne(ctx, ref("one"), darklaunch.Forward).Err },
		"delete": func() error { _, err := door.Delete(ctx, ref("gone")); return err },
	}
	for name, do := range operations {
		if err := do(); errors.Is(err, darklaunch.ErrStopped) {
			t.Errorf("%s before it stopped: %v", name, err)
		}
	}
	kept.Stop("the roster does not name it")
	for name, do := range operations {
		if err := do(); !errors.Is(err, darklaunch.ErrStopped) {
			t.Errorf("%s: %v, want ErrStopped", name, err)
		}
	}
	if st := l.Status(); st.Acknowledged || !strings.Contains(st.Stopped, "roster") || !strings.Contains(strings.Join(st.Waiting, " "), "started anew") {
		t.Errorf("it acknowledges %v, stopped %q, waits for %v", st.Acknowledged, st.Stopped, st.Waiting)
	}
}
