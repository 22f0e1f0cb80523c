package walk

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// agentName is what a history calls an agent: a host of the fleet.
func agentName(a uint8) string {
	if a >= agents {
		return "the copier"
	}
	return [agents]string{"web-1", "web-2"}[a] // made for each successor: no formatting
}

// who is whose call it is, and why it is made where no client waits for it.
func (s *state) who(i int) string {
	p := s.proc(i)
	if i < clients || i-clients == copier {
		return agentName(p.agent)
	}
	return agentName(p.agent) + ", after the answer,"
}

// asks is an operation in a client's words.
func asks(op rules.Op, v uint8) string {
	switch op {
	case rules.Get:
		return "asks for the session"
	case rules.Set:
		return "sets the session, " + value(v)
	case rules.Touch:
		return "moves the session's deadline"
	case rules.Delete:
		return "logs out: the session is deleted"
	case rules.Add:
		return "adds the session where none is, " + value(v)
	case rules.Edit:
		return "edits the session, " + value(v)
	}
	return fmt.Sprintf("asks for the lock (grant %d)", v)
}

func value(v uint8) string { return fmt.Sprintf("value %d", v) }

// does is a call to one store in words.
func (p *proc) does(c rules.Call) string {
	st := c.Side.String()
	val := value(p.source(c.Side))
	switch c.Kind {
	case rules.ReadCall:
		return "reads " + st
	case rules.MarkCall:
		return "looks for marks in old"
	case rules.SetCall, rules.ReviveCall:
		return "sets " + val + " in " + st
	case rules.DeleteCall:
		return "deletes the session in " + st
	case rules.BuryCall, rules.BuryIfCall:
		return "deletes the session in " + st + ", and leaves a tombstone"
	case rules.TouchCall:
		return "moves the deadline in " + st
	case rules.AddCall, rules.AddUndoCall:
		return "adds the session in " + st
	case rules.RemoveIfCall:
		return "deletes the session in " + st + " if nobody has written there since"
	case rules.AgainCall:
		return "begins anew"
	case rules.UndoCall:
		return "takes its add in " + st + " back"
	case rules.GuardCall:
		if p.m.Op() == rules.Edit {
			return "looks at " + st + " before a change"
		}
		return "looks at " + st + " before a copy"
	case rules.SwapCall:
		if p.m.Op() == rules.Edit {
			return "sets " + val + " in " + st + " if nobody has written there since"
		}
		return "copies " + val + " to " + st + " if nobody has written there since"
	case rules.PutMarkCall:
		return "marks in old that new may be behind"
	case rules.ListCall:
		return "puts itself into the record of markers in old"
	case rules.LeaseCall:
		return "waits until no clean lease is left"
	case rules.DropMarkCall:
		return "removes its mark in old"
	case rules.BehindCall:
		return "notes in new that old is behind"
	case rules.LockCall:
		return "takes the lock in " + st
	case rules.UnlockCall:
		return "frees the lock in " + st
	}
	return "waits until older reads have ended"
}

// came is how a call ended, in words; empty: as it should.
func (p *proc) came(c rules.Call, a rules.Answer, o outcome) string {
	switch {
	case o == dead:
		return ": old is dead"
	case o == failed:
		return ": that fails"
	case o == lostApplied:
		return ": no answer in time, though it takes effect"
	case o == lostPending:
		return ": no answer in time; it may still arrive"
	}
	switch a {
	case rules.Hit, rules.Same, rules.Lags:
		if c.Kind == rules.GuardCall {
			return ": " + value(p.tokens[0].val())
		}
		return ": " + value(p.reg[c.Side])
	case rules.Miss:
		return ": nothing"
	case rules.Gone:
		return ": nothing, and a tombstone"
	case rules.Clear:
		return ": none"
	case rules.Marked, rules.MarkedCall:
		return ": one stands"
	case rules.No:
		switch c.Kind {
		case rules.AddCall, rules.AddUndoCall:
			return ": there is one"
		case rules.LockCall:
			return ": it is held"
		case rules.ListCall:
			return ": since now"
		case rules.SwapCall, rules.BuryIfCall, rules.RemoveIfCall, rules.UndoCall:
			return ": somebody has"
		}
		return ": there is none"
	}
	return ""
}

// told is what the client hears.
func told(p *proc) string {
	switch r := p.m.Reply(); r {
	case rules.HitOld:
		return value(p.reg[rules.Old])
	case rules.HitNew:
		return value(p.reg[rules.New])
	case rules.Missing:
		return "there is no session"
	case rules.Refused:
		return "no"
	case rules.Error:
		return "an error"
	}
	return "done"
}

// String names a phase.
func (p Phase) String() string {
	t := p.Position.String()
	for _, e := range []struct {
		bit  rules.Env
		name string
	}{{rules.Settled, "settled"}, {rules.OldDown, "old declared down"}, {rules.LocksInNew, "locks in new"},
		{rules.Recovering, "recovering"}, {rules.KeepOld, "keep_old"}} {
		if p.Env&e.bit != 0 {
			t += ", " + e.name
		}
	}
	if p.Free {
		t += ", from any host"
	}
	return t
}

func heldName(v uint8) string {
	if v == 0 {
		return "none"
	}
	return value(v)
}
