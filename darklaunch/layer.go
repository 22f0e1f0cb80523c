package darklaunch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/lease"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Layer is the session layer of one agent. It is safe for concurrent use. Run
// must be running for anything that follows an answer: mirroring, comparing,
// repairing, taking revisions.
type Layer struct {
	o     Options
	log   *slog.Logger
	obs   Observer
	start string // this life's start id
	hosts bool   // old is host-scoped
	taken bool   // both stores are backends.Takers
	flags flags.Stopper
	state stateFile

	eras     eras
	table    table
	grants   grants
	mirror   *mirror
	recent   recent
	compare  *comparer
	logouts  *logouts
	gone     tombstones
	breakers [2]breaker
	lease    *lease.Lease // nil: readers of new always look at marks

	observing observing
	writes    atomic.Uint64 // numbers this agent's marks
	marksPut  atomic.Int64
	// marksStanding counts the marks that were put and not seen to be removed.
	marksStanding atomic.Int64
	marking       atomic.Int64 // marks that are being put
	marksLost     atomic.Int64 // stood when old evicted something or restarted
	health        [2]atomic.Pointer[backends.Health]
	failovers     atomic.Int64  // how often new came to have another run id
	recompared    atomic.Int64  // sessions compared because of that
	distrusted    atomic.Int64  // of those, differed and marked
	unmended      atomic.Int64  // of those, differed while old lacked writes too
	lookAtRecent  chan struct{} // new has another run id
	behind        atomic.Bool   // our old-behind record stands in new
	// checked is set while a difference cannot be older than the fence: a
	// verification has passed in this life, and all has been fenced since.
	checked  atomic.Bool
	bypassed atomic.Int64 // changes that were made past the layer, where that can be told
	dirty    [2]atomic.Int64
	// dirtyChanges rises with each of their changes; told is what others have.
	dirtyChanges atomic.Uint64
	told         told
	unknown      [2]atomic.Int64
	allDirty     [2]atomic.Bool
	// allDirtied is how often one of them was set: see Verified.
	allDirtied atomic.Uint64
	copies     chan struct{} // bounds refills and repairs at one time

	calls    context.Context // of every store call; ends at Close
	endCalls context.CancelFunc
	wg       sync.WaitGroup

	mu     sync.Mutex // guards closed
	closed bool
}

// New makes a Layer. It starts nothing and calls no store; the stores stay the
// caller's to close, after Close.
func New(o Options) (*Layer, error) {
	if err := o.defaults(); err != nil {
		return nil, err
	}
	st, err := openState(o.StateDir)
	if err != nil {
		return nil, err
	}
	l := &Layer{
		o: o, log: o.Log, obs: o.Observer, start: st.Start, state: st,
		copies: make(chan struct{}, maxCopies), flags: goesOn{},
	}
	if f, ok := o.Flags.(flags.Stopper); ok {
		l.flags = f
	}
	if h, ok := o.Old.Store.(backends.HostScoped); ok {
		l.hosts = h.HostScoped()
	}
	l.taken = takes(o.Old.Store) && takes(o.New.Store)
	if notes, ok := backends.NotesOf(o.Old.Store, o.Migration); ok && !l.hosts {
		l.lease = lease.New(notes, l.start)
	}
	l.calls, l.endCalls = context.WithCancel(context.Background())
	for i := range l.breakers {
		l.breakers[i] = breaker{failures: o.BreakerFailures, period: o.BreakerPeriod}
	}
	l.mirror = newMirror(o.MirrorQueue, o.MirrorBytes)
	l.recent.most = o.DirtyMax
	l.lookAtRecent = make(chan struct{}, 1)
	l.compare = newComparer()
	l.logouts = newLogouts()
	l.eras.take(o.Flags.Current())
	return l, nil
}

// Run takes revisions as they come and does what follows answers, until ctx
// ends. Then it lets queued writes arrive, for at most the copy timeout.
func (l *Layer) Run(ctx context.Context) error {
	revisions, stop := l.o.Flags.Watch()
	defer stop()
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for i := range l.mirror.lanes {
		wg.Go(func() { l.deliver(i) })
	}
	wg.Go(func() { l.repairer(work) })
	wg.Go(func() { l.watchHealth(work, rules.Old) })
	wg.Go(func() { l.watchHealth(work, rules.New) })
	wg.Go(func() { l.recomparing(work) })
	wg.Go(func() { l.leasing(work) })
	for range compareWorkers {
		wg.Go(func() { l.comparing(work) })
	}
	for range lookWorkers {
		wg.Go(func() { l.looking(work) })
		wg.Go(func() { l.lookingAgain(work) })
	}
	for {
		select {
		case s := <-revisions:
			l.take(s)
			continue
		case <-ctx.Done():
		}
		break
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.o.CopyTimeout)
	defer cancel()
	if err := poll(drain, func() bool { return l.eras.now.Load().running.Load() == 0 && l.eras.older() == 0 }); err != nil {
		l.log.Warn("stopped with writes queued: their sessions are dirty until verified", "queued", l.mirror.length())
	}
	l.mirror.close() // what is still queued makes its session dirty
	end()
	wg.Wait()
	return nil
}

