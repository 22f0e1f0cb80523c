package files_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/files"
)

// php runs a script with the files handler on a folder, natively. The script
// has the id in $id.
func php(t testing.TB, savePath, id, script string, settings ...string) *exec.Cmd {
	t.Helper()
	if _, err := exec.LookPath("php"); err != nil {
		t.Fatal("php is not installed: apt-get install php-cli")
	}
	args := []string{"-d", "session.save_handler=files", "-d", fmt.Sprintf("session.save_path=%q", savePath), "-d", "session.use_cookies=0",
		"-d", "session.cache_limiter=", "-d", fmt.Sprint("session.gc_maxlifetime=", int(lifetime.Seconds())), "-d", "session.gc_probability=0",
		"-d", "display_errors=stderr", "-d", "error_reporting=-1"}
	for _, s := range settings {
		args = append(args, "-d", s)
	}
	cmd := exec.CommandContext(t.Context(), "php", append(args, "-r", fmt.Sprintf("$id=%q; ", id)+script)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// says is what the script prints, stderr (warnings) included.
func says(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("php: %v\n%s", err, out)
	}
	return string(out)
}

const begin = `session_id($id); session_start(); `

// holding is a PHP request that has the session until let go.
type holding struct {
	stdin io.WriteCloser
	lines *bufio.Scanner
	cmd   *exec.Cmd
}

// hold starts a request that prints a line, waits for one, and ends with last.
func hold(t testing.TB, savePath, id, last string) *holding {
	t.Helper()
	cmd := php(t, savePath, id, begin+`echo "has it\n"; fgets(STDIN); `+last)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &holding{in, bufio.NewScanner(out), cmd}
	t.Cleanup(h.letGo)
	if !h.lines.Scan() || h.lines.Text() != "has it" {
		t.Fatalf("php said %q", h.lines.Text())
	}
	return h
}

func (h *holding) letGo() {
	h.stdin.Close()
	h.cmd.Wait()
}

func key(id string) backends.Key { return backends.Key{Name: id} }

func in(d time.Duration, id, data string) backends.Session {
	return backends.Session{Key: key(id), Data: []byte(data), Deadline: time.Now().Add(d)}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantData(t testing.TB, s *files.Store, id, data string) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key(id))
	if err != nil || !found || string(got.Data) != data {
		t.Fatalf("got %q, found %v, %v, want %q", got.Data, found, err, data)
	}
}

// forms are the forms of a save path.
func forms(t *testing.T) map[string]string {
	return map[string]string{"flat": t.TempDir(), "depth": "2;" + levels(t, 2), "depth and mode": "1;0640;" + levels(t, 1)}
}

func TestPHPReadsAndWrites(t *testing.T) {
	for name, path := range forms(t) {
		t.Run(name, func(t *testing.T) {
			s := open(t, path)
			const id = "bt1abc,-XYZ"
			must(t, s.Set(t.Context(), in(time.Hour, id, "n|i:41;")))
			if got := says(t, php(t, path, id, begin+`echo ++$_SESSION["n"];`)); got != "42" {
				t.Errorf("PHP read %q, want 42 after one more", got)
			}
			wantData(t, s, id, "n|i:42;")
			r, err := s.Read(t.Context(), key(id))
			if d := time.Until(r.Deadline); err != nil || d < lifetime-5*time.Second || d > lifetime {
				t.Errorf("after PHP's write the session lives for %v, %v, want %v", d, err, lifetime)
			}
			// One that PHP makes, shorter than before, and destroys.
			says(t, php(t, path, "bt2", begin+`$_SESSION["long"] = str_repeat("x", 9000);`))
			wantData(t, s, "bt2", `long|s:9000:"`+strings.Repeat("x", 9000)+`";`)
			must(t, s.Set(t.Context(), in(time.Hour, "bt2", "short|i:1;")))
			if got := says(t, php(t, path, "bt2", begin+`echo json_encode($_SESSION);`)); got != `{"short":1}` {
				t.Errorf("PHP read %q", got)
			}
			says(t, php(t, path, "bt2", begin+`session_destroy();`))
			if _, found, err := s.Get(t.Context(), key("bt2")); found || err != nil {
				t.Errorf("after session_destroy: found %v, %v", found, err)
			}
			if found, err := s.Delete(t.Context(), key(id)); !found || err != nil {
				t.Errorf("delete: %v, %v", found, err)
			}
			if got := says(t, php(t, path, id, begin+`echo json_encode($_SESSION);`)); got != "[]" {
				t.Errorf("after a delete PHP read %q", got)
			}
		})
	}
}

