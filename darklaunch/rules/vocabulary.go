package rules

// Op is an operation: what a client asked for, or work that follows from it.
type Op uint8

const (
	None Op = iota
	// What clients ask for.
	Get
	Set
	Touch
	Delete
	Add
	Edit // a write on a condition, or of what was read
	Lock
	Unlock
	// What follows after an answer, in the order of the session's writes:
	// the copy of a write to the store that does not decide.
	MirrorSet
	MirrorTouch
	MirrorDelete
	// Copies. Each reads the target's token, then the source, then swaps.
	Refill   // into new, after a read that old answered
	Repair   // old to new, of a session dirty in new, by its agent
	Copy     // backfill and verify, old to new
	CopyBack // the same in rollback, new to old; also of a session dirty in old
)

var opNames = [...]string{"none", "get", "set", "touch", "delete", "add", "edit", "lock", "unlock",
	"mirror set", "mirror touch", "mirror delete", "refill", "repair", "copy", "copy back"}

func (o Op) String() string { return opNames[o] }

// Writes tells whether a client's operation may change the session.
func (o Op) Writes() bool { return o >= Set && o <= Edit }

// Side is a store.
type Side uint8

const (
	Old Side = iota
	New
)

// Other is the other store.
func (s Side) Other() Side { return 1 - s }

func (s Side) String() string {
	if s == Old {
		return "old"
	}
	return "new"
}

// Kind is what a store is asked to do. Each takes effect at one instant.
type Kind uint8

const (
	NoCall       Kind = iota
	ReadCall          // the session (and whether it is gone) -> Hit, Miss, Gone; Same, see there
	MarkCall          // are there marks -> Clear, Marked, MarkedCall
	SetCall           // write the session, leave a tombstone alone -> OK
	ReviveCall        // write the session and clear the tombstone -> OK
	DeleteCall        // -> OK, No (there was none)
	BuryCall          // delete and leave a tombstone -> OK, No (there was none)
	TouchCall         // -> OK, No (there is none), Gone (none, and a tombstone)
	AddCall           // write where there is none -> OK, No
	AddUndoCall       // the same, and keep the token for UndoCall
	UndoCall          // take back the add if nobody has modified it -> OK, No
	GuardCall         // read with a token -> Hit, Miss, Gone
	SwapCall          // write what the other side's register holds if the token is good -> OK, No
	BuryIfCall        // delete and leave a tombstone if the token is good -> OK, No
	RemoveIfCall      // delete if the token is good -> OK, No
	PutMarkCall       // add our entry to the marks -> OK
	ListCall          // be in the record of markers -> OK (and everybody knows), No (since now)
	DropMarkCall      // remove the entries that were seen and are ours -> OK
	BehindCall        // write the record that old is behind -> OK
	LockCall          // -> OK (granted), No
	UnlockCall        // compare and delete -> OK, No
	WaitCall          // no store: one full read deadline -> OK
	// Of edits, without a store.
	AskCall   // the function, of what the side's register holds -> Leaves, LeavesNone, Writes, Removes, Err
	SameCall  // old: do both registers hold the same; new: does new hold what the function was asked of -> Same, No
	OwnCall   // does old hold what the edit wrote -> Same, No
	AgainCall // may the edit try again -> OK, Err
	// Of marks, without a store.
	LeaseCall // until no reader has a clean lease from before -> OK
)

var kindNames = [...]string{"-", "read", "look at marks", "set", "set+clear tombstone", "delete", "delete+tombstone", "touch",
	"add", "add", "undo add", "read token", "swap", "bury by token", "delete by token", "put mark", "be in the record of markers", "drop mark", "put old-behind record", "lock", "unlock", "wait one read deadline",
	"ask the function", "compare", "is it ours", "try again", "wait one lease"}

func (k Kind) String() string { return kindNames[k] }

// Changes tells whether a call of this kind can change the store, so that one
// without an answer is of unknown outcome.
func (k Kind) Changes() bool {
	switch k {
	case NoCall, ReadCall, MarkCall, GuardCall, WaitCall, AskCall, SameCall, OwnCall, AgainCall, LeaseCall:
		return false
	}
	return true
}

