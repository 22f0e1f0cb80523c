package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41165957/crossfade/backends"
)

func open(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	o.SavePath, o.MaxLifetime, o.Migration = dir, 24*time.Minute, "test"
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func session(id, data string) backends.Session {
	return backends.Session{Key: backends.Key{Name: id}, Data: []byte(data), Deadline: time.Now().Add(time.Hour)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// frozen makes the disk stand still in one state of an attempt.
func frozen(s *Store, at int) (thaw func()) {
	gate := make(chan struct{})
	s.stall = func(state int) {
		if state == at {
			<-gate
		}
	}
	return sync.OnceFunc(func() { close(gate) })
}

func patience(t testing.TB) context.Context { return within(t, 30*time.Millisecond) }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// unsure makes a change that stands still in the middle, and gives its Unknown. A
// busy machine may not come so far in a moment, so it is given more each time.
func unsure(t *testing.T, s *Store, what backends.Session) *backends.Unknown {
	t.Helper()
	var err error
	for _, d := range []time.Duration{30 * time.Millisecond, 500 * time.Millisecond, 10 * time.Second} {
		err = s.Set(within(t, d), what)
		if u, unknown := backends.IsUnknown(err); unknown {
			return u
		}
	}
	t.Fatalf("got %v, want an Unknown at the deadline", err)
	return nil
}

// TestStallBeforeChange: the disk stands still while the call looks. The caller
// leaves with its deadline, and nothing is changed when the disk goes on.
func TestStallBeforeChange(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	must(t, s.Set(t.Context(), session("a", "before")))
	thaw := frozen(s, looking)
	defer thaw()
	err := s.Set(patience(t), session("a", "late"))
	if _, unknown := backends.IsUnknown(err); unknown || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline, and no doubt", err)
	}
	thaw()
	if got, _, err := s.Get(t.Context(), backends.Key{Name: "a"}); err != nil || string(got.Data) != "before" {
		t.Errorf("got %q, %v: an abandoned change was made", got.Data, err)
	}
}

// TestStallInChange: the change has begun, so its outcome is unknown until it
// ends, and it is counted as parked.
func TestStallInChange(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	must(t, s.Set(t.Context(), session("a", "before")))
	thaw := frozen(s, changing)
	defer thaw()
	u := unsure(t, s, session("a", "late"))
	if !errors.Is(u, context.DeadlineExceeded) {
		t.Fatalf("got %v, want an Unknown at the deadline", u)
	}
	if u.Conn == "" || u.RunID == "" || u.Settle(t.Context()) == nil {
		t.Errorf("got %+v, want conn and run id, and that nobody can settle it", u)
	}
	if h, err := s.Health(t.Context()); err != nil || h.Parked != 1 || h.Connections != 1 {
		t.Errorf("got %+v, %v, want one parked", h, err)
	}
	select {
	case <-u.Done():
		t.Fatal("the doubt has ended while the disk stands still")
	default:
	}
	thaw()
	<-u.Done()
	if got, _, err := s.Get(t.Context(), backends.Key{Name: "a"}); err != nil || string(got.Data) != "late" {
		t.Errorf("got %q, %v", got.Data, err)
	}
	if h, err := s.Health(t.Context()); err != nil || h.Parked != 0 {
		t.Errorf("got %+v, %v, want none parked", h, err)
	}
}

// TestStallIsBounded: a disk that stands still gets a bounded number of calls,
// and then ErrBusy, at once.
func TestStallIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), Options{Workers: 4})
	thaw := frozen(s, changing)
	defer thaw()
	us := []*backends.Unknown{unsure(t, s, session("first", "x"))}
	busy := 0
	for i := 0; i < 30 || busy == 0 && i < 300; i++ {
		err := s.Set(patience(t), session(fmt.Sprint("a", i), "x"))
		if u, ok := backends.IsUnknown(err); ok {
			us = append(us, u)
		} else if !errors.Is(err, context.DeadlineExceeded) { // else behind one of the same stripe, or for a place
			if busy++; !errors.Is(err, backends.ErrBusy) {
				t.Errorf("got %v, want ErrBusy at once", err)
			}
		}
	}
	if len(us) > 4 || busy == 0 {
		t.Errorf("%d unknown, %d busy, want up to 4 unknown and then busy", len(us), busy)
	}
	thaw()
	for _, u := range us {
		<-u.Done()
	}
	must(t, s.Set(t.Context(), session("b", "x")))
}

