package backendtest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

var seedFlag = flag.Uint64("backendtest.seed", 0, "`seed` of the random histories; 0: another each time, printed")

// Full is a store with every ability of a migration's two sides.
type Full interface {
	backends.Store
	backends.Reader
	backends.BatchReader
	backends.Toucher
	backends.Adder
	backends.Guarder
	backends.Tombstoner
	backends.Marker
	backends.Locker
	backends.Scanner
}

// Compare runs one random history of so many steps on a store and on a model
// (memory), one step after the other on few keys, and wants the same answers.
// Deadlines may differ by a few seconds, and are not compared where one of the
// two does not tell them.
//
// One thing is left to the stores, so the history avoids it: whether a guard
// that stands is told of a change that changes nothing, such as the delete of a
// missing session. (memcached tells it, as it takes the claim away.)
func Compare(t *testing.T, store, model Full, steps int) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	h := &history{TB: t, ctx: ctx, rng: rand.New(rand.NewPCG(seed, 0)), stores: [2]Full{store, model}}
	prefix := fmt.Sprintf("cmp-%08x-", rand.Uint32())
	for i := range 3 {
		h.keys = append(h.keys, backends.Key{Name: fmt.Sprint(prefix, i)})
	}
	h.locks = []backends.Key{{Name: prefix + "lock"}}
	h.prefix = prefix
	t.Logf("seed %d (-backendtest.seed)", seed)
	defer func() {
		for _, ho := range h.holds {
			ho.release()
		}
	}()
	for range steps {
		h.step()
		if t.Failed() {
			t.Fatalf("the last of %d steps:\n%s", len(h.log), strings.Join(h.log[max(0, len(h.log)-30):], "\n"))
		}
	}
}

// history is what Compare works with.
type history struct {
	testing.TB
	ctx    context.Context
	rng    *rand.Rand
	stores [2]Full // the store, the model
	prefix string
	keys   []backends.Key
	locks  []backends.Key
	holds  []*hold
	log    []string
}

// hold is a guard or an undo in both stores.
type hold struct {
	keys   []backends.Key
	guards [2]backends.Guard
	many   [2]backends.BatchGuard
	undos  [2]backends.Undo
}

func (ho *hold) release() {
	for i := range 2 {
		switch {
		case ho.guards[i] != nil:
			ho.guards[i].Release()
		case ho.many[i] != nil:
			ho.many[i].Release()
		case ho.undos[i] != nil:
			ho.undos[i].Release()
		}
	}
}

// answer is what a store said: a text, and deadlines, which may differ a little.
type answer struct {
	text      string
	deadlines []deadline
}

type deadline struct {
	at      time.Time
	unknown bool
}

func (a *answer) say(args ...any) { a.text += fmt.Sprintln(args...) }

func (a *answer) err(err error) {
	if errors.Is(err, backends.ErrConflict) {
		err = backends.ErrConflict
	}
	a.say(err)
}

// session adds a session, without flags where the store keeps none.
func (h *history) session(a *answer, s backends.Session) {
	if !h.keepsFlags() {
		s.Flags = 0
	}
	a.say(s.Key.Name, fmt.Sprintf("%q", s.Data), s.Flags)
	a.deadlines = append(a.deadlines, deadline{s.Deadline, s.DeadlineUnknown})
}

func (h *history) record(a *answer, r backends.Record) {
	if a.say("found", r.Found, "gone", r.Gone); r.Found {
		h.session(a, r.Session)
	}
}

func (h *history) keepsFlags() bool {
	k, ok := h.stores[0].(backends.FlagKeeper)
	return !ok || k.KeepsFlags()
}

// both asks the store and then the model, and compares.
func (h *history) both(what string, ask func(i int, s Full, a *answer)) (got answer) {
	h.Helper()
	var as [2]answer
	for i, s := range h.stores {
		ask(i, s, &as[i])
	}
	got, want := as[0], as[1]
	h.log = append(h.log, what+": "+strings.ReplaceAll(strings.TrimSpace(want.text), "\n", ", "))
	if got.text != want.text {
		h.Errorf("%s: got\n%swant\n%s", what, got.text, want.text)
		return want
	}
	for i, d := range got.deadlines {
		w := want.deadlines[i]
		if d.unknown || w.unknown {
			continue
		}
		if diff := d.at.Sub(w.at).Abs(); d.at.IsZero() != w.at.IsZero() || !d.at.IsZero() && diff > 4*time.Second {
			h.Errorf("%s: got deadline %v, want %v", what, d.at, w.at)
		}
	}
	return want
}

// stands looks at the model.
func (h *history) stands(k backends.Key) bool {
	_, found, err := h.stores[1].Get(h.ctx, k)
	if err != nil {
		h.Errorf("get: %v", err)
	}
	return found
}

// held tells whether a guard or undo stands for k, besides except.
func (h *history) held(k backends.Key, except *hold) bool {
	return slices.ContainsFunc(h.holds, func(ho *hold) bool { return ho != except && slices.Contains(ho.keys, k) })
}

// sure tells whether a change that may change nothing can be made, see Compare.
func (h *history) sure(k backends.Key, except *hold) bool { return !h.held(k, except) || h.stands(k) }

// random gives a session; sometimes one that is past, where that may be.
func (h *history) random(k backends.Key, past bool) backends.Session {
	s := backends.Session{Key: k, Data: pick(h, []byte("a"), []byte("b"), []byte{}, []byte("c\r\n"), []byte(strings.Repeat("d", 3000)))}
	s.Flags = pick(h, uint32(0), 1, 768, 1<<32-1)
	s.Deadline = h.deadline(past)
	return s
}

func (h *history) deadline(past bool) time.Time {
	now := time.Now()
	d := pick(h, time.Time{}, now.Add(time.Hour), now.Add(2*time.Hour), now.Add(31*day), now.Add(-time.Hour))
	if d.Before(now) && !d.IsZero() && !past {
		return now.Add(time.Hour)
	}
	return d
}

func pick[T any](h *history, of ...T) T { return of[h.rng.IntN(len(of))] }
