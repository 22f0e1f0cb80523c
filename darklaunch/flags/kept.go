package flags

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Channel is a way by which revisions reach an agent.
type Channel string

const (
	FromFile   Channel = "file"   // the flag file
	FromURL    Channel = "url"    // flagd's JSON over HTTP; it counts as a file does
	FromServer Channel = "server" // pushed by a server
	FromStore  Channel = "store"  // the epoch note in a store
)

// fleets tells whether what comes by a channel was published by whoever moves the
// fleet; a file may be anybody's.
func fleets(c Channel) bool { return c == FromServer || c == FromStore }

// KeptOptions are the options of a Kept; the zero value works.
type KeptOptions struct {
	// StateDir is the folder of the last good copy, made if it is not there.
	// Empty: none is kept, and a restart needs a revision from somewhere.
	StateDir string
	// Migration, when set, refuses the flags of any other.
	Migration string
	// Agent is this agent's name, for revisions that not all agents mirror by.
	Agent string
}

// Kept is a Source that is given revisions, by any number of channels at any
// time, and keeps the last good one over a restart.
//
//	k := flags.NewKept(flags.KeptOptions{Migration: "sessions", StateDir: "state"})
//	k.Take(data, flags.FromStore) // whatever is known at the start, in any order
//	k.Begin()                     // from here on it serves
//	k.Take(data, flags.FromServer)
//
// Before Begin the newest of what comes counts, and of what an earlier life
// served: nobody serves yet, so it may have gone on by more than a step. After
// it, only what may follow (Next) is taken.
//
// A higher revision that comes from the fleet (server or store) and may not
// follow, or by the server one that is not the next, stops the Kept: the fleet
// went on without waiting for this agent, so that what it would decide is no
// longer known to be beside what others do. A stopped Kept takes nothing more
// until the process is started anew. A flag file that jumps is refused instead,
// as it may be a person's mistake, and putting it right is enough; so is what
// comes by a URL. A file or a URL may also give a definition that was made
// elsewhere (Elsewhere): it raises sessions from off to mirror, beside the
// revision that is known.
//
// A lower one from a store says nothing (backends.Notes): it is refused, and no
// fault of the source.
type Kept struct {
	board
	opt KeptOptions

	stopped atomic.Pointer[string]
	halted  chan struct{} // closed when stopped is set

	take  sync.Mutex // one Take, Begin or Stop at a time; guards the fields below
	saved *Snapshot  // what an earlier life served last, until Begin
	read  bool       // it was looked for
	begun bool
	next  *Snapshot // before Begin: the newest that came
	raise *Elsewhere

	statusMu sync.Mutex // guards status; no I/O under it
	status   Status
}

var (
	_ Source  = (*Kept)(nil)
	_ Stopper = (*Kept)(nil)
)

// Stopper is a Source that may stop for good. Stopped is "" while it has not,
// and costs one atomic load.
type Stopper interface {
	Stopped() (reason string)
}

// ErrStopped is wrapped by what Take returns once the Kept has stopped.
var ErrStopped = errors.New("flags: stopped")

// NewKept makes a Kept; nothing is read before the first Take or Begin.
func NewKept(opt KeptOptions) *Kept {
	k := &Kept{opt: opt, halted: make(chan struct{})}
	k.status.LastError = errors.New("flags: not ready: no revision has come yet")
	return k
}

// Take is given a revision, as flagd's JSON. nil: it is served now, or it was
// already (equal revisions may be given again and again). Otherwise the error
// says why not, and is in Status too: until something is taken from the same
// channel. It wraps ErrStopped if the Kept has stopped, by this or before.
func (k *Kept) Take(data []byte, from Channel) error {
	if !fleets(from) && madeElsewhere(data) {
		return k.takeElsewhere(data, from)
	}
	n, err := k.parse(data)
	k.take.Lock()
	defer k.take.Unlock()
	k.recall()
	old := false
	if err == nil {
		old = from == FromStore && n.Epoch() < k.newest().Epoch()
		err = k.follow(n, from)
	}
	if err == nil {
		if !fleets(from) {
			k.lower()
		}
		k.save()
	}
	if !old {
		k.note(func(s *Status) { s.told(from, err) })
	}
	return err
}

