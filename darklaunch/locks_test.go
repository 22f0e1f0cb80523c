package darklaunch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// A client's token that continues another's with '#'.
func TestLockTokenPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Off)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		if ok, err := a.Lock(bg, ref("one"), kinds.Owner{Client: "web#2"}, 0); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if ok, _ := b.Unlock(bg, ref("one"), kinds.Owner{Client: "web"}); ok {
			t.Error(`the lock of client "web#2" was given back by client "web"`)
		}
	})
}

// A grant that ran out stays in the table, and hides that another agent's lock
// is the asker's.
func TestStaleGrantRefusesAnUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, position.Off)
		a, b := r.layers[0].Door("library"), r.layers[1].Door("library")
		a.Lock(bg, ref("one"), kinds.Owner{Client: "x"}, time.Second)
		time.Sleep(2 * time.Second)
		if ok, _ := b.Lock(bg, ref("one"), kinds.Owner{Client: "y"}, 0); !ok {
			t.Fatal("not granted")
		}
		if ok, _ := a.Unlock(bg, ref("one"), kinds.Owner{Client: "y"}); !ok {
			t.Error("y's lock was not given back at A, for a grant of x that ran out")
		}
	})
}

// The zero Ref is an error for every operation but this one.
func TestLockOfNoSessionPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1, position.Off)
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("Lock of the zero Ref panics: %v", p)
			}
		}()
		if _, err := r.layers[0].Door("library").Lock(bg, kinds.Ref{}, kinds.Owner{Conn: 1}, 0); err == nil {
			t.Error("no error")
		}
	})
}
