package darklaunch

import (
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// Status is what an agent says of itself: numbers, no ids.
type Status struct {
	// Start is this life's id; Former the ids before it, the newest first.
	Start     string   `json:"start"`
	Former    []string `json:"former,omitempty"`
	CleanFrom string   `json:"clean_from,omitempty"`
	// Epoch is the newest revision taken; 0 when none is known.
	Epoch uint64 `json:"epoch"`
	// Acknowledged tells that nothing older is running, queued, unknown or
	// locked; Waiting says what is.
	Acknowledged bool     `json:"acknowledged"`
	Waiting      []string `json:"waiting,omitempty"`
	// Older and LocksOut count two of the things waited for; the third is the
	// unknown calls.
	Older    int64 `json:"older"`
	LocksOut int   `json:"locks_out"`

	DirtyNew    int64 `json:"dirty_new"`
	DirtyOld    int64 `json:"dirty_old"`
	AllDirtyNew bool  `json:"all_dirty_new,omitempty"`
	AllDirtyOld bool  `json:"all_dirty_old,omitempty"`
	// AllDirtied counts how often they were set: what Layer.Verified is given.
	AllDirtied  uint64 `json:"all_dirtied,omitempty"`
	Behind      bool   `json:"old_behind,omitempty"`
	UnknownOld  int64  `json:"unknown_old"`
	UnknownNew  int64  `json:"unknown_new"`
	Queued      int64  `json:"mirror_queued"`
	QueuedBytes int64  `json:"mirror_queued_bytes"`
	Dropped     int64  `json:"mirror_dropped"`
	MarksPut    int64  `json:"marks_put"`
	// MarksStanding is how many of them were not removed yet, as far as this
	// life of the agent knows.
	MarksStanding int64 `json:"marks_standing"`
	// Lease is how readers here stand to marks: clean (none is looked for), looks,
	// or listed (this agent may have some itself). Empty: they always look.
	Lease string `json:"lease,omitempty"`
	// MarksLost is how many stood when old evicted something or restarted.
	MarksLost int64 `json:"marks_lost"`
	// Failovers is how often new came to have another run id; Recompared how many
	// sessions were looked at because of that, and Distrusted how many of those
	// differed and were marked.
	Failovers  int64 `json:"new_failovers"`
	Recompared int64 `json:"recompared"`
	Distrusted int64 `json:"distrusted"`
	// Tombstones of this life that have not run out.
	Tombstones int64 `json:"tombstones"`
	// Bypassed are the changes that were seen to have been made past the layer.
	Bypassed int64 `json:"bypassed"`
	// MirrorLag is how long the write waited that was delivered last; 0 when
	// nothing is queued.
	MirrorLag    time.Duration `json:"mirror_lag_ns"`
	BreakerOld   string        `json:"breaker_old"`
	BreakerNew   string        `json:"breaker_new"`
	FlagsError   string        `json:"flags_error,omitempty"`
	FlagsContact time.Time     `json:"flags_contact"`
	// FlagsElsewhere is set while a definition that was made elsewhere has
	// sessions in mirror, beside the revision (flags.Elsewhere).
	FlagsElsewhere bool `json:"flags_elsewhere,omitempty"`
	// Stopped is why the agent serves nobody any more, until it is started anew.
	Stopped string `json:"stopped,omitempty"`
}

// Status is read by the steps of a ramp: an acknowledgement is of the newest
// revision that this agent has taken.
func (l *Layer) Status() Status {
	now := time.Now()
	// In this order: what ends while this is made is counted here or, as dirt,
	// marks and unknown calls, below; never nowhere.
	epoch := l.eras.now.Load().snap.Epoch()
	older := l.eras.older()
	locks := l.grants.olderThan(epoch, now)
	s := Status{
		Start: l.start, Former: l.state.Former, CleanFrom: l.state.CleanFrom,
		Epoch:    epoch,
		DirtyNew: l.dirty[rules.New].Load(), DirtyOld: l.dirty[rules.Old].Load(),
		AllDirtyNew: l.allDirty[rules.New].Load(), AllDirtyOld: l.allDirty[rules.Old].Load(), AllDirtied: l.allDirtied.Load(),
		Behind:     l.behind.Load(),
		UnknownOld: l.unknown[rules.Old].Load(), UnknownNew: l.unknown[rules.New].Load(),
		Queued: l.mirror.operations.Load(), QueuedBytes: l.mirror.bytes.Load(), Dropped: l.mirror.dropped.Load(),
		MarksPut: l.marksPut.Load(), MarksStanding: l.marksStanding.Load(), MarksLost: l.marksLost.Load(),
		Lease:     l.leaseState(),
		Failovers: l.failovers.Load(), Distrusted: l.distrusted.Load(), Recompared: l.recompared.Load(),
		Tombstones: l.gone.standing(now), Bypassed: l.bypassed.Load(),
		BreakerOld: l.breakers[rules.Old].state(now).String(), BreakerNew: l.breakers[rules.New].state(now).String(),
	}
	if s.Queued > 0 {
		s.MirrorLag = time.Duration(l.mirror.lag.Load())
	}
	fs := l.o.Flags.Status()
	s.FlagsContact, s.FlagsElsewhere = fs.LastContact, fs.Elsewhere
	if fs.LastError != nil {
		s.FlagsError = fs.LastError.Error()
	}
	if s.Stopped = l.flags.Stopped(); s.Stopped != "" {
		s.Waiting = append(s.Waiting, "it has stopped, and has to be started anew: "+s.Stopped)
	}
	if s.Epoch == 0 {
		s.Waiting = append(s.Waiting, "no revision of the flags is known")
	}
	if n := older; n > 0 {
		s.Older = n
		s.Waiting = append(s.Waiting, fmt.Sprintf("%d operations, queued writes or copies of an older revision", n))
	}
	if n := s.UnknownOld; n > 0 {
		s.Waiting = append(s.Waiting, fmt.Sprintf("%d calls to old of unknown outcome", n))
	}
	if n := s.UnknownNew; n > 0 {
		s.Waiting = append(s.Waiting, fmt.Sprintf("%d calls to new of unknown outcome", n))
	}
	if n := locks; n > 0 {
		s.LocksOut = n
		s.Waiting = append(s.Waiting, fmt.Sprintf("%d locks granted under an older revision", n))
	}
	s.Acknowledged = len(s.Waiting) == 0
	return s
}

// Verified tells the agent that a verification has passed: a full dirty set
// counts for nothing any more. dirtied is Status.AllDirtied from before it
// began: what was dirtied since was perhaps looked at before, and stays so. ok
// false: it does.
func (l *Layer) Verified(dirtied uint64) (ok bool) {
	if l.allDirtied.Load() != dirtied {
		return false
	}
	was := [2]bool{l.allDirty[rules.Old].Swap(false), l.allDirty[rules.New].Swap(false)}
	if l.allDirtied.Load() == dirtied {
		if s := l.eras.now.Load().snap; !s.Holds(position.Off) && !s.Holds(position.Mirror) {
			l.checked.Store(true)
		}
		return true
	}
	for side, w := range was { // between the two
		if w {
			l.soilAll(rules.Side(side))
		}
	}
	return false
}

// Restored tells the agent that old is whole again: its old-behind record is
// gone.
func (l *Layer) Restored() { l.behind.Store(false) }