// TestSameTick: a write right after a guard was made changes the ctime, also
// when both lie within one tick of the kernel's clock; whoever writes.
func TestSameTick(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 30 {
		must(t, s.Set(t.Context(), session("a", "n|i:1;")))
		g, err := s.Guard(t.Context(), backends.Key{Name: "a"}, time.Now().Add(10*time.Second))
		must(t, err)
		v := g.(*guard).versions[0]
		var now unix.Timespec
		must(t, unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now))
		if v.ctime >= now.Nano() {
			t.Fatalf("round %d: the guard's ctime is of the tick that still runs", i)
		}
		// As PHP does, and the mtime set back, so that ctime alone can tell.
		path := filepath.Join(dir, "sess_a")
		before, err := os.Stat(path)
		must(t, err)
		must(t, os.WriteFile(path, []byte("n|i:1;"), 0o600))
		must(t, os.Chtimes(path, time.Time{}, before.ModTime()))
		if err := g.Swap(t.Context(), session("a", "copy")); !errors.Is(err, backends.ErrConflict) {
			t.Fatalf("round %d: got %v, want ErrConflict", i, err)
		}
	}
}

// TestRestartKeepsLock: a new process refuses a second grant until the lock's
// end, has its flock again, and can give it back.
func TestRestartKeepsLock(t *testing.T) {
	dir := t.TempDir()
	k := backends.Key{Name: "a"}
	first := open(t, dir, Options{})
	if ok, err := first.Lock(t.Context(), k, "one", time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := open(t, dir, Options{}).Lock(t.Context(), k, "two", time.Minute); ok || err != nil {
		t.Errorf("another process: %v, %v, want refused", ok, err)
	}
	must(t, first.Close())
	second := open(t, dir, Options{})
	if v, found, err := second.LockValue(t.Context(), k); v != "one" || !found || err != nil {
		t.Errorf("got %q, %v, %v", v, found, err)
	}
	fd, err := unix.Open(filepath.Join(dir, "sess_a"), unix.O_RDWR, 0)
	must(t, err)
	defer unix.Close(fd)
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		t.Errorf("the flock is not held after a restart: %v", err)
	}
	if ok, err := second.Lock(t.Context(), k, "two", time.Minute); ok || err != nil {
		t.Errorf("after a restart: %v, %v, want refused", ok, err)
	}
	must(t, second.Set(patience(t), session("a", "x")))
	if ok, err := second.Unlock(t.Context(), k, "one"); !ok || err != nil {
		t.Errorf("unlock: %v, %v", ok, err)
	}
	must(t, unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB))
}

// TestNames: nothing leads out of the folder, or to what is no session's file.
func TestNames(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "sessions")
	must(t, os.Mkdir(dir, 0o700))
	s := open(t, dir, Options{})
	for _, name := range []string{"../x", "a/b", "a_b", ".", "..", "a.b", "%2e", "sess_a", "é", strings.Repeat("a", 251)} {
		if err := s.Set(t.Context(), session(name, "x")); !errors.Is(err, backends.ErrKey) {
			t.Errorf("%q: got %v, want ErrKey", name, err)
		}
	}
	for _, name := range []string{"crossfade:test:epoch", "crossfade:../../x", "crossfade:..", "crossfade:\x80{}"} {
		must(t, s.Set(t.Context(), session(name, "own")))
		if got, found, err := s.Get(t.Context(), backends.Key{Name: name}); !found || err != nil || string(got.Data) != "own" {
			t.Errorf("%q: got %q, %v, %v", name, got.Data, found, err)
		}
	}
	target := filepath.Join(outer, "target")
	must(t, os.WriteFile(target, []byte("secret"), 0o600))
	must(t, os.Symlink(target, filepath.Join(dir, "sess_link")))
	must(t, unix.Mkfifo(filepath.Join(dir, "sess_pipe"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "sess_folder"), 0o700))
	for _, id := range []string{"link", "pipe", "folder"} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		_, found, err := s.Get(ctx, backends.Key{Name: id})
		setErr := s.Set(ctx, session(id, "x"))
		cancel()
		for _, err := range []error{err, setErr} {
			var e *Error
			if found || !errors.As(err, &e) || e.Hint == "" || strings.Contains(err.Error(), "sess_") {
				t.Errorf("%s: found %v, %v, want an error with a hint and without a name", id, found, err)
			}
		}
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "secret" {
		t.Errorf("the link's target: %q, %v", b, err)
	}
	entries, err := os.ReadDir(outer)
	must(t, err)
	if len(entries) != 2 {
		t.Errorf("%d things lie outside, want the folder and the target", len(entries))
	}
}