// newest is what is served or, before Begin, would be.
func (k *Kept) newest() *Snapshot {
	switch {
	case k.begun:
		return k.Current()
	case k.next != nil:
		return k.next
	}
	return k.saved
}

func (k *Kept) follow(n *Snapshot, from Channel) error {
	if why := k.Stopped(); why != "" {
		return fmt.Errorf("%w: %s", ErrStopped, why)
	}
	was := k.newest()
	if was.Epoch() == 0 && was != nil { // nothing of ours was known, and who is off may be in mirror
		if err := was.raised(nil).moves(n); err != nil {
			if fleets(from) {
				k.halt(fmt.Sprintf("revision %d came by the %s, and sessions are off here: the fleet has gone on without this agent", n.Epoch(), from))
				err = fmt.Errorf("%w: %w", ErrStopped, err)
			}
			return err
		}
		was = nil
	}
	switch {
	case !k.begun && was != nil:
		if err := was.Resume(n); err != nil {
			return err
		}
		fallthrough
	case !k.begun:
		k.next = n
		return nil
	case was == nil:
	case was.Epoch() == n.Epoch() && was.same(n): // given again, as it was
		return nil
	default:
		err := was.Next(n)
		if missed := from == FromServer && n.Epoch() > was.Epoch()+1; err == nil && missed {
			err = fmt.Errorf("flags: epoch %d cannot follow %d: %w: one in between was missed", n.Epoch(), was.Epoch(), ErrEpoch)
		}
		if err != nil && fleets(from) && n.Epoch() > was.Epoch() {
			k.halt(fmt.Sprintf("revision %d came by the %s, and may not follow %d, which is served here: the fleet has gone on without this agent", n.Epoch(), from, was.Epoch()))
			err = fmt.Errorf("%w: %w", ErrStopped, err)
		}
		if err != nil {
			return err
		}
	}
	k.serve(n)
	return nil
}

// Begin lets the Kept serve: the newest that was given, or what an earlier life
// served last. It may be called twice.
func (k *Kept) Begin() {
	k.take.Lock()
	defer k.take.Unlock()
	if k.begun {
		return
	}
	k.recall()
	n := k.newest()
	k.begun, k.next, k.saved = true, nil, nil
	if n != nil {
		k.serve(n)
		k.save()
	} else if k.raise != nil {
		k.serve(nothing(k.opt.Migration))
	}
}

// Stop ends what the Kept serves, for a reason that the caller knows: the
// fleet's roster does not name this agent. It is not undone.
func (k *Kept) Stop(reason string) {
	k.take.Lock()
	defer k.take.Unlock()
	k.halt(reason)
}

func (k *Kept) halt(reason string) {
	if k.stopped.CompareAndSwap(nil, &reason) {
		close(k.halted)
	}
}

// Halted is closed once the Kept has stopped.
func (k *Kept) Halted() <-chan struct{} { return k.halted }

// Stopped is why the Kept has stopped; empty: it has not.
func (k *Kept) Stopped() string {
	if why := k.stopped.Load(); why != nil {
		return *why
	}
	return ""
}

// Status says how the source is.
func (k *Kept) Status() Status {
	k.statusMu.Lock()
	defer k.statusMu.Unlock()
	s := k.status
	cur := k.Current()
	s.Ready, s.Epoch, s.Stopped, s.Elsewhere = cur != nil, cur.Epoch(), k.Stopped(), cur != nil && cur.raise != nil
	return s
}

func (k *Kept) note(change func(*Status)) {
	k.statusMu.Lock()
	defer k.statusMu.Unlock()
	change(&k.status)
}

// fail says why a channel has nothing to give.
func (k *Kept) fail(from Channel, err error) { k.note(func(s *Status) { s.told(from, err) }) }

func (k *Kept) parse(data []byte) (*Snapshot, error) {
	n, err := Parse(data)
	if err != nil {
		return nil, err
	}
	if want := k.opt.Migration; want != "" && n.Migration() != want {
		return nil, fmt.Errorf("flags: the flags are of migration %q, this agent serves %q: check flags.file", n.Migration(), want)
	}
	return n.For(k.opt.Agent), nil
}
