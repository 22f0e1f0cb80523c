package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// gate waits a moment for what passes by itself under live traffic, then
// refuses. replies are those with which the revision was acknowledged; the ones
// of the last look come back.
func (m *Migration) gate(ctx context.Context, cur *revision, n flags.Definition, replies []reply, t *teller) error {
	need := needs(cur.def, n, m.env())
	deadline := time.Now().Add(m.o.Grace)
	for {
		no, err := m.shut(ctx, cur, n, need, replies)
		if err != nil || no == nil {
			return err
		}
		if !passes(no) || !time.Now().Before(deadline) {
			return no
		}
		t.tell(Progress{Phase: "waiting at gate " + no.Gate, Detail: no.Found})
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		if replies, err = m.acked(ctx, cur, t, oldDead(n)); err != nil {
			return err
		}
	}
}

// passes tells whether a gate may open by itself within moments.
func passes(no *Refusal) bool {
	return no.Gate == GateUnknown || no.Gate == GateCleanNew || no.Gate == GateCleanOld
}

func oldDead(n flags.Definition) bool {
	return n.DeclaredDown == flags.OldDown || n.DeclaredDown == flags.OldDownLocks
}

// shut is the first gate that is shut; nil: none is.
func (m *Migration) shut(ctx context.Context, cur *revision, n flags.Definition, need rules.Needs, replies []reply) (*Refusal, error) {
	r, err := m.recorded(cur)
	if err != nil {
		return nil, err
	}
	has := func(n rules.Needs) bool { return need&n != 0 }
	if n.Weights[position.Back] > cur.def.Weights[position.Back] {
		var no *Refusal
		if _, err := m.wayBack(ctx); errors.As(err, &no) {
			return no, nil
		}
	}
	if has(rules.NeedVerified) {
		if no := r.verified(replies); no != nil {
			return no, nil
		}
	}
	if has(rules.NeedReversed) {
		if no := r.reversed(replies); no != nil {
			return no, nil
		}
	}
	return m.shutNow(ctx, n, need, replies, cmp.Or(r.Soak, r.SoakBack))
}

// shutNow is shut, of the gates that agents and stores tell without a record.
// soak, where it is not nil, stands in the place of a listing of old.
func (m *Migration) shutNow(ctx context.Context, n flags.Definition, need rules.Needs, replies []reply, soak *soak) (*Refusal, error) {
	var s sums
	for i := range replies {
		s.add(&replies[i], oldDead(n))
	}
	has := func(n rules.Needs) bool { return need&n != 0 }
	if has(rules.NeedNoUnknown) && s.unknown > 0 {
		return refuse(GateUnknown, "see that the store answers: the agent then ends the doubt by itself", "calls of unknown outcome: %s", s.who(s.unknownAt)), nil
	}
	if has(rules.NeedCleanNew) && m.hosts() {
		if no, err := m.markedHosts(ctx); no != nil || err != nil {
			return no, err
		}
	}
	if has(rules.NeedCleanNew) {
		if s.dirtyNew > 0 {
			return refuse(GateCleanNew, "see that new answers: agents repair what is dirty while it is fenced or in read-new; all dirty ends with crossfade verify",
				"sessions dirty in new: %s", s.who(s.dirtyNewAt)), nil
		}
		marks, err := m.count(ctx, rules.Old, "crossfade:"+m.o.Migration+":mark:")
		switch {
		case unlisted(err) && soak != nil:
			// Those of agents that answer are counted above; those of one that died
			// have run out with the soak.
			if no := soak.refusal(); no != nil {
				return no, nil
			}
		case err != nil:
			return nil, err
		case marks > 0:
			return refuse(GateCleanNew, "start the agent that put them again, with its state folder: it repairs and removes its own", "%d sessions are marked in old", marks), nil
		}
	}
	if has(rules.NeedCleanOld) && s.dirtyOld > 0 {
		return refuse(GateCleanOld, "see that old answers, then take the step back: crossfade rollback --to read-new copies it back", "sessions dirty in old: %s", s.who(s.dirtyOldAt)), nil
	}
	if has(rules.NeedNotBehind) {
		const do = "bring old back, then run crossfade recover old"
		if s.behind != nil {
			return refuse(GateBehind, do, "old lacks writes that these agents made in new alone: %s", strings.Join(s.behind, ", ")), nil
		}
		records, err := m.count(ctx, rules.New, backends.BehindKey(m.o.Migration, "").Name)
		if unlisted(err) {
			records, err = m.countBehind(ctx, replies)
		}
		if err != nil {
			return nil, err
		}
		if records > 0 {
			return refuse(GateBehind, do, "new holds %d records of writes that old lacks", records), nil
		}
	}
	return nil, nil
}

