package walk

import (
	"fmt"

	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// wants is what an edit's function makes of what it is asked about.
type wants uint8

const (
	changesIt wants = iota // a new value of what is there; nothing of nothing
	removesIt              // nothing of what is there
	makesIt                // a new value, of nothing too
)

// EditKinds are the operations of a walk about edits.
var EditKinds = []rules.Op{rules.Edit, rules.Set, rules.Delete}

func (c *Config) edits() []wants {
	if len(c.Edits) == 0 {
		return []wants{changesIt}
	}
	return c.Edits
}

// editing is what an edit on its way knows.
type editing struct {
	does wants
	of   uint8 // what the function was asked about last, 0: nothing
}

// asked answers the calls of an edit that ask no store, at the instant of the
// answer before. What the function is asked about is judged as what a read
// returns.
func (w *walker) asked(n *state, p *proc) *Violation {
	for {
		switch c := p.m.Calls()[0]; c.Kind {
		case rules.AskCall:
			p.edit.of = p.reg[c.Side]
			if v := n.ledger.read(p.edit.of, p.snap); v != nil {
				v.Text = "an edit was made of what a read may not return: " + v.Text
				return v
			}
			p.m.Answer(0, p.edit.wants())
		case rules.SameCall:
			a, b := p.reg[rules.Old], p.reg[rules.New]
			if c.Side == rules.New {
				a = p.edit.of
			}
			if a == b {
				p.m.Answer(0, rules.Same)
			} else {
				p.m.Answer(0, rules.No)
			}
		case rules.OwnCall:
			wrote := p.val
			if p.m.Removes() {
				wrote = 0
			}
			if p.reg[rules.Old] == wrote {
				p.m.Answer(0, rules.Same)
			} else {
				p.m.Answer(0, rules.No)
			}
		default:
			return nil
		}
		w.effects(n, p, 0)
	}
}

func (e editing) wants() rules.Answer {
	switch {
	case e.of == 0 && e.does != makesIt:
		return rules.LeavesNone
	case e.does == removesIt:
		return rules.Removes
	}
	return rules.Writes
}

// edited notes an acknowledged edit. What it was made of is the past: of two
// edits of one session one is told that it was not made; and an edit that
// another was made of does not come back.
func (l *ledger) edited(p *proc) *Violation {
	of := p.edit.of
	if of != 0 && l.based&bit(of) != 0 {
		return &Violation{OneEdit, fmt.Sprintf("two edits were made of value %d", of)}
	}
	l.ack(p.val, p.early)
	if of != 0 {
		l.based |= bit(of)
		l.superseded |= bit(of) & l.edits
	}
	return nil
}
