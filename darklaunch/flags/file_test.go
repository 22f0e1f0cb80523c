package flags

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// rig is a flag file and a state folder.
type rig struct {
	t           testing.TB
	path, state string
}

func newRig(t testing.TB) *rig {
	dir := t.TempDir()
	return &rig{t: t, path: filepath.Join(dir, "flags.json"), state: filepath.Join(dir, "state")}
}

func (r *rig) open() *File { return NewFile(r.path, FileOptions{StateDir: r.state}) }

// write publishes all sessions in one position.
func (r *rig) write(epoch uint64, p position.Position) {
	d := allAt(p)
	d.Epoch = epoch
	b, err := d.MarshalFlagd()
	if err != nil {
		r.t.Fatal(err)
	}
	r.raw(string(b))
}

func (r *rig) raw(s string) {
	if err := os.WriteFile(r.path, []byte(s), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// want checks what is served and what the status says.
func (r *rig) want(f *File, epoch uint64, p position.Position, errText string) {
	r.t.Helper()
	err := f.Load()
	d, st := f.Decide(Hash{}), f.Status()
	if d.Ready != (epoch > 0) || d.Epoch != epoch || d.Position != p {
		r.t.Fatalf("serves %v of epoch %d (ready %v), want %v of %d", d.Position, d.Epoch, d.Ready, p, epoch)
	}
	if st.Ready != d.Ready || st.Epoch != epoch {
		r.t.Errorf("status %+v, want epoch %d", st, epoch)
	}
	if (errText == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), errText)) {
		r.t.Errorf("got error %v, want %q", err, errText)
	}
	if !errors.Is(st.LastError, err) {
		r.t.Errorf("status has %v, Load gave %v", st.LastError, err)
	}
}

func TestFileKeepsTheLastGood(t *testing.T) {
	r := newRig(t)
	f := r.open()
	if st := f.Status(); st.Ready || st.LastError == nil {
		t.Errorf("before the first look: %+v, want not ready with a reason", st)
	}
	r.want(f, 0, position.Off, "not ready")
	r.write(1, position.Mirror)
	r.want(f, 1, position.Mirror, "")
	contact := f.Status().LastContact
	if contact.IsZero() {
		t.Error("no last contact after a good file")
	}
	r.raw("{")
	r.want(f, 1, position.Mirror, "not JSON")
	r.want(f, 1, position.Mirror, "not JSON") // the verdict on the same bytes stays
	if !f.Status().LastContact.Equal(contact) {
		t.Error("a broken file counts as contact")
	}
	r.write(3, position.ReadNew)
	r.want(f, 1, position.Mirror, "go by fenced")
	r.write(1, position.Fenced)
	r.want(f, 1, position.Mirror, "both are 1, and differ")
	r.write(2, position.Fenced)
	r.want(f, 2, position.Fenced, "")
	r.write(1, position.Mirror)
	r.want(f, 2, position.Fenced, "older file")
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	r.want(f, 2, position.Fenced, "put it back")
	r.write(2, position.Fenced)
	r.want(f, 2, position.Fenced, "")
}

