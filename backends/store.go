// Package backends holds what every session store promises: the session
// record, the Store interface, one small interface for each further ability,
// and the errors. The stores themselves are the packages below it; each is
// tested by the suite in backendtest against its real server.
//
//	var s backends.Store = memory.New(memory.Options{})
//	err := s.Set(ctx, backends.Session{Key: backends.Key{Name: "sess:1"}, Data: data, Deadline: in30min})
//	got, found, err := s.Get(ctx, backends.Key{Name: "sess:1"})
//
// Nothing here knows of two stores, of stages or of kinds of sessions: that is
// darklaunch.
package backends

import (
	"context"
	"time"
)

// Key names one session in one store.
type Key struct {
	// Name is the stored name: 1 to 250 bytes, no space or control byte (what
	// memcached takes; protocol.txt, "Keys").
	Name string
	// Route is what a ring of servers hashes. Empty means Name. (libmemcached
	// does not hash a namespace: php-memcached routes by the bare id.)
	Route string
	// Usual are the flags that sessions under this kind usually have: a store
	// that keeps flags beside sessions stores nothing for them. Others ignore
	// it. It names nothing: two Keys that differ in it are one session.
	Usual uint32
}

// Session is one stored session.
type Session struct {
	Key  Key
	Data []byte // opaque; may be empty; up to 1 MiB - 512 B (memcached's item limit less its header)
	// Flags are the client's 32 bits (memcached). A store without room for
	// them says so (FlagKeeper), takes any and returns zero.
	Flags uint32
	// Deadline is when the session ends: absolute, kept to the millisecond, or
	// to the whole second where the store is memcached (rounded up, so that a
	// copy never ends early). Zero means never. One that is past when the
	// session is written makes the session missing at once, and the write
	// succeeds (memcached's protocol.txt, "Expiration times").
	Deadline time.Time
	// DeadlineUnknown is set on what is read from a store that cannot say how
	// long the session still lives; Deadline is then zero and means nothing.
	DeadlineUnknown bool
	// Lagging is set on what is read from a store's slower tier where a faster
	// one, which had a newer copy perhaps, has lost it (memcached over MySQL
	// after an eviction): this may be older than the last acknowledged write.
	Lagging bool
}

// Expired tells whether the session has ended at now.
func (s *Session) Expired(now time.Time) bool {
	return !s.DeadlineUnknown && !s.Deadline.IsZero() && !s.Deadline.After(now)
}

// Record is all that a store holds for one key.
type Record struct {
	Session
	Found bool
	// Gone is set when a tombstone stands for the key. A session that is found
	// is never reported as gone.
	Gone bool
}

// Store is one place where sessions live. It is safe for concurrent use.
//
// Missing means absent or expired: an answer, never an error. A non-nil error
// means that the store could not say. Data passed in is not kept after the
// call has returned, unless it returned an Unknown; data returned belongs to
// the caller.
//
// Each call obeys its context: it returns at the deadline, never later than a
// few milliseconds after it. A call that changes the store and had no answer
// by then, or lost its connection after it may have been sent, returns an
// Unknown; any other error means that nothing was changed. Stores never retry
// a change by themselves.
type Store interface {
	// Get returns the data and flags; Deadline too if it costs no more, else
	// DeadlineUnknown is set. A claim (see Guarder) is missing.
	Get(ctx context.Context, k Key) (s Session, found bool, err error)
	// Set writes the session whatever was there. A tombstone, if one stands,
	// is left alone: see Tombstoner.
	Set(ctx context.Context, s Session) error
	// Delete removes the session; found tells whether there was one.
	Delete(ctx context.Context, k Key) (found bool, err error)
	// Close frees what the store holds. It may be called twice.
	Close() error
}

// Reader can give the whole record: exact deadline and tombstone.
type Reader interface {
	Read(ctx context.Context, k Key) (Record, error)
}

// Toucher can move a deadline without the data. Touching a missing session (or
// a claim) changes nothing and gives found false. A deadline that is past
// removes the session, and found is true.
type Toucher interface {
	Touch(ctx context.Context, k Key, deadline time.Time) (found bool, err error)
}

