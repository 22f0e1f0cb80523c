package walk

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

func agentName(a uint8) string {
	if a >= agents {
		return "copier"
	}
	return string(rune('A' + a))
}

func (s *state) who(i int) string {
	p := s.proc(i)
	switch {
	case i < clients && (p.m.Op() == rules.Lock || p.m.Op() == rules.Unlock):
		return fmt.Sprintf("%s: %s %d", agentName(p.agent), p.m.Op(), p.val)
	case i < clients:
		return agentName(p.agent) + ": " + p.m.Op().String() + writeName(p.m.Op(), p.val)
	case i-clients == copier:
		return "copier: " + p.m.Op().String()
	}
	return agentName(p.agent) + ": " + p.m.Op().String() + writeName(p.m.Op(), p.val)
}

func writeName(op rules.Op, v uint8) string {
	switch op {
	case rules.Set, rules.Add, rules.MirrorSet:
		return fmt.Sprintf(" w%d", v)
	case rules.Lock:
		return fmt.Sprintf(" %d", v)
	}
	return ""
}

func replyText(p *proc) string {
	r := p.m.Reply()
	switch r {
	case rules.HitOld:
		return fmt.Sprintf("w%d", p.reg[rules.Old])
	case rules.HitNew:
		return fmt.Sprintf("w%d", p.reg[rules.New])
	}
	return r.String()
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
	return fmt.Sprintf("w%d", v)
}
