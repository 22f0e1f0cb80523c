package epochs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

const (
	tick = time.Second
	// lookMost bounds one call to one store: with both silent a round is shorter
	// than a tick, so that one that answers is asked each second.
	lookMost = 400 * time.Millisecond
	// quietFor is how long nobody must have asked an agent before it tells what
	// it would have answered in its own note.
	quietFor = 3 * time.Second
)

// WatcherOptions of a Watcher. Kept, Migration and Name are needed, and one of
// the stores.
type WatcherOptions struct {
	Kept      *flags.Kept
	Migration string
	Name      string          // of this agent, as a roster has it
	Former    []string        // its earlier lives, by its state folder: see Note.Lists
	Old, New  *backends.Notes // nil: the store holds none
}

// Voice is what an agent needs to say how it is in a note of its own.
type Voice struct {
	Start string // this life's start id
	// Status is what the agent says of itself, as JSON. Asked is when it was last
	// asked for it otherwise.
	Status func() ([]byte, error)
	Asked  func() time.Time
}

// Watched is what a Watcher has seen, for the agent's status.
type Watched struct {
	Old uint64 `json:"old"` // the epoch in each store; 0: none was found
	New uint64 `json:"new"`
	// OldFailed and NewFailed count reads and writes that came to nothing.
	OldFailed uint64 `json:"old_failed"`
	NewFailed uint64 `json:"new_failed"`
	// Wrote counts the notes of its own that the agent has written, and the epoch
	// notes that it has written again.
	Wrote uint64 `json:"wrote"`
}

// Watcher reads the epoch note in both stores each second, and gives what it
// finds to a Kept. Where one store has lost it, or has a lower one, it writes
// there again what it has seen last.
type Watcher struct {
	o     WatcherOptions
	voice Voice
	lives []string // its own, once it is known, and the former ones
	began time.Time
	seq   uint64
	top   *Note // the highest that was seen

	mu       sync.Mutex // guards what follows
	was      Watched
	unlisted bool
}

// NewWatcher makes a watcher. It starts nothing and calls no store.
func NewWatcher(o WatcherOptions) *Watcher {
	return &Watcher{o: o, lives: o.Former, began: time.Now()}
}

// Speak lets the agent write its own note. Call it before Run, or not at all.
func (w *Watcher) Speak(v Voice) {
	w.voice = v
	w.lives = append([]string{v.Start}, w.o.Former...)
}

// Watched is what was seen so far.
func (w *Watcher) Watched() Watched {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.was
}

// Run looks each second until ctx ends. One Run or Look at a time.
func (w *Watcher) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		w.Look(ctx)
		w.tell(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Look reads both notes once, gives the higher to the Kept, and writes it where
// it is lacking.
func (w *Watcher) Look(ctx context.Context) {
	ask, cancel := context.WithTimeout(ctx, lookMost)
	o, n := ReadBoth(ask, w.o.Old, w.o.New, w.o.Migration)
	cancel()
	w.mu.Lock()
	w.was.Old, w.was.New = o.Note.Epoch, n.Note.Epoch
	w.failed(o.Err, n.Err)
	w.mu.Unlock()
	if top, found := Highest(o, n); found {
		if w.top == nil || top.Epoch > w.top.Epoch || top.Epoch == w.top.Epoch && top.At.After(w.top.At) {
			w.top = &top
		}
		w.obey()
	}
	w.again(ctx, o, n)
}

// failed counts. The caller holds mu.
func (w *Watcher) failed(old, new error) {
	fault := func(err error) uint64 {
		if err == nil || errors.Is(err, ErrNone) || errors.Is(err, ErrHigher) {
			return 0
		}
		return 1
	}
	w.was.OldFailed += fault(old)
	w.was.NewFailed += fault(new)
}

// Unlisted tells whether the newest note has a roster without this agent: without
// its name, or with another life under it. One
// that does not serve yet then waits for a server, which adds it.
func (w *Watcher) Unlisted() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unlisted
}

// obey gives the note to the Kept: a roster that does not name this agent, or a
// revision that was missed while there is one, says that the fleet waits for it
// no longer. A note of the revision that is served here says nothing: its server
// has added the agent since.
func (w *Watcher) obey() {
	k, cur, named := w.o.Kept, w.o.Kept.Current(), w.top.Lists(w.o.Name, w.lives)
	w.mu.Lock()
	w.unlisted = !named
	w.mu.Unlock()
	if cur == nil {
		if !named {
			return // it does not serve, and waits for a server
		}
	} else if obey, stop := rules.TakesNote(cur.Epoch(), rules.Note{Epoch: w.top.Epoch, Listed: named}); stop && !named {
		why := "does not name agent " + w.o.Name
		if w.top.Life(w.o.Name) != "" {
			why = "names another life of agent " + w.o.Name + ", which was started in the place of this one"
		}
		k.Stop(fmt.Sprintf("the roster of revision %d %s", w.top.Epoch, why))
		return
	} else if stop && w.top.Agents != nil {
		k.Stop(fmt.Sprintf("revision %d stands in the stores, and %d is served here: one was published without waiting for agent %s", w.top.Epoch, cur.Epoch(), w.o.Name))
		return
	} else if !obey && !stop && w.top.Epoch < cur.Epoch() { // one that was lost, and an older one came back
		return
	} else if !named {
		return
	}
	// Without a roster nobody says who is waited for: the Kept judges what was
	// missed.
	k.Take(w.top.Flags, flags.FromStore) // its error is in the Kept's status
}

// again writes the note where a store answers that it has none, or a lower one.
// It is what some agent or orchestrator published, to the letter.
func (w *Watcher) again(ctx context.Context, o, n Stand) {
	if w.top == nil || w.o.Kept.Stopped() != "" {
		return
	}
	old, new := w.o.Old, w.o.New
	lacks := func(s Stand) bool {
		return s.Err == nil && (!s.Found || s.Short || s.Note.Epoch < w.top.Epoch || s.Note.Epoch == w.top.Epoch && s.Note.At.Before(w.top.At))
	}
	if !lacks(o) {
		old = nil
	}
	if !lacks(n) {
		new = nil
	}
	if old == nil && new == nil {
		return
	}
	put, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	err := Raise(put, old, new, *w.top)
	var not *RaiseError
	w.mu.Lock()
	defer w.mu.Unlock()
	w.was.Wrote++
	if errors.As(err, &not) {
		w.failed(not.Old, not.New)
	}
}

// tell writes this agent's own note, while a roster names it and nobody asks it:
// only a fleet that is waited for has to be heard, and only one that cannot be
// reached otherwise pays for it.
func (w *Watcher) tell(ctx context.Context) {
	if w.voice.Status == nil || w.top == nil || w.top.Agents == nil || !w.top.Lists(w.o.Name, w.lives) || time.Since(w.began) < quietFor {
		return
	}
	if time.Since(w.voice.Asked()) < quietFor {
		return
	}
	status, err := w.voice.Status()
	if err != nil {
		return
	}
	w.seq++
	data, err := json.Marshal(Heard{Version: heardVersion, Start: w.voice.Start, Seq: w.seq, Status: status})
	if err != nil {
		return
	}
	put, cancel := context.WithTimeout(ctx, lookMost)
	defer cancel()
	var errs [2]error
	var wg sync.WaitGroup
	for i, to := range []*backends.Notes{w.o.Old, w.o.New} {
		if to != nil {
			wg.Go(func() { errs[i] = to.Write(put, AgentName(w.o.Name), data) })
		}
	}
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.was.Wrote++
	w.failed(errs[0], errs[1])
}