// Adder can write a session only where there is none. A claim counts as none
// and is replaced. A tombstone counts as none and is cleared. A session whose
// deadline is past is stored nowhere: stored tells whether it could have been.
type Adder interface {
	Add(ctx context.Context, s Session) (stored bool, err error)
	// AddUndo is Add, and where stored is true, it gives a way to take it back
	// that removes the session only if nobody has modified it since (Undo:
	// nil, ErrConflict, Unknown or another error). Release must be called.
	AddUndo(ctx context.Context, s Session) (stored bool, u Undo, err error)
}

// Undo takes back one Add.
type Undo interface {
	Undo(ctx context.Context) error
	Release() // may be called twice
}

// Guarder is a store that can be the target of copies: it can write on the
// condition that nothing has modified the session since it was looked at.
type Guarder interface {
	// Guard reads what stands for k together with a token that is unique to
	// this modification: not the bytes (two equal writes have two tokens). On a
	// store that cannot hold a token for an absent key the key is claimed: an
	// empty session with reserved flags that readers take as missing and that
	// expires at notAfter.
	//
	// After notAfter (at most 20 s ahead) Swap, Revive, Over and Bury refuse, by the
	// server's clock where the server can check it in the same step.
	Guard(ctx context.Context, k Key, notAfter time.Time) (Guard, error)
}

// Guard is one guarded change. It is used by one goroutine and once: one Swap,
// one Revive, one Over or one Bury, or none.
type Guard interface {
	// Record is what stood when the guard was made. A claim of anybody is
	// Found false.
	Record() Record
	// Swap writes the session if nothing has modified the key since, and if no
	// tombstone stands for it. Otherwise ErrConflict.
	Swap(ctx context.Context, s Session) error
	// Revive is Swap, and where Record().Gone is true it does not refuse for the
	// tombstone that stood then but clears it: for a session that is known to be
	// younger than the delete. ErrConflict if the key was modified since or the
	// tombstone renewed. (A tombstone that has run out since may or may not
	// count as modified.)
	Revive(ctx context.Context, s Session) error
	// Over is Revive, and does not refuse either for a tombstone that stood
	// beside a session when the guard was made (a Set leaves it there), but
	// clears it: for a change that is made of that session. A copy must not, as
	// its source may be older than the delete.
	Over(ctx context.Context, s Session) error
	// Bury removes the session and leaves a tombstone for ttl if nothing has
	// modified the key since. Otherwise ErrConflict.
	Bury(ctx context.Context, ttl time.Duration) error
	// Release gives back what the guard holds (a connection, a claim). It must
	// be called, and may be called twice.
	Release()
}

// BatchGuarder guards many keys for one round trip each way.
type BatchGuarder interface {
	// GuardMany is Guard for up to 1,000 distinct keys. ErrApart where the store
	// cannot change just these all or none; the caller then goes one by one.
	GuardMany(ctx context.Context, ks []Key, notAfter time.Time) (BatchGuard, error)
}

// BatchGuard is one guarded change of many keys.
type BatchGuard interface {
	Records() []Record // in the order of the keys
	// Swap writes the sessions named by their keys, all or none: ErrConflict if
	// any guarded key was modified, or has a tombstone. The caller then goes
	// one by one.
	Swap(ctx context.Context, ss []Session) error
	Release()
}

// Tombstoner can remember that a session was deleted, in a key of its own
// (GoneKey), which native clients never read as a session.
type Tombstoner interface {
	// Bury deletes the session and leaves a tombstone for ttl, even if nothing
	// was there. found tells whether there was a session.
	Bury(ctx context.Context, k Key, ttl time.Duration) (found bool, err error)
	// Revive is Set, and clears the tombstone.
	Revive(ctx context.Context, s Session) error
}

// Mark is one entry of the set of marks beside a session in old: "new does not
// surely have write Write of agent Agent".
type Mark struct {
	Agent string // start id of the agent that put it: 16 lower-case hex digits
	Write uint64 // the agent's own number of the write, rising
	// Conn and RunID name the call of unknown outcome to new, if there is one:
	// what Unknown.Conn and Unknown.RunID gave. Empty: no such call.
	Conn  string
	RunID string
}