// verified refuses unless a verification counts for these agents.
func (r *record) verified(replies []reply) *Refusal {
	const do = "run crossfade backfill, then crossfade verify"
	if r.Verified == nil && r.Soak != nil {
		return r.Soak.refusal()
	}
	if r.Verified == nil {
		if left := r.lacking(verifiedOf); left != "" && r.Invalid == "" {
			return refuse(GateVerified, "run crossfade backfill, then crossfade verify, on each of them", "each host has an old of its own, and these are not verified: %s", left)
		}
		if r.Invalid != "" {
			return refuse(GateVerified, do, "no verification counts: %s", r.Invalid)
		}
		if l := r.Looked; l != nil && l.Sample > 0 {
			return refuse(GateVerified, "run crossfade verify without --sample", "the last verification looked at %.3g %% of the sessions: only one of all of them opens read-new", 100*l.Sample)
		}
		return refuse(GateVerified, do, "no verification has begun since all sessions are fenced")
	}
	if why := r.Verified.counts(replies, r.joined); why != "" {
		return refuse(GateVerified, "run crossfade verify again", "the verification of %s does not count: %s", r.Verified.Ended.Format(time.RFC3339), why)
	}
	return nil
}

// reversed refuses unless old was made whole since it was owed.
func (r *record) reversed(replies []reply) *Refusal {
	const do = "run crossfade rollback --to read-new, or crossfade recover old: it copies and verifies before it goes on"
	switch {
	case r.Owed == 0 && r.Roamed:
		return refuse(GateReversed, "run crossfade rollback: it goes by way of back, with a reverse copy on each host", "sessions have moved between hosts since read-new was settled, and each has an old of its own")
	case r.Owed == 0:
	case r.Reversed == nil && r.lacking(reversedOf) != "":
		return refuse(GateReversed, "run the same command on each of them", "each host has an old of its own, and these lack a reverse copy: %s", r.lacking(reversedOf))
	case r.Reversed == nil || r.Reversed.Epoch < r.Owed:
		return refuse(GateReversed, do, "since revision %d old lacks writes, and no reverse copy was verified", r.Owed)
	default:
		if why := r.Reversed.counts(replies, r.joined); why != "" {
			return refuse(GateReversed, do, "the reverse copy does not count: %s", why)
		}
		return r.soaking()
	}
	return nil
}

// count scans a store for names of Crossfade's own.
func (m *Migration) count(ctx context.Context, side rules.Side, prefix string) (n int, err error) {
	err = m.own(ctx, side, prefix, func(names []string) error { n += len(names); return nil })
	return n, err
}

// countBehind is count of the records that old is behind, where new cannot list
// them: of each life that is known they are read by name.
func (m *Migration) countBehind(ctx context.Context, replies []reply) (n int, err error) {
	l, err := m.stores()
	if err != nil {
		return 0, err
	}
	names, err := m.behindNames(replies)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		one, cancel := context.WithTimeout(ctx, m.copyMost())
		_, found, err := l.New.Get(one, backends.Key{Name: name})
		cancel()
		if err != nil {
			return 0, fmt.Errorf("migrate: look into new: %w: see that it answers, then run this again", err)
		}
		if found {
			n++
		}
	}
	return n, nil
}

// behindNames are the names of those records: of the lives in the record, and of
// what agents say of their own.
func (m *Migration) behindNames(replies []reply) (names []string, err error) {
	cur, err := m.read()
	if err != nil {
		return nil, err
	}
	r, err := m.recorded(cur)
	if err != nil {
		return nil, err
	}
	var lives []string
	for _, l := range r.Agents {
		lives = append(lives, l.Start)
	}
	for i := range replies {
		lives = append(append(lives, replies[i].status.Start), replies[i].status.Former...)
	}
	slices.Sort(lives)
	for _, start := range slices.Compact(lives) {
		if start != "" {
			names = append(names, backends.BehindKey(m.o.Migration, start).Name)
		}
	}
	return names, nil
}

func (m *Migration) own(ctx context.Context, side rules.Side, prefix string, fn func([]string) error) error {
	st, err := m.store(side)
	if err != nil {
		return err
	}
	sc, ok := st.(backends.Scanner)
	if !ok {
		return fmt.Errorf("migrate: look into %v: %w", side, backends.ErrUnlisted)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 10*time.Minute, errors.New("the scan took longer than 10 minutes"))
	defer cancel()
	if err := sc.Scan(ctx, prefix, fn); err != nil {
		return fmt.Errorf("migrate: look into %v: %w: see that it answers, then run this again", side, err)
	}
	return nil
}

// sums are what the agents of a fleet hold together.
type sums struct {
	unknown, dirtyNew, dirtyOld       int64
	unknownAt, dirtyNewAt, dirtyOldAt []string
	behind                            []string
}

func (s *sums) add(a *reply, oldDead bool) {
	st := &a.status
	note := func(total *int64, at *[]string, n int64, all bool) {
		if n == 0 && !all {
			return
		}
		*total += max(n, 1)
		text := fmt.Sprintf("%s %d", a.name(), n)
		if all {
			text = a.name() + " all"
		}
		*at = append(*at, text)
	}
	unknown := st.UnknownNew
	if !oldDead {
		unknown += st.UnknownOld
	}
	note(&s.unknown, &s.unknownAt, unknown, false)
	note(&s.dirtyNew, &s.dirtyNewAt, st.DirtyNew, st.AllDirtyNew)
	note(&s.dirtyOld, &s.dirtyOldAt, st.DirtyOld, st.AllDirtyOld)
	if st.Behind {
		s.behind = append(s.behind, a.name())
	}
}

func (s *sums) who(at []string) string { return strings.Join(at, ", ") }
