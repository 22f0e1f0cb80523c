package walk

import (
	"unsafe"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// state is one state of the model. It holds bytes only: no pointers, no
// padding, so that it can be compared and hashed as it lies in memory.
type state struct {
	// The stores, indexed by place.
	val  [places]uint8 // which write the session is of, 0: none
	tomb [places]bool
	lock [places]uint8 // which grant, 0: free
	// row is what old's slower tier holds, with Config.Tiers; lost is set when
	// old answers from it.
	row  uint8
	lost bool
	// What agents keep in a store.
	mark   [agents]uint8 // in old, an entry for each agent: number of the write, markCall
	behind [agents]bool  // in new
	record uint8         // in old, the record of markers: a bit for each agent, recordStands, recordOthers
	listed uint8         // which agents (bits) remember that they are in it
	leased uint8         // which hold a clean lease

	agents  [agents]agent
	clients [clients]proc
	tasks   [agents + 1]proc // one for each agent, and the copier
	late    [lateSize]late
	ledger  ledger

	rev      uint8 // the newest revision
	verified uint8 // hosts (bits) on which a backfill and verification ran since the fence
	reversed uint8 // the same in rollback

	fleet fleet

	ops, faultsOld, faultsNew, faults, lates, crashes, evictions, losses, unlistings uint8 // what is left
}

// markCall in a mark entry: it names a call of unknown outcome.
const markCall = 0x80

// agent is what one agent remembers of the session.
type agent struct {
	rev      uint8 // the newest revision it has taken
	dirtyNew bool
	again    bool // dirtied in new once more while a repair is running
	dirtyOld bool
	oldAgain bool // the same of old while a copy back is running
	refill   bool
	queue    [queueSize]queued
}

type queued struct {
	op  rules.Op
	val uint8
	rev uint8
}

// proc is one operation on its way: a client's, or an agent's or the copier's
// own.
type proc struct {
	m        rules.Machine
	agent    uint8
	rev      uint8    // the agent's revision when it began
	val      uint8    // which write it is, or which grant
	reg      [2]uint8 // what was read from each store
	host     uint8    // whose old it sees
	tokens   [2]token // the one that it took last first; an edit has two
	seenMark uint8    // our entry, as it was seen
	edit     editing
	snap     uint8 // reads: writes that may not be returned; writes: what was acknowledged before
	early    uint8 // repairs (bits) that wait for this read to end
}

// token is what stands for one modification of the session in one store.
type token struct {
	at  place
	was uint8 // what stood there, with the bits below
}

const (
	tokenGood = 0x80 // nothing has modified the session there since
	tokenGone = 0x40 // a tombstone stood there
)

func newToken(at place, val uint8, gone bool) token {
	t := token{at, val | tokenGood}
	if gone {
		t.was |= tokenGone
	}
	return t
}

func (t token) good() bool { return t.was&tokenGood != 0 }
func (t token) gone() bool { return t.was&tokenGone != 0 }
func (t token) val() uint8 { return t.was &^ (tokenGood | tokenGone) }

// late is a call that was given up.
type late struct {
	call    rules.Call
	agent   uint8
	host    uint8
	val     uint8
	src     uint8 // what a swap would write
	token   token
	applied bool
}

// ledger is what the clients know. Bit i of a mask is write i+1; write 1 is the
// session at the start.
type ledger struct {
	writes     uint8 // how many there are
	deletes    uint8 // which are deletes (write 1 is one when there was no session)
	started    uint8
	acked      uint8
	superseded uint8 // acknowledged before a later acknowledged write began
	kept       uint8 // which may be all that is left since old's fast tier was lost
	hidden     uint8 // older ones that only another host has: a delete under way may uncover them
	refused    uint8 // adds that were told that the id exists
	placed     uint8 // which are adds
	adds       uint8 // how many adds were told that the id was free
	edits      uint8 // which are edits
	based      uint8 // which an acknowledged edit was made of
	grants     uint8 // how many grants there are
	held       uint8 // which are held: bit i is grant i+1
	grant      [maxGrants]grant
}

type grant struct {
	agent, rev uint8
	where      rules.Grants
	out        bool // its token may stand in a store by right
}

func bit(id uint8) uint8 { return 1 << (id - 1) }

const (
	stateSize = unsafe.Sizeof(state{})
	procSize  = unsafe.Sizeof(proc{})
)

// bytesOf is the memory of a state. state has no padding (a test proves it).
func bytesOf(s *state) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s)), stateSize) }

// canonical orders what has no order: the two clients.
func (s *state) canonical() {
	a, b := &s.clients[0], &s.clients[1]
	x := unsafe.Slice((*byte)(unsafe.Pointer(a)), procSize)
	y := unsafe.Slice((*byte)(unsafe.Pointer(b)), procSize)
	if string(x) > string(y) {
		*a, *b = *b, *a
	}
}

func (s *state) begin(c *Config) {
	l := &s.ledger
	l.writes, l.started, l.acked = 1, 1, 1
	switch {
	case c.Absent:
		l.deletes = 1
	case c.HostScoped:
		// The session was on host B, and is on host A now.
		l.writes, l.started, l.acked, l.superseded = 2, 3, 3, 1
		l.hidden = 1
		s.val[oldOfB], s.val[oldOfA] = 1, 2
	case !c.Evicted:
		s.val[oldOfA] = 1
	}
	if c.Path[0].inNew() {
		s.verified = c.hosts()
		if !c.Absent {
			s.val[inNew] = l.writes
		}
	}
	if c.Tiers {
		s.row = s.val[oldOfA]
	}
	if c.Path[0].Position != position.Back && c.Path[0].Env&rules.Recovering == 0 {
		s.reversed = c.hosts()
	}
	s.ops = uint8(c.Ops)
	s.faultsOld, s.faultsNew, s.faults = uint8(c.FaultsOld), uint8(c.FaultsNew), uint8(c.Faults)
	s.lates, s.crashes = uint8(c.Late), uint8(c.Crashes)
	s.evictions = uint8(c.Evictions)
	s.losses = uint8(c.Losses)
	s.unlistings = uint8(c.Unlistings)
	if c.Lease {
		s.record = recordStands
	}
	if c.fleet() {
		s.fleet.begin(s, c)
	}
}