func TestFileOverARestart(t *testing.T) {
	r := newRig(t)
	r.write(5, position.Fenced)
	r.want(r.open(), 5, position.Fenced, "")
	r.raw("{")
	f := r.open()
	r.want(f, 5, position.Fenced, "not JSON")
	// It serves now, by the copy: the file may not jump any more.
	r.write(9, position.Cutover)
	r.want(f, 5, position.Fenced, "a session moves one position at a time")
	// A process that serves nobody yet may take what the fleet has come to.
	r.want(r.open(), 9, position.Cutover, "")
	// The file of an old backup does not bring the past back.
	r.write(5, position.Fenced)
	r.want(r.open(), 9, position.Cutover, "older file")
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	r.want(r.open(), 9, position.Cutover, "put it back")
	// A damaged copy is nothing to serve by.
	if err := os.WriteFile(filepath.Join(r.state, LastGood), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	f = r.open()
	r.want(f, 0, position.Off, "not ready")
	if f.Status().SaveError == nil {
		t.Error("nothing is said of the damaged copy")
	}
}

func TestFileOfAnotherMigration(t *testing.T) {
	r := newRig(t)
	r.write(1, position.Mirror)
	f := NewFile(r.path, FileOptions{Migration: "carts"})
	r.want(f, 0, position.Off, `"carts"`)
}

// TestFileServesWhatItCannotSave: a full disk must not hold up a rollback.
func TestFileServesWhatItCannotSave(t *testing.T) {
	r := newRig(t)
	if err := os.WriteFile(r.state, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	r.write(1, position.Mirror)
	f := r.open()
	r.want(f, 1, position.Mirror, "")
	if st := f.Status(); st.Saved != 0 || st.SaveError == nil {
		t.Errorf("status %+v, want a save error", st)
	}
	if err := os.Remove(r.state); err != nil {
		t.Fatal(err)
	}
	r.want(f, 1, position.Mirror, "")
	if st := f.Status(); st.Saved != 1 || st.SaveError != nil {
		t.Errorf("status %+v, want it saved at the next look", st)
	}
}

// TestFileRun: changes are followed within a poll, and reach who watches. Time
// is the bubble's; the files are real.
func TestFileRun(t *testing.T) {
	r := newRig(t)
	synctest.Test(t, func(t *testing.T) {
		f := NewFile(r.path, FileOptions{StateDir: r.state})
		ctx, cancel := context.WithCancelCause(context.Background())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		revisions, stop := f.Watch()
		defer stop()
		for epoch, p := range []position.Position{position.Off, position.Mirror, position.Fenced, position.ReadNew} {
			r.write(uint64(epoch+1), p)
			time.Sleep(201 * time.Millisecond)
			if got := f.Decide(Hash{}); got.Position != p {
				t.Errorf("after a poll: %v, want %v", got.Position, p)
			}
			select {
			case s := <-revisions:
				if got := s.Epoch(); got != uint64(epoch+1) {
					t.Errorf("watcher got epoch %d, want %d", got, epoch+1)
				}
			default:
				t.Errorf("epoch %d did not reach the watcher", epoch+1)
			}
		}
		why := errors.New("the test is over")
		cancel(why)
		if err := <-done; err != why {
			t.Errorf("Run gave %v, want the cause", err)
		}
	})
}

// TestWatch: a slow watcher finds the newest; one that stopped gets nothing.
func TestWatch(t *testing.T) {
	s := NewStatic(mustCompile(t, allAt(position.Off)))
	slow, stopSlow := s.Watch()
	gone, stopGone := s.Watch()
	<-gone
	stopGone()
	for epoch, p := range []position.Position{position.Mirror, position.Fenced} {
		d := allAt(p)
		d.Epoch = uint64(epoch + 2)
		if err := s.Set(mustCompile(t, d)); err != nil {
			t.Fatal(err)
		}
	}
	if got := (<-slow).Epoch(); got != 3 {
		t.Errorf("the slow watcher got epoch %d, want 3", got)
	}
	stopSlow()
	if len(slow)+len(gone) != 0 {
		t.Error("something more came")
	}
	if err := s.Set(mustCompile(t, allAt(position.Off))); !errors.Is(err, ErrEpoch) {
		t.Errorf("an older revision was set: %v", err)
	}
	if NewStatic(nil).Decide(Hash{}).Ready {
		t.Error("nothing is known, and it decides")
	}
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hash.key")
	const racers = 8
	digests := make(chan string, racers)
	for range racers {
		go func() {
			h, err := LoadOrCreateKey(path)
			if err != nil {
				digests <- err.Error()
				return
			}
			digests <- h.Digest()
		}()
	}
	first := <-digests
	for range racers - 1 {
		if d := <-digests; d != first {
			t.Fatalf("two starters have %q and %q", first, d)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("key file %v, %v, want mode 0600", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := createFile(path, []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("who came second got %v, want fs.ErrExist and the first's key", err)
	}
	if h, err := LoadKey(path); err != nil || h.Digest() != first {
		t.Errorf("the key changed: %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a key that others may read: %v", err)
	}
	for _, text := range []string{"", "abc", strings.Repeat("zz", 32), strings.Repeat("ab", 31)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		os.Chmod(path, 0o600)
		_, err := LoadOrCreateKey(path)
		if err == nil {
			t.Errorf("%q was taken as a key", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("the error shows the content: %v", err)
		}
	}
}