// TestPHPTouch: a request that changes nothing moves the mtime, and ours is
// moved alike; the data stays.
func TestPHPTouch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Set(t.Context(), in(time.Minute, "a", "n|i:1;")))
	says(t, php(t, dir, "a", begin))
	if r, err := s.Read(t.Context(), key("a")); err != nil || time.Until(r.Deadline) < lifetime-5*time.Second {
		t.Errorf("after PHP's touch the deadline is %v, %v", r.Deadline, err)
	}
	if found, err := s.Touch(t.Context(), key("a"), time.Now().Add(time.Minute)); !found || err != nil {
		t.Errorf("touch: %v, %v", found, err)
	}
	if r, err := s.Read(t.Context(), key("a")); err != nil || time.Until(r.Deadline) > time.Minute {
		t.Errorf("after ours the deadline is %v, %v", r.Deadline, err)
	}
	wantData(t, s, "a", "n|i:1;")
}

// TestPHPEmpty: PHP's abandoned start is an empty session, and no add succeeds.
func TestPHPEmpty(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	says(t, php(t, dir, "empty", begin+`session_abort();`))
	wantData(t, s, "empty", "")
	if stored, err := s.Add(t.Context(), in(time.Hour, "empty", "x|i:1;")); stored || err != nil {
		t.Errorf("add beside PHP's empty session: %v, %v", stored, err)
	}
	must(t, s.Set(t.Context(), in(time.Hour, "ours", "")))
	wantData(t, s, "ours", "")
	if got := says(t, php(t, dir, "ours", begin+`echo json_encode($_SESSION);`, "session.use_strict_mode=1")); got != "[]" {
		t.Errorf("PHP read %q", got)
	}
}

// TestPHPStrict: in strict mode PHP takes the id of what the store wrote, and of
// a claim, and refuses others.
func TestPHPStrict(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Set(t.Context(), in(time.Hour, "known", "n|i:1;")))
	g, err := s.Guard(t.Context(), key("claimed"), time.Now().Add(15*time.Second))
	must(t, err)
	defer g.Release()
	must(t, s.Set(t.Context(), in(time.Hour, "gone", "n|i:1;")))
	if _, err := s.Bury(t.Context(), key("gone"), time.Minute); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"known": true, "claimed": true, "unknown": false, "gone": false} {
		got := says(t, php(t, dir, id, begin+`echo session_id();`, "session.use_strict_mode=1"))
		if (got == id) != want {
			t.Errorf("%s: PHP took the id is %v, want %v", id, got == id, want)
		}
	}
}

// TestPHPClaim: what PHP writes into a claim is a session, and the guard is told,
// whether PHP has written or only touched.
func TestPHPClaim(t *testing.T) {
	for name, script := range map[string]string{"write": `$_SESSION["n"]=1;`, "empty write": ``} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			g, err := s.Guard(t.Context(), key("a"), time.Now().Add(15*time.Second))
			must(t, err)
			says(t, php(t, dir, "a", begin+script))
			if err := g.Swap(t.Context(), in(time.Hour, "a", "old|i:1;")); !errors.Is(err, backends.ErrConflict) {
				t.Errorf("swap over PHP's write: got %v, want ErrConflict", err)
			}
			if _, found, err := s.Get(t.Context(), key("a")); !found || err != nil {
				t.Errorf("PHP's session: found %v, %v", found, err)
			}
		})
	}
}

