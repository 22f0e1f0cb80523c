package darklaunch

import (
	"errors"
	"log/slog"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
)

// Options are what a Layer is made of. Migration, Kinds, Flags, Hasher, Old and
// New are needed; the rest has defaults.
type Options struct {
	// Migration is the prefix of what Crossfade keeps in a store: [a-z0-9-]{1,32}.
	Migration string
	Kinds     *kinds.Set
	// Flags gives the revisions. Its epoch is what is acknowledged.
	Flags flags.Source
	// Decider, when set, is asked for the position instead of the revision: a
	// foreign OpenFeature provider (flags.FromOpenFeature).
	Decider flags.Decider
	Hasher  *flags.Hasher

	Old, New Store

	// CopyTimeout bounds one copy (refill, repair, backfill). Default 10 s; a
	// tombstone lives twice as long.
	CopyTimeout time.Duration
	// BreakerFailures calls in a row open a store's breaker for BreakerPeriod.
	// Defaults 5 and 1 s.
	BreakerFailures int
	BreakerPeriod   time.Duration
	// DirtyMax bounds how many sessions are remembered as dirty; one more means
	// that all are. Default 100,000, some 15 MB.
	DirtyMax int
	// MirrorQueue and MirrorBytes bound the writes that follow their answer.
	// Defaults 10,000 and 64 MiB. What does not fit makes its session dirty.
	MirrorQueue int
	MirrorBytes int
	// CompareRatio of the sessions (by hash) has its reads compared. Default 0.
	CompareRatio float64
	// CompareRecheck is how long after a difference the second look is.
	// Default 200 ms.
	CompareRecheck time.Duration
	// RefuseUnconfirmed: in settled read-new a write that old does not take is
	// refused, instead of being kept in new alone.
	RefuseUnconfirmed bool
	// StateDir keeps the agent's start ids over restarts. Empty: none are kept,
	// and marks that this agent left behind stay until they run out.
	StateDir string

	Log      *slog.Logger // default: none
	Observer Observer     // default: none
}

// Store is one side of the migration.
type Store struct {
	backends.Store
	// Timeout of one call. Default 1 s for old, 250 ms for new.
	Timeout time.Duration
	// Evicts: the store may throw out a live session, so that a miss there is
	// no evidence of anything.
	Evicts bool
}

// Abilities are what both stores must be able to do.
type Abilities interface {
	backends.Store
	backends.Reader
	backends.Toucher
	backends.Adder
	backends.Guarder
	backends.Tombstoner
	backends.Marker
	backends.Locker
}

func (o *Options) defaults() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, errors.New("darklaunch: "+what))
		}
	}
	need(o.Migration != "", "Options.Migration is needed: the migration's name")
	need(o.Kinds != nil, "Options.Kinds is needed: see kinds.Compile")
	need(o.Flags != nil, "Options.Flags is needed: see flags.NewFile and flags.NewStatic")
	need(o.Hasher != nil, "Options.Hasher is needed: see flags.LoadOrCreateKey")
	_, oldOK := o.Old.Store.(Abilities)
	_, newOK := o.New.Store.(Abilities)
	need(oldOK, "Options.Old must have all of darklaunch.Abilities")
	need(newOK, "Options.New must have all of darklaunch.Abilities")
	setDefault(&o.Old.Timeout, time.Second)
	setDefault(&o.New.Timeout, 250*time.Millisecond)
	setDefault(&o.CopyTimeout, 10*time.Second)
	setDefault(&o.BreakerFailures, 5)
	setDefault(&o.BreakerPeriod, time.Second)
	setDefault(&o.DirtyMax, 100_000)
	setDefault(&o.MirrorQueue, 10_000)
	setDefault(&o.MirrorBytes, 64<<20)
	setDefault(&o.CompareRecheck, 200*time.Millisecond)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	return errors.Join(errs...)
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
