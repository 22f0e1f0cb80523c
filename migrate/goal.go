package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// goal is where a ramp is to stand: buckets that are at least in mirror, in
// fenced, in read-new, and in cutover; each holds the next.
type goal struct {
	mirror, fence, readNew, cutover int
	keepOld                         bool
	// only names the agents that mirror; none: all do.
	only []string
	// viaBack: below read-new the way goes by back, with a reverse copy.
	viaBack bool
	// lower: pins above most are taken down, too.
	lower bool
	most  position.Position
}

// next is the revision that follows cur on the way to the goal, and what it
// does; ok false: cur is the goal. It depends on nothing but the two, so that
// whoever comes after a crash goes on where the last one stopped. One kind of
// move a revision; what goes down goes first.
func (g goal) next(cur flags.Definition) (n flags.Definition, text string, ok bool) {
	w := cur.Weights
	ends := w.Ends()
	cut, back, seal := ends[position.Cutover], ends[position.Back], ends[position.Sealed]
	read, fence, mirror := ends[position.ReadNew], ends[position.Fenced], ends[position.Mirror]
	s := stepper{cur}
	low, lowText, lowers := flags.Definition{}, "", false
	if g.lower {
		low, lowText, lowers = lowered(cur, g.most)
	}
	switch {
	case cur.Epoch == 0:
		return s.begin()
	// Down from cutover: all that has to go, then made whole, then sealed.
	case cut > g.cutover:
		n, text, ok = s.move(position.Cutover, position.Back, g.cutover, cut)
		n.Settled = 0 // before they arrive in read-new
		return n, text, ok
	case back > cut && g.cutover > cut: // taken forward again
		return s.move(position.Back, position.Cutover, cut, min(back, g.cutover))
	case back > cut:
		return s.move(position.Back, position.Sealed, cut, back)
	// A cohort that is sealed goes on, or is taken back.
	case seal > back && g.cutover > back:
		n, text, ok = s.move(position.Sealed, position.Cutover, back, min(seal, g.cutover))
		n.KeepOld = g.keepOld
		return n, text, ok
	case seal > back && g.viaBack && g.readNew < read:
		return s.move(position.Sealed, position.Back, back, seal)
	case seal > back && cur.Settled > back:
		return s.settle(back, "unsettle")
	case seal > back:
		return s.move(position.Sealed, position.ReadNew, back, seal)
	case read > g.readNew && g.viaBack && cur.Settled > 0:
		return s.settle(0, "unsettle")
	case read > g.readNew && g.viaBack:
		return s.move(position.ReadNew, position.Sealed, cut, read)
	case read > g.readNew && cur.Settled > g.readNew:
		return s.settle(g.readNew, "unsettle")
	case read > g.readNew:
		return s.move(position.ReadNew, position.Fenced, g.readNew, read)
	case fence > max(g.fence, read):
		return s.move(position.Fenced, position.Mirror, max(g.fence, read), fence)
	case mirror > max(g.mirror, fence):
		return s.move(position.Mirror, position.Off, max(g.mirror, fence), mirror)
	case lowers: // after the many: there are few
		return low, lowText, true
	case !slices.Equal(cur.Only, g.only):
		return s.onlyOn(g.only)
	// Up.
	case mirror < g.mirror:
		return s.move(position.Off, position.Mirror, mirror, g.mirror)
	case fence < g.fence:
		return s.move(position.Mirror, position.Fenced, fence, g.fence)
	case read < g.readNew:
		return s.move(position.Fenced, position.ReadNew, read, g.readNew)
	case cut < g.cutover && cur.Settled > 0:
		return s.settle(0, "unsettle")
	case cut < g.cutover:
		return s.move(position.ReadNew, position.Sealed, cut, g.cutover)
	case read > cut && cur.Settled < read:
		return s.settle(read, "settle")
	}
	return cur, "", false
}

// stepper makes one revision of another.
type stepper struct{ cur flags.Definition }

func (s stepper) begin() (flags.Definition, string, bool) {
	return finish(s.cur, s.cur), "begin with all sessions off", true
}

func (s stepper) move(from, to position.Position, first, end int) (flags.Definition, string, bool) {
	n := s.cur
	n.Weights[from] -= end - first
	n.Weights[to] += end - first
	return finish(s.cur, n), fmt.Sprintf("%s of the sessions from %v to %v", share(end-first), from, to), true
}

func (s stepper) settle(to int, what string) (flags.Definition, string, bool) {
	n := s.cur
	n.Settled = to
	return finish(s.cur, n), what + " read-new", true
}

func (s stepper) onlyOn(agents []string) (flags.Definition, string, bool) {
	n := s.cur
	n.Only = agents
	text := "mirror on every agent"
	if len(agents) > 0 {
		text = "mirror on " + strings.Join(agents, ", ") + " alone"
	}
	return finish(s.cur, n), text, true
}

// finish fills in what follows from the rest.
func finish(cur, n flags.Definition) flags.Definition {
	n.Epoch = cur.Epoch + 1
	n.Default = flags.DefaultOf(n.Weights)
	n.CutoverFloor = max(cur.CutoverFloor, n.Weights[position.Cutover]+n.Weights[position.Back])
	return n
}

func share(buckets int) string { return flags.PercentText(buckets) + " %" }

// state says where a definition's sessions are.
func state(d flags.Definition) string {
	text := ""
	for _, p := range flags.Ladder {
		if n := d.Weights[p]; n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%v %s", p, share(n))
		}
	}
	if n := len(d.Pins); n > 0 {
		text += fmt.Sprintf("; %d pinned", n)
	}
	return text
}