// TestPHPExcludes: while PHP has the session, reads and changes wait, and after
// their deadline nothing was changed; then they go on.
func TestPHPExcludes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	must(t, s.Set(t.Context(), in(time.Hour, "a", "n|i:1;")))
	guard, err := s.Guard(t.Context(), key("a"), time.Now().Add(15*time.Second))
	must(t, err)
	h := hold(t, dir, "a", `$_SESSION["n"]=2;`)
	for name, call := range map[string]func(context.Context) error{
		"get":    func(ctx context.Context) error { _, _, err := s.Get(ctx, key("a")); return err },
		"set":    func(ctx context.Context) error { return s.Set(ctx, in(time.Hour, "a", "n|i:9;")) },
		"delete": func(ctx context.Context) error { _, err := s.Delete(ctx, key("a")); return err },
		"touch": func(ctx context.Context) error {
			_, err := s.Touch(ctx, key("a"), time.Now().Add(time.Hour))
			return err
		},
		"bury": func(ctx context.Context) error { _, err := s.Bury(ctx, key("a"), time.Minute); return err },
		"swap": func(ctx context.Context) error { return guard.Swap(ctx, in(time.Hour, "a", "n|i:9;")) },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		err := call(ctx)
		if _, unknown := backends.IsUnknown(err); !errors.Is(err, context.DeadlineExceeded) || unknown {
			t.Errorf("%s: got %v, want the deadline, and no doubt", name, err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		cancel()
	}
	if granted, err := s.Lock(t.Context(), key("a"), "us", time.Minute); granted || err != nil {
		t.Errorf("a lock beside PHP's: %v, %v", granted, err)
	}
	must(t, s.Set(t.Context(), in(time.Hour, "b", "other sessions go on")))
	read := make(chan string)
	go func() {
		got, _, err := s.Get(t.Context(), key("a"))
		read <- fmt.Sprint(string(got.Data), err)
	}()
	time.Sleep(20 * time.Millisecond)
	h.letGo()
	if got := <-read; got != "n|i:2;<nil>" {
		t.Errorf("a read that waited got %s", got)
	}
}

// TestPHPWaitsForLock: a lock of ours holds PHP off until it is given back or
// runs out, on a session that is there and on one that is not, and the store's
// own calls go through; also after the session was deleted under the lock.
func TestPHPWaitsForLock(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *files.Store){
		"there":  func(t *testing.T, s *files.Store) { must(t, s.Set(t.Context(), in(time.Hour, "a", "n|i:1;"))) },
		"absent": func(*testing.T, *files.Store) {},
	} {
		for _, end := range []string{"unlock", "ttl"} {
			t.Run(name+" "+end, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				s := open(t, dir)
				before(t, s)
				_, was, _ := s.Get(t.Context(), key("a"))
				ttl := time.Minute
				if end == "ttl" {
					ttl = 5 * time.Second // all that is tried under the lock, on a busy machine
				}
				start := time.Now()
				if granted, err := s.Lock(t.Context(), key("a_LOCK"), "us#1", ttl); !granted || err != nil {
					t.Fatalf("lock: %v, %v", granted, err)
				}
				if _, found, err := s.Get(t.Context(), key("a")); found != was || err != nil {
					t.Errorf("under the lock: found %v, %v, want %v", found, err, was)
				}
				if stored, err := s.Add(t.Context(), in(time.Hour, "a", "n|i:5;")); stored == was || err != nil {
					t.Errorf("add: %v, %v", stored, err)
				}
				if _, err := s.Delete(t.Context(), key("a")); err != nil {
					t.Fatal(err)
				}
				answer := make(chan string, 1)
				cmd := php(t, dir, "a", begin+`echo $_SESSION["n"]++;`)
				go func() {
					out, err := cmd.CombinedOutput()
					answer <- fmt.Sprint(string(out), err)
				}()
				select {
				case got := <-answer:
					t.Fatalf("PHP was not held off: %s", got)
				case <-time.After(300 * time.Millisecond):
				}
				must(t, s.Set(t.Context(), in(time.Hour, "a", "n|i:7;")))
				wantData(t, s, "a", "n|i:7;")
				if end == "unlock" {
					if ok, err := s.Unlock(t.Context(), key("a_LOCK"), "us#1"); !ok || err != nil {
						t.Errorf("unlock: %v, %v", ok, err)
					}
				}
				if got := <-answer; got != "7<nil>" {
					t.Errorf("PHP said %s, want 7", got)
				}
				if took := time.Since(start); end == "ttl" && took < ttl {
					t.Errorf("PHP was let in after %v, the lock is for %v", took, ttl)
				}
				wantData(t, s, "a", "n|i:8;")
			})
		}
	}
}