// TestDiskFull: a write for which there is no room changes nothing.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("no tmpfs can be mounted (%v): as root the test fills one", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := open(t, dir, Options{})
	before := session("a", strings.Repeat("before", 100))
	must(t, s.Set(t.Context(), before))
	big := session("a", strings.Repeat("x", 512<<10))
	for name, call := range map[string]func() error{
		"over a session": func() error { return s.Set(t.Context(), big) },
		"a new one":      func() error { b := big; b.Key.Name = "b"; return s.Set(t.Context(), b) },
		"add":            func() error { b := big; b.Key.Name = "c"; _, err := s.Add(t.Context(), b); return err },
	} {
		err := call()
		if _, unknown := backends.IsUnknown(err); !errors.Is(err, unix.ENOSPC) || unknown || !strings.Contains(err.Error(), "free space") {
			t.Errorf("%s: got %v, want no space, and what to do", name, err)
		}
	}
	r, err := s.Read(t.Context(), before.Key)
	if err != nil || string(r.Data) != string(before.Data) || r.Deadline.Sub(before.Deadline).Abs() > time.Millisecond {
		t.Errorf("after a full disk: %d bytes, until %v, %v, want %d as before", len(r.Data), r.Deadline, err, len(before.Data))
	}
	for _, id := range []string{"b", "c"} {
		if _, found, err := s.Get(t.Context(), backends.Key{Name: id}); found || err != nil {
			t.Errorf("%s: found %v, %v, want missing", id, found, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, ".crossfade-test", "tmp"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("%d temporary files are left", len(left))
	}
	// A read-only filesystem: reads go on.
	must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if _, found, err := s.Get(t.Context(), before.Key); !found || err != nil {
		t.Errorf("read-only: found %v, %v", found, err)
	}
	if err := s.Set(t.Context(), before); !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "remount,rw") {
		t.Errorf("read-only: got %v", err)
	}
}

// TestSweep: what has run out goes, what has not stays, temporary files of a
// killed process too while they are young.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for i := range 300 {
		ttl := time.Millisecond
		if i%3 == 0 {
			ttl = time.Hour
		}
		if _, err := s.Bury(t.Context(), backends.Key{Name: fmt.Sprint("a", i)}, ttl); err != nil {
			t.Fatal(err)
		}
	}
	must(t, os.WriteFile(filepath.Join(dir, ".crossfade-test", "tmp", "young"), nil, 0o600))
	left := func(what string) int {
		names, err := os.ReadDir(filepath.Join(dir, ".crossfade-test", what))
		must(t, err)
		return len(names)
	}
	for end := time.Now().Add(30 * time.Second); left("gone") > 100 && time.Now().Before(end); {
		if _, err := s.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := left("gone"); got != 100 {
		t.Errorf("%d tombstones are left, want the 100 that have not run out", got)
	}
	if left("tmp") != 1 {
		t.Errorf("a young temporary file was removed")
	}
}

// TestDamagedRecord: it stands in the way of its own session, as an error and
// never as none, and of nothing else.
func TestDamagedRecord(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, Options{})
	for _, kind := range []string{"gone", "marks", "locks"} {
		must(t, os.WriteFile(filepath.Join(dir, ".crossfade-test", kind, recordName("a")), nil, 0o600))
	}
	s := open(t, dir, Options{})
	for range 8 { // all folders are swept
		if _, err := s.Health(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	k := backends.Key{Name: "a"}
	_, readErr := s.Read(t.Context(), k)
	_, marksErr := s.Marks(t.Context(), k)
	granted, lockErr := s.Lock(t.Context(), k, "x", time.Minute)
	for what, err := range map[string]error{"read": readErr, "marks": marksErr, "lock": lockErr} {
		if !errors.Is(err, errDamaged) || granted {
			t.Errorf("%s: got %v, want that the record is damaged", what, err)
		}
	}
	must(t, s.Set(t.Context(), session("b", "x")))
}

// TestReplacedBetween: PHP's collector unlinks without a flock. A file that lost
// its name between open and flock is not the session any more.
func TestReplacedBetween(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	must(t, s.Set(t.Context(), session("a", "old")))
	p, err := s.place("a")
	must(t, err)
	for _, what := range []string{"nothing", "unlink", "another"} {
		f, err := s.openFile(p, unix.O_RDWR)
		must(t, err)
		if what != "nothing" {
			must(t, os.Remove(filepath.Join(dir, "sess_a")))
		}
		if what != "unlink" {
			must(t, s.Set(t.Context(), session("a", "new")))
		}
		if same, err := f.again(p); err != nil || same != (what == "nothing") {
			t.Errorf("%s: got same %v, %v", what, same, err)
		}
		f.close()
		must(t, s.Set(t.Context(), session("a", "old")))
	}
}
