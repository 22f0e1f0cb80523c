package flags

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// at is the flags of all sessions in one position.
func at(t testing.TB, epoch uint64, p position.Position) []byte {
	t.Helper()
	d := allAt(p)
	d.Epoch = epoch
	b, err := d.MarshalFlagd()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeptStops: what comes from the fleet and may not follow ends the serving
// for this life; what a person may have mistyped, and what a store has lost,
// does not.
func TestKeptStops(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  Channel
		epoch uint64
		p     position.Position
		err   error // nil: taken
		stops bool
	}{
		{"the next, by the store", FromStore, 6, position.ReadNew, nil, false},
		{"the next, by the server", FromServer, 6, position.ReadNew, nil, false},
		{"the same again", FromStore, 5, position.Fenced, nil, false},
		{"two positions on, by the store", FromStore, 7, position.Sealed, ErrAdjacent, true},
		{"two positions on, by the server", FromServer, 7, position.Sealed, ErrAdjacent, true},
		{"two positions on, in the file", FromFile, 7, position.Sealed, ErrAdjacent, false},
		{"the one after the next, by the server", FromServer, 7, position.Fenced, ErrEpoch, true},
		{"the one after the next, in the file", FromFile, 7, position.Fenced, nil, false},
		{"an older one, by the store", FromStore, 4, position.Mirror, ErrEpoch, false},
		{"an older one, by the server", FromServer, 4, position.Mirror, ErrEpoch, false},
		{"another one of this epoch", FromStore, 5, position.Mirror, ErrEpoch, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := NewKept(KeptOptions{})
			k.Begin()
			if err := k.Take(at(t, 5, position.Fenced), FromFile); err != nil {
				t.Fatal(err)
			}
			err := k.Take(at(t, tt.epoch, tt.p), tt.from)
			if !errors.Is(err, tt.err) || errors.Is(err, ErrStopped) != tt.stops {
				t.Errorf("got %v, want %v (stopped %v)", err, tt.err, tt.stops)
			}
			want := uint64(5)
			if tt.err == nil {
				want = tt.epoch
			}
			st := k.Status()
			if st.Epoch != want || (st.Stopped != "") != tt.stops || st.Stopped != k.Stopped() {
				t.Errorf("serves %d, stopped %q, want %d and %v", st.Epoch, st.Stopped, want, tt.stops)
			}
			if old := tt.from == FromStore && tt.epoch < 5; (st.LastError != nil) != (tt.err != nil && !old) {
				t.Errorf("the status says %v", st.LastError)
			}
			// Stopped is for good.
			err = k.Take(at(t, want+1, position.Fenced), FromFile)
			if errors.Is(err, ErrStopped) != tt.stops {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	k := NewKept(KeptOptions{})
	k.Begin()
	select {
	case <-k.Halted():
		t.Error("halted before it was stopped")
	default:
	}
	k.Stop("first")
	k.Stop("second")
	<-k.Halted()
	if k.Stopped() != "first" {
		t.Errorf("stopped %q, want the first reason", k.Stopped())
	}
}

// TestKeptBegins: nobody serves before Begin, so the newest of all channels
// counts then, by however many steps it has gone on from what was served last.
func TestKeptBegins(t *testing.T) {
	dir := t.TempDir()
	open := func() *Kept {
		return NewKept(KeptOptions{StateDir: filepath.Join(dir, "state"), Migration: allAt(position.Off).Migration})
	}
	k := open()
	if k.Begin(); k.Status().Ready {
		t.Fatal("ready, and nothing has come")
	}
	if err := k.Take(at(t, 3, position.Mirror), FromServer); err != nil {
		t.Fatal(err)
	}
	// The next life: the store is ahead, the file behind.
	k = open()
	if err := k.Take(at(t, 9, position.ReadNew), FromStore); err != nil {
		t.Fatal(err)
	}
	if k.Decide(Hash{}).Ready {
		t.Error("it serves before Begin")
	}
	if err := k.Take(at(t, 4, position.Fenced), FromFile); !errors.Is(err, ErrEpoch) {
		t.Errorf("an older file: %v", err)
	}
	if k.Begin(); k.Current().Epoch() != 9 || k.Stopped() != "" {
		t.Fatalf("serves %d (stopped %q), want 9", k.Current().Epoch(), k.Stopped())
	}
	st := k.Status()
	if st.LastError == nil || !strings.Contains(st.LastError.Error(), "older file") || st.Contact.Store.IsZero() || !st.Contact.File.IsZero() {
		t.Errorf("status %+v, want the file's error and the store's contact", st)
	}
	// What was served is what the next life begins with, and nothing lower.
	k = open()
	if err := k.Take(at(t, 8, position.Fenced), FromStore); !errors.Is(err, ErrEpoch) {
		t.Errorf("an older note: %v", err)
	}
	if k.Begin(); k.Current().Epoch() != 9 || k.Status().LastError != nil && strings.Contains(k.Status().LastError.Error(), "older") {
		t.Errorf("serves %d, %v, want 9 and no complaint about a store", k.Current().Epoch(), k.Status().LastError)
	}
	if err := k.Take(at(t, 1, position.Off), FromFile); err == nil {
		t.Error("an older file was taken")
	}
}

// TestFileAndStore: a revision that came by the store is not refused for ever
// when the flag file catches up with it.
func TestFileAndStore(t *testing.T) {
	r := newRig(t)
	f := r.open()
	r.write(1, position.Mirror)
	r.want(f, 1, position.Mirror, "")
	r.write(3, position.ReadNew)
	r.want(f, 1, position.Mirror, "go by fenced")
	for epoch, p := range map[uint64]position.Position{2: position.Fenced} {
		if err := f.Take(at(t, epoch, p), FromStore); err != nil {
			t.Fatal(err)
		}
	}
	r.want(f, 3, position.ReadNew, "")
	if err := f.Take(at(t, 4, position.Fenced), FromStore); err != nil {
		t.Fatal(err)
	}
	r.want(f, 4, position.Fenced, "older file")
}