// TestPHPCollector: PHP's own collector and Debian's find remove what has ended,
// and neither what lives on nor what is ours.
func TestPHPCollector(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	// The store would not write what has ended, so its time is set after.
	for _, id := range []string{"ended", "endedclaim", "soon", "hour", "never"} {
		must(t, s.Set(t.Context(), in(time.Hour, id, "n|i:1;")))
	}
	must(t, s.Set(t.Context(), backends.Session{Key: key("never"), Data: []byte("n|i:1;")}))
	must(t, s.Set(t.Context(), in(3*time.Second, "soon", "n|i:1;")))
	old := time.Now().Add(-lifetime - 2*time.Second)
	must(t, os.Chtimes(filepath.Join(dir, "sess_ended"), old, old))
	must(t, os.Truncate(filepath.Join(dir, "sess_endedclaim"), 0))
	must(t, os.Chtimes(filepath.Join(dir, "sess_endedclaim"), old, old))
	if _, err := s.Bury(t.Context(), key("buried"), time.Hour); err != nil {
		t.Fatal(err)
	}
	must(t, s.PutMark(t.Context(), key("never"), backends.Mark{Agent: "0123456789abcdef", Write: 1}, 0))
	own := count(t, filepath.Join(dir, ".crossfade-test"))
	if got := says(t, php(t, dir, "collector", begin+`echo session_gc(); session_destroy();`)); got != "2" {
		t.Errorf("the collector removed %q files, want 2", got)
	}
	if out, err := exec.Command("find", dir, "-depth", "-mindepth", "1", "-name", "sess_*", "-type", "f", "-cmin", "+24", "-delete").CombinedOutput(); err != nil {
		t.Fatalf("find: %v\n%s", err, out)
	}
	var left []string
	must(t, s.Scan(t.Context(), "", func(names []string) error {
		for _, n := range names {
			if !backends.OwnKey(n) {
				left = append(left, n)
			}
		}
		return nil
	}))
	if len(left) != 3 {
		t.Errorf("%v are left, want soon, hour and never", left)
	}
	if got := count(t, filepath.Join(dir, ".crossfade-test")); got != own {
		t.Errorf("%d files of our own are left of %d", got, own)
	}
}

func count(t testing.TB, dir string) (n int) {
	must(t, filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// TestPHPCounter: PHP processes and goroutines count up in one session, each
// under its lock; nothing is lost.
func TestPHPCounter(t *testing.T) {
	const processes, requests, routines, each = 3, 40, 8, 15
	dir := t.TempDir()
	s := open(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for range processes {
		cmd := php(t, dir, "a", fmt.Sprintf(`for ($i = 0; $i < %d; $i++) { session_id($id); session_start(); $_SESSION["n"] = ($_SESSION["n"] ?? 0) + 1; usleep(500); session_write_close(); usleep(2000); }`, requests))
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("php: %v\n%s", err, out)
			}
		})
	}
	for r := range routines {
		wg.Go(func() {
			for i := range each {
				value := fmt.Sprint(r, "#", i)
				for {
					granted, err := s.Lock(ctx, key("a_LOCK"), value, time.Minute)
					if err != nil {
						t.Error(err)
						return
					}
					if granted {
						break
					}
					time.Sleep(time.Millisecond)
				}
				got, _, err := s.Get(ctx, key("a"))
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(strings.Trim(strings.TrimPrefix(string(got.Data), "n|i:"), ";"))
				if err := s.Set(ctx, in(time.Hour, "a", fmt.Sprintf("n|i:%d;", n+1))); err != nil {
					t.Error(err)
				}
				if ok, err := s.Unlock(ctx, key("a_LOCK"), value); !ok || err != nil {
					t.Errorf("unlock: %v, %v", ok, err)
				}
			}
		})
	}
	wg.Wait()
	wantData(t, s, "a", fmt.Sprintf("n|i:%d;", processes*requests+routines*each))
}

// TestPHPOwner: PHP that does not run as root reads what a store of root wrote
// for it, and refuses another user's file, as the store does.
func TestPHPOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir, err := os.MkdirTemp("", "files-owner-") // t.TempDir's parents are closed to others
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o1733))
	s, err := files.New(files.Options{SavePath: dir, MaxLifetime: lifetime, Migration: "test", Owner: "nobody"})
	must(t, err)
	defer s.Close()
	must(t, s.Set(t.Context(), in(time.Hour, "a", "n|i:1;")))
	cmd := php(t, dir, "a", begin+`echo $_SESSION["n"]++;`)
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	cmd.Dir = "/"
	if got := says(t, cmd); got != "1" {
		t.Errorf("PHP as nobody said %q", got)
	}
	wantData(t, s, "a", "n|i:2;")
	must(t, os.Chown(filepath.Join(dir, "sess_a"), 12345, 12345))
	if _, found, err := s.Get(t.Context(), key("a")); err == nil || found || strings.Contains(err.Error(), "sess_") {
		t.Errorf("another user's file: found %v, %v, want an error without a name", found, err)
	}
}