// Marker keeps marks (MarkKey) beside sessions.
type Marker interface {
	// Marks returns the entries; none is the usual answer.
	Marks(ctx context.Context, k Key) ([]Mark, error)
	// PutMark adds an entry and keeps those of others. The set lives for ttl
	// from now (0: without end), or for as long as it would have lived without
	// the new entry, whichever is longer: nobody ends another's mark.
	PutMark(ctx context.Context, k Key, m Mark, ttl time.Duration) error
	// DropMarks removes exactly these entries, where they stand.
	DropMarks(ctx context.Context, k Key, ms []Mark) error
}

// Locker keeps locks: values with a time to live that one holder owns. value
// is unique to each grant, ttl is positive.
type Locker interface {
	Lock(ctx context.Context, k Key, value string, ttl time.Duration) (granted bool, err error)
	// Unlock removes the lock if it holds value: compare and delete.
	Unlock(ctx context.Context, k Key, value string) (released bool, err error)
	// LockValue returns the value of the lock, found false if it is free.
	LockValue(ctx context.Context, k Key) (value string, found bool, err error)
}

// Scanner can list what it holds, in any order; what is written meanwhile may
// or may not come. fn gets each name once or more (never fewer), names that
// begin with prefix only, in batches; an error from fn ends the scan and is
// returned. Expired sessions may be left out. Names are as stored: Crossfade's
// own keys (OwnKey) and locks come too.
type Scanner interface {
	Scan(ctx context.Context, prefix string, fn func(names []string) error) error
}

// BatchReader reads many records in one round trip.
type BatchReader interface {
	ReadMany(ctx context.Context, ks []Key) ([]Record, error) // in the order of the keys
}

// FlagKeeper is a store that says whether it keeps Session.Flags. The answer is
// the same for the store's whole life and needs no server. Without this ability
// a store keeps them.
type FlagKeeper interface {
	KeepsFlags() bool
}

// Taker is a store that says whether it has taken what it needs of Session.Data
// when a call returns, also where it returns an Unknown: then nobody has to copy
// data that is about to change. The answer is the same for the store's whole
// life. Without this ability it may hold on to the data of a call of unknown
// outcome.
type Taker interface {
	TakesData() bool
}

// Health is what a store says of itself.
type Health struct {
	Product string // "redis", "memcached", "memory"
	Version string // "7.0.15"
	// RunID changes when the server restarts or another one takes its place.
	RunID string
	// Evictions counts sessions thrown out before their deadline since start.
	Evictions uint64
	// Evicts is set when the server may throw out a live session for want of
	// memory: a miss is then no evidence that the session was deleted.
	Evicts      bool
	Connections int // open connections of this Store, parked ones included
	Parked      int // connections held by calls of unknown outcome
	// Note says in words what the server would not tell, and what was taken to
	// be so instead. Empty: it told all.
	Note string
}

// Healther can ask the server how it is.
type Healther interface {
	Health(ctx context.Context) (Health, error)
}

// Tiered is a store of two tiers. What they hold is theirs: they are given to be
// looked at.
type Tiered interface {
	Tiers() (fast, slow Store)
}

// OwnRemover is a Store that keeps what is Crossfade's own apart from sessions,
// so that Delete does not reach it. RemoveOwn removes one of its names, as Scan
// lists them; nil when it is missing.
type OwnRemover interface {
	RemoveOwn(ctx context.Context, name string) error
}

// Pooled can say how many connections it has without asking the server: also
// while that does not answer, which is when one wants to know.
type Pooled interface {
	Connections() (open, parked int) // as in Health
}

// HostScoped is a store of which each host has its own (session files): the
// same key may stand for different copies on different hosts, and the one with
// the later deadline is the session. Without this ability, or where it answers
// false, all agents see one store. The answer is the same for the store's whole
// life.
type HostScoped interface {
	HostScoped() bool
}

// Ringed is a store of several servers, each of which holds a part of the
// sessions. What everybody has to see is kept on each of them (Notes), because
// one that is down takes its part with it. They are given to be used beside the
// store, not to be closed.
type Ringed interface {
	Servers() []Store
}
