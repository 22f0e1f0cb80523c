package backendtest

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// notes are those of the migration whose rights the store has; names begin with
// what is this subtest's own.
func (e *env) notes() *backends.Notes {
	e.Helper()
	n, ok := backends.NotesOf(e.store, "test")
	if !ok {
		e.Skip("the store cannot hold notes")
	}
	return n
}

// readNote is what the first server of the store says, if none has an error.
func readNote(ctx context.Context, n *backends.Notes, name string) (data []byte, found bool, err error) {
	all := n.Read(ctx, name)
	for _, said := range all {
		err = errors.Join(err, said.Err)
	}
	return all[0].Data, all[0].Found, err
}

// higher is the rule by which a number rises.
func higher(than int) func([]byte) bool {
	return func(was []byte) bool { n, _ := strconv.Atoi(string(was)); return n < than }
}

func (e *env) wantNote(n *backends.Notes, name, want string) {
	e.Helper()
	for i, said := range n.Read(e.ctx, name) {
		e.must(said.Err)
		if got := string(said.Data); !said.Found || got != want {
			e.Fatalf("note: server %d: got %s (found %v), want %s", i, short(got), said.Found, short(want))
		}
	}
}

var noteCases = []testCase{
	{"note/rises only", func(e *env) {
		n := e.notes()
		if _, found, err := readNote(e.ctx, n, e.prefix+"epoch"); found || err != nil {
			e.Fatalf("found %v, %v, want nothing", found, err)
		}
		for _, step := range []struct {
			to   int
			done bool
			want string
		}{{5, true, "5"}, {4, false, "5"}, {5, false, "5"}, {12, true, "12"}} {
			done, err := n.Raise(e.ctx, e.prefix+"epoch", []byte(strconv.Itoa(step.to)), higher(step.to))
			if e.must(err); done != step.done {
				e.Errorf("raise to %d: done %v, want %v", step.to, done, step.done)
			}
			e.wantNote(n, e.prefix+"epoch", step.want)
		}
		e.must(n.Drop(e.ctx, e.prefix+"epoch"))
		e.must(n.Drop(e.ctx, e.prefix+"epoch"))
		if _, found, err := readNote(e.ctx, n, e.prefix+"epoch"); found || err != nil {
			e.Fatalf("dropped, and found %v, %v", found, err)
		}
		done, err := n.Raise(e.ctx, e.prefix+"epoch", []byte("1"), higher(1))
		if e.must(err); !done {
			e.Error("after a drop: not raised")
		}
	}},
	{"note/two at once", func(e *env) {
		// Each of several raises to numbers of its own, in rising order. Whoever
		// is told that it is done was the highest then: the note never falls.
		n := e.notes()
		const writers, each = 3, 6
		var wg sync.WaitGroup
		var done atomic.Int64
		for w := range writers {
			wg.Go(func() {
				for i := 1; i <= each; i++ {
					v := i*writers + w
					ok, err := n.Raise(e.ctx, e.prefix+"epoch", []byte(strconv.Itoa(v)), higher(v))
					if err != nil {
						e.Errorf("raise to %d: %v", v, err)
						return
					}
					if ok {
						done.Add(1)
					}
					data, found, err := readNote(e.ctx, n, e.prefix+"epoch")
					if got, _ := strconv.Atoi(string(data)); err != nil || !found || got < v {
						e.Errorf("after raising to %d: %d stands (found %v, %v)", v, got, found, err)
					}
				}
			})
		}
		wg.Wait()
		e.wantNote(n, e.prefix+"epoch", strconv.Itoa(each*writers+writers-1))
		if done.Load() == 0 {
			e.Error("nobody was told that a raise was done")
		}
	}},
	{"note/one writer", func(e *env) {
		n := e.notes()
		for _, name := range []string{e.prefix + "agent:web-1", e.prefix + "agent:" + strings.Repeat("x", 64), e.prefix + "agent:{odd} " + strings.Repeat("y", 300)} {
			for _, v := range []string{"first", "second"} {
				e.must(n.Write(e.ctx, name, []byte(v)))
				e.wantNote(n, name, v)
			}
		}
		e.wantNote(n, e.prefix+"agent:web-1", "second") // each has its own
	}},
	{"note/largest", func(e *env) {
		n := e.notes()
		data := []byte(strings.Repeat("0123456789abcde\n", backends.MaxNote/16))
		if done, err := n.Raise(e.ctx, e.prefix+"epoch", data, func([]byte) bool { return true }); !done || err != nil {
			e.Fatalf("%d bytes: done %v, %v", len(data), done, err)
		}
		e.wantNote(n, e.prefix+"epoch", string(data))
		_, err := n.Raise(e.ctx, e.prefix+"epoch", append(data, 'x'), func([]byte) bool { return true })
		e.wantErr(err, backends.ErrTooLarge)
		e.wantErr(n.Write(e.ctx, e.prefix+"agent:a", append(data, 'x')), backends.ErrTooLarge)
		e.wantNote(n, e.prefix+"epoch", string(data))
	}},
	{"note/not a session's", func(e *env) {
		// A note is listed as Crossfade's own, and lists nothing else as it.
		n := e.notes()
		sc := ability[backends.Scanner](e)
		e.must(n.Write(e.ctx, e.prefix+"agent:web-1", []byte("x")))
		seen := false
		e.must(sc.Scan(e.ctx, "crossfade:test:"+e.prefix+"agent:", func(names []string) error {
			for _, name := range names {
				seen = seen || backends.OwnKey(name)
			}
			return nil
		}))
		if !seen {
			e.Error("a scan does not find the note")
		}
	}},
}

var noteFaults = []testCase{
	{"stall/notes park one connection", func(e *env) {
		// A server that stands still is written to each second, for as long as it
		// does so: that must not use up the connections that sessions need.
		n := e.notes()
		pool := ability[backends.Pooled](e)
		e.must(n.Write(e.ctx, e.prefix+"agent:web-1", []byte("before")))
		e.must(e.opts.Server.Freeze())
		thawed := false
		thaw := func() {
			if !thawed {
				thawed = true
				e.must(e.opts.Server.Thaw())
			}
		}
		defer thaw()
		doubts := 0
		for range 6 {
			ctx, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
			err := n.Write(ctx, e.prefix+"agent:web-1", []byte("meanwhile"))
			cancel()
			if err == nil {
				e.Fatal("a server that stands still took a note")
			}
			if errors.Is(err, backends.ErrDoubt) {
				doubts++
			}
		}
		if _, parked := pool.Connections(); parked > 1 {
			e.Errorf("%d connections are parked, want 1", parked)
		}
		if doubts == 0 {
			e.Error("each note was sent, though the last one had no answer")
		}
		thaw()
		e.eventually("notes are written again", func() bool {
			ctx, cancel := context.WithTimeout(e.ctx, 5*time.Second)
			defer cancel()
			return n.Write(ctx, e.prefix+"agent:web-1", []byte("after")) == nil
		})
		e.wantNote(n, e.prefix+"agent:web-1", "after")
	}},
}