// Local tells whether a call asks no store.
func (k Kind) Local() bool { return k == WaitCall || k >= AskCall }

// Call is one request to one store.
type Call struct {
	Kind Kind
	Side Side
}

// Answer is what a call came to.
type Answer uint8

const (
	NoAnswer   Answer = iota
	OK                // done, stored, found, granted, released
	No                // not stored, not found, not granted, conflict
	Hit               // a session
	Same              // a session, equal to what the copy's target holds, or to what an add wrote
	Lags              // of a copy's source: a session that may be older than what the target holds
	Miss              // none
	Gone              // none, and a tombstone
	Clear             // no mark
	Marked            // at least one mark
	MarkedCall        // at least one, and one of our own, of an earlier life, names a call that may still arrive
	Refuses           // the store works, and does not take this session: its size or its key
	Err               // a read that could not say; a change that did not happen
	Unknown           // a change that may have happened, or may happen later
	// Of an edit's function.
	Leaves     // the session stays as it is
	LeavesNone // ... and there is none
	Writes     // it shall be what the function gave
	Removes    // it shall be gone
)

var answerNames = [...]string{"-", "ok", "no", "hit", "same", "hit, older", "miss", "gone", "no mark", "marked", "marked with a call under way", "refuses", "error", "timeout",
	"leave it", "leave it, there is none", "write", "remove"}

func (a Answer) String() string { return answerNames[a] }

func (a Answer) failed() bool { return a == Refuses || a == Err || a == Unknown }

// Reply is what the client is told.
type Reply uint8

const (
	NoReply  Reply = iota
	HitOld         // the session that old's register holds
	HitNew         // the session that new's register holds
	Missing        // none: of a get, touch or delete; of an edit that changed nothing
	Done           // stored, touched, deleted, granted, released
	Refused        // an add of what exists; an edit that left a session as it was; a lock that is held; an unlock of what is not ours
	Error          // no store could say, or the write is not surely kept
	Finished       // of background work: nothing is left to do
	Left           // of background work: not done; the session stays as it was
)

var replyNames = [...]string{"-", "hit (old)", "hit (new)", "missing", "done", "refused", "error", "finished", "left for later"}

func (r Reply) String() string { return replyNames[r] }

// Effects are what the host does besides, at once and before it goes on.
type Effects uint16

const (
	DirtyNew    Effects = 1 << iota // the session's copy in new is behind or unknown
	DirtyOld                        // the same in old
	CleanNew                        // repaired
	CleanOld                        // repaired
	QueueWrite                      // queue the write for the store that does not decide
	QueueRefill                     // start a Refill
	ByMiss                          // old answered because new had nothing
	ByError                         // old answered because new could not
	ByMark                          // old answered because the session is marked
	Unmarked                        // new answered although marks could not be read
	IsBehind                        // this agent's old-behind record stands
	Copied                          // a copy wrote or buried something
	EvictedOld                      // new holds a session that an evicting old no longer has
	WasThere                        // of a delete: some store had the session
	OldLags                         // old's session may be older than new's, which stays
)

// Env is what the machine needs to know when it starts, besides the position.
type Env uint16

const (
	Settled    Env = 1 << iota // read-new was acknowledged by all for this session, and old may fail
	OldDown                    // an acknowledged epoch declares old dead
	LocksInNew                 // ... and so does the one after it, past the locks' time to live
	Recovering                 // old is back after writes that it lacks: as in back until it is whole
	OldEvicts                  // a miss in old is no evidence of anything
	Behind                     // this agent's old-behind record stands
	KeepOld                    // cutover also writes old, after the answer
	HostScoped                 // each host has an old of its own, which no other agent sees
	Leases                     // who marks is in the record of markers: see CleanLease
	CleanLease                 // of a get: a moment ago nobody was in it, and whoever marks now waits until that moment is long past
)

// Grants, for Unlock: where the grant's token lies.
type Grants uint8

const (
	GrantOld Grants = 1 << iota
	GrantNew
)
