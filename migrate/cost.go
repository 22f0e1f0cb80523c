package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// cost says what taking n back would cost, as far as it can be known now.
func (m *Migration) cost(ctx context.Context, cur *revision, n flags.Definition, replies []reply) (back []string) {
	var s sums
	for i := range replies {
		s.add(&replies[i], false)
	}
	say := func(format string, args ...any) { back = append(back, fmt.Sprintf(format, args...)) }
	w := n.Weights
	locks := m.lockTTL()
	switch {
	case w[position.Cutover]+w[position.Back] > 0:
		share := share(w[position.Cutover] + w[position.Back])
		soaks, err := m.wayBack(ctx)
		if err != nil {
			say("there is no way back for the %s of the sessions where new alone decides: %v", share, err)
			say("if new is lost, these sessions must log in again")
			break
		}
		say("%s of the sessions are where new alone decides: taking them back needs a reverse copy and its verification (back, sealed, read-new)", share)
		if soaks > 0 {
			say("a store cannot list its sessions: in back they wait %v, until what was written or deleted in new alone has been written again, or has ended", soaks.Round(time.Minute))
		}
		if m.hosts() {
			say("each host has an old of its own: give clients back to their hosts first, so that what is copied back stays whole")
		}
		if n.KeepOld || w[position.Back] > 0 {
			say("old is written too, after the answer: known to be behind there now: %d sessions", s.dirtyOld)
		} else {
			say("old is not written: everything written since cutover has to be copied")
		}
		say("if new is lost meanwhile, these sessions must log in again")
	case w[position.Sealed] > 0:
		say("no copy: both stores have every write; while it lasts, writes are refused where either store fails")
	case w[position.ReadNew] > 0:
		say("no copy: old decides every write and holds every session")
		if n.Settled > 0 {
			if m.hosts() {
				say("each host has an old of its own: give clients back to their hosts first; then a reverse copy on every host brings what moved (sealed, back, sealed, read-new)")
			}
			say("if old fails meanwhile, new takes writes alone: then taking it back needs old to be made whole (crossfade recover old)")
		}
	case w[position.Fenced]+w[position.Mirror] > 0:
		say("nothing: old decides every write and answers every read")
	default:
		say("nothing: new is not used")
	}
	if len(n.Pins) > 0 {
		say("%d sessions are pinned: crossfade unpin gives one back to its cohort, position by position, and needs what a ramp needs there", len(n.Pins))
	}
	if aheadPinned(n) > 0 {
		say("while a session is pinned at read-new, old cannot be declared down")
	}
	if unfenced(n) && !unfenced(cur.def) {
		say("what was verified counts no more: read-new then needs a backfill and a verification again")
	}
	if locks > 0 {
		say("each revision waits for the locks that are out: at most %v", locks.Round(time.Second))
	}
	return back
}

// needTexts says what the rules ask before a revision.
func needTexts(need rules.Needs, copies bool) []string {
	texts := []string{"every agent has acknowledged the last revision", "no copy is running"}
	for _, n := range []struct {
		need rules.Needs
		text string
	}{
		{rules.NeedNoUnknown, "no call of unknown outcome"},
		{rules.NeedVerified, "a verification that counts"},
		{rules.NeedCleanNew, "nothing dirty in new, no mark in old"},
		{rules.NeedCleanOld, "nothing dirty in old"},
		{rules.NeedNotBehind, "no record that old is behind"},
	} {
		if need&n.need != 0 {
			texts = append(texts, n.text)
		}
	}
	if need&rules.NeedReversed != 0 && copies {
		texts = append(texts, "a reverse copy and its verification: made before it")
	}
	return texts
}