// take makes a revision the one that new operations obey.
func (l *Layer) take(s *flags.Snapshot) {
	if cur := l.eras.now.Load().snap; !cur.Newer(s) {
		return
	}
	if s.Holds(position.Off) || s.Holds(position.Mirror) {
		l.checked.Store(false)
	}
	l.eras.take(s)
	l.log.Info("took a revision", "epoch", s.Epoch())
}

// Serves tells whether any flags were taken: before, nobody is served.
func (l *Layer) Serves() bool { return l.eras.now.Load().snap != nil }

// Epoch of the newest revision that was taken; 0: none of the migration's was.
func (l *Layer) Epoch() uint64 { return l.eras.now.Load().snap.Epoch() }

// Close ends what still runs. Calls under way are given up: what they change
// may still arrive. Call it after Run has returned.
func (l *Layer) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	clean := l.eras.older() == 0 && l.eras.now.Load().running.Load() == 0 && l.mirror.length() == 0 &&
		l.dirty[rules.New].Load() == 0 && l.dirty[rules.Old].Load() == 0 && !l.allDirty[rules.New].Load() && !l.allDirty[rules.Old].Load() &&
		l.unknown[rules.Old].Load() == 0 && l.unknown[rules.New].Load() == 0
	l.endCalls()
	l.wg.Wait()
	return l.state.close(clean)
}

// background runs fn until it ends or the layer is closed.
func (l *Layer) background(fn func(context.Context)) (started bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.wg.Go(func() { fn(l.calls) })
	return true
}

func (l *Layer) side(s rules.Side) *Store {
	if s == rules.Old {
		return &l.o.Old
	}
	return &l.o.New
}

func (l *Layer) store(s rules.Side) Abilities { return l.side(s).Store.(Abilities) }

// isOwn tells whether marks of that start id are this agent's to remove.
func (l *Layer) isOwn(start string) bool {
	if start == l.start {
		return true
	}
	for _, f := range l.state.Former {
		if f == start {
			return true
		}
	}
	return false
}

// env is what the rules need to know besides the position.
func (l *Layer) env(d flags.Decision) rules.Env {
	var e rules.Env
	if d.Settled && !l.o.RefuseUnconfirmed {
		e |= rules.Settled
	}
	switch d.Down {
	case flags.OldDown:
		e |= rules.OldDown
	case flags.OldDownLocks:
		e |= rules.OldDown | rules.LocksInNew
	case flags.OldRecovering:
		e |= rules.Recovering
	}
	if d.KeepOld {
		e |= rules.KeepOld
	}
	if l.o.Old.Evicts {
		e |= rules.OldEvicts
	}
	if l.hosts {
		e |= rules.HostScoped
	}
	if l.behind.Load() {
		e |= rules.Behind
	}
	return e
}

// begin makes an operation of the current revision, and holds its era.
func (l *Layer) begin(op *operation, kind rules.Op) error {
	if op.ref == (kinds.Ref{}) {
		return ErrNoSession
	}
	if l.flags.Stopped() != "" {
		return ErrStopped
	}
	op.l = l
	op.era = l.eras.hold()
	if l.o.Decider != nil {
		op.at = l.o.Decider.Decide(op.hash)
	} else {
		op.at = op.era.snap.Decide(op.hash)
	}
	op.at = stays(op.ref, op.at)
	if !op.at.Ready {
		op.era.release()
		return ErrNotReady
	}
	env := l.env(op.at)
	if !op.mayWriteAlone(kind, env) {
		if env&rules.Behind != 0 {
			op.era.release()
			return ErrUnavailable
		}
		env &^= rules.Settled
	}
	op.m = rules.Start(kind, op.at.Position, env|l.leased(kind))
	return nil
}

// stays is where a key is that does not move, whatever the flags say. It is no
// session: nothing follows an operation on it.
func stays(r kinds.Ref, at flags.Decision) flags.Decision {
	switch r.Kind().Stays {
	case kinds.StaysOld:
		at.Position = position.Off
	case kinds.StaysNew:
		at.Position, at.KeepOld = position.Cutover, false
	}
	return at
}

// goesOn is a source of flags that never stops.
type goesOn struct{}

func (goesOn) Stopped() string { return "" }

// Stopped is why the layer serves nobody any more (ErrStopped); empty: it does.
// What had begun before ends as it would have.
func (l *Layer) Stopped() string { return l.flags.Stopped() }

// settle waits until it is known whether a call arrived, and asks the server
// now and then.
func (l *Layer) settle(ctx context.Context, u unknownCall) {
	wait := time.Second
	for {
		t := time.NewTimer(wait)
		select {
		case <-u.Done():
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		ask, cancel := context.WithTimeout(ctx, l.o.Old.Timeout+l.o.New.Timeout)
		err := u.Settle(ask)
		cancel()
		if err == nil {
			return
		}
		wait = min(wait*2, 5*time.Second)
	}
}

type unknownCall interface {
	Done() <-chan struct{}
	Settle(context.Context) error
}
