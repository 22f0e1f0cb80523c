package rules

import "github.com/seed-41165957/crossfade/darklaunch/position"

// Machine is one operation on its way. The zero value is no operation.
type Machine struct {
	op    Op
	pos   position.Position
	envs  [2]uint8 // Env in two bytes, and so are Effects: a machine has no padding
	step  step
	calls [2]Call
	reply Reply
	seen  seen
	edit  edit
	fx    [2]uint8
}

// step is where the machine stands: which answer it is waiting for.
type step uint8

// seen is what earlier answers said.
type seen uint8

const (
	newHit     seen = 1 << iota // new's read answered with a session
	newMiss                     // ... with nothing
	newGone                     // ... with a tombstone
	newFailed                   // ... could not say
	isMarked                    // the session is marked
	isClear                     // it is not
	wasThere                    // a delete found something
	targetHeld                  // the guarded target holds a session
)

// Start begins an operation. For Unlock give the grant's stores with
// StartUnlock.
func Start(op Op, pos position.Position, env Env) Machine {
	if pos == position.ReadNew && env&Recovering != 0 {
		// Old came back without the last writes: it is made whole exactly as
		// in a rollback of cutover.
		pos = position.Back
	}
	m := Machine{op: op, pos: pos, envs: [2]uint8{uint8(env), uint8(env >> 8)}}
	switch op {
	case Get:
		m.startGet()
	case Set, Touch, Delete, Add:
		m.startWrite()
	case Edit:
		m.startEdit()
	case Lock:
		m.startLock()
	case MirrorSet, MirrorTouch, MirrorDelete:
		m.startMirror()
	case Refill, Repair, Copy, CopyBack:
		m.startCopy()
	}
	return m
}

// StartUnlock begins an unlock of a grant whose token lies in the given stores.
// None means that this agent did not give the grant.
func StartUnlock(pos position.Position, g Grants) Machine {
	m := Machine{op: Unlock, pos: pos}
	m.startUnlock(g)
	return m
}

// Running tells whether calls are outstanding.
func (m *Machine) Running() bool { return m.calls[0].Kind != NoCall || m.calls[1].Kind != NoCall }

// Active tells whether the machine holds an operation at all.
func (m *Machine) Active() bool { return m.op != None }

// Op is the operation.
func (m *Machine) Op() Op { return m.op }

// Position is the position that the operation began in, and ends in.
func (m *Machine) Position() position.Position { return m.pos }

// Calls are the calls to make now, at the same time; one with NoCall is none.
func (m *Machine) Calls() [2]Call { return m.calls }

// Reply is what the client is told, once nothing is running.
func (m *Machine) Reply() Reply { return m.reply }

// TakeEffects gives the effects since the last time, once.
func (m *Machine) TakeEffects() Effects {
	fx := Effects(m.fx[0]) | Effects(m.fx[1])<<8
	m.fx = [2]uint8{}
	return fx
}

func (m *Machine) env() Env { return Env(m.envs[0]) | Env(m.envs[1])<<8 }

func (m *Machine) effect(e Effects) {
	m.fx[0] |= uint8(e)
	m.fx[1] |= uint8(e >> 8)
}

// Answer gives the answer of call i (0 or 1). Answers of calls that the machine
// no longer waits for are ignored; their effects on the stores are the host's
// to track (a change without an answer stays unknown).
func (m *Machine) Answer(i int, a Answer) {
	c := m.calls[i]
	if c.Kind == NoCall {
		return
	}
	m.calls[i] = Call{}
	switch m.op {
	case Get:
		m.getAnswer(c, a)
	case Set, Touch, Delete, Add:
		m.writeAnswer(c, a)
	case Edit:
		m.editAnswer(c, a)
	case Lock, Unlock:
		m.lockAnswer(c, a)
	case MirrorSet, MirrorTouch, MirrorDelete:
		m.mirrorAnswer(c, a)
	default:
		m.copyAnswer(c, a)
	}
}

// ask makes one call the only one outstanding.
func (m *Machine) ask(k Kind, s Side) { m.calls = [2]Call{{k, s}, {}} }

// askBoth makes two calls outstanding at the same time.
func (m *Machine) askBoth(a, b Call) { m.calls = [2]Call{a, b} }

// tell ends the operation.
func (m *Machine) tell(r Reply) {
	m.calls = [2]Call{}
	m.reply = r
}
