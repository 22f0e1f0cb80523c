//go:build brokenrules

package walk

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/darklaunch/rules"
)

// brokenRule is a rule to switch off, and what must then break.
type brokenRule struct {
	row     string // of the list of counterexamples the design began with; "" for one of our own
	rule    rules.Rule
	text    string
	promise []Promise
	faults  int // at most
	where   Config
}

func route(name string) []Phase {
	for _, r := range append(Routes(), HostRoutes()...) {
		if r.Name == name {
			return r.Path
		}
	}
	panic("no route " + name)
}

func cfg(path string, ops int, change ...func(*Config)) Config {
	c := Config{Name: path, Path: route(path), Kinds: SessionKinds, Ops: ops}
	for _, f := range change {
		f(&c)
	}
	return c
}

func kinds(ks ...rules.Op) func(*Config) { return func(c *Config) { c.Kinds = ks } }

// errs allows faults of calls: to old, to new, late calls.
func errs(old, new, late int) func(*Config) {
	return func(c *Config) { c.FaultsOld, c.FaultsNew, c.Faults, c.Late = old, new, max(old, new), late }
}

func bothErr(old, new, late int) func(*Config) {
	return func(c *Config) { c.FaultsOld, c.FaultsNew, c.Faults, c.Late = old, new, old+new, late }
}

func befalls(f Fleet) func(*Config) { return func(c *Config) { c.Fleet = f } }

func crash(c *Config)       { c.Crashes = 1 }
func evicted(c *Config)     { c.OldEvicts, c.Evicted = true, true }
func absent(c *Config)      { c.Absent = true }
func hostScoped(c *Config)  { c.HostScoped = true }
func leases(c *Config)      { c.Lease = true }
func byTombstone(c *Config) { c.ByTombstone = true }

func path(ps ...Phase) func(*Config) { return func(c *Config) { c.Path = ps } }

var settledAnyHost = Phase{Position: position.ReadNew, Env: rules.Settled, Free: true}

var (
	p1         = []Promise{NoLogout}
	p2         = []Promise{NoLostWrite}
	p3         = []Promise{NoResurrection}
	p2or3      = []Promise{NoLostWrite, NoResurrection}
	p1or3      = []Promise{NoLogout, NoResurrection}
	holders    = []Promise{OneHolder}
	oneContent = []Promise{OneContent}
	oneEdit    = []Promise{OneEdit}
)

var brokenRules = []brokenRule{
	{"1", rules.AckWaitsForOperations, "an acknowledgement does not wait for running operations", p2, 0, cfg("mirror to read-new", 1, kinds(rules.Set))},
	{"2", rules.CopyCorrects, "backfill only adds what is absent", p2, 0, cfg("mirror to read-new", 2, kinds(rules.Set))},
	{"3", rules.AckWaitsForQueue, "an acknowledgement does not wait for the queue", p2, 0, cfg("mirror to read-new", 2, kinds(rules.Set))},
	{"4", rules.TokenBeforeSource, "a copy reads the source before the target's token", p2, 0, cfg("mirror to read-new", 2, kinds(rules.Set))},
	{"5", rules.SourceFirst, "read-new writes new first", p2, 1, cfg("fenced, read-new", 2, kinds(rules.Set), errs(0, 1, 0))},
	{"6", rules.TokensAreUnique, "tokens are the bytes", p2, 1, cfg("fenced, read-new", 3, kinds(rules.Set), errs(0, 1, 1))},
	{"7", rules.DeleteLeavesTombstone, "a delete leaves no tombstone", p3, 0, cfg("mirror to read-new", 1, kinds(rules.Delete))},
	{"7", rules.SwapTestsTombstone, "a copy does not test the tombstone with the add", p3, 0, cfg("mirror to read-new", 1, kinds(rules.Delete))},
	{"8", rules.TombstoneOutlives, "a tombstone ends while a copy runs", p3, 0, cfg("mirror to read-new", 1, kinds(rules.Delete), byTombstone)},
	{"9", rules.TombstoneFirst, "new's tombstone counts before old's mark", p1, 1, cfg("fenced, read-new", 2, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"10", rules.DirtyInMemory, "dirty is kept in memory, without a mark", p2or3, 1, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"10", rules.ReadersLookAtMarks, "readers of new do not look at marks", p2or3, 1, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"12", rules.LateUnmark, "the mark goes at once after the swap", p2or3, 1, cfg("fenced, read-new", 2, kinds(rules.Set, rules.Get), errs(0, 1, 0))},
	{"13", rules.RepairWaitsForOwnCall, "a repair does not wait for the unknown call", p2, 1, cfg("fenced, read-new", 2, kinds(rules.Set), errs(0, 1, 1))},
	{"14", rules.SealedDoesNotFallBack, "sealed falls back to old", p3, 0, cfg("read-new to cutover", 1, kinds(rules.Delete))},
	{"14", rules.NoRule, "no seal: read-new straight to cutover", p3, 0, cfg("read-new, settled", 1, kinds(rules.Delete), path(at(position.ReadNew), at(position.Cutover)))},
	{"15", rules.SealedNeedsNew, "sealed acknowledges with a mark", p2or3, 1, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"16", rules.SealedNeedsOld, "sealed acknowledges without old", p2or3, 2, cfg("read-new, sealed", 2, kinds(rules.Set, rules.Delete), errs(2, 0, 1))},
	{"17", rules.OldDecidesAdd, "read-new lets new decide an add", p1, 0, cfg("fenced, read-new", 2, kinds(rules.Add), absent)},
	{"18", rules.AddAsksNew, "read-new does not ask new about an add", p1, 0, cfg("read-new, settled", 1, kinds(rules.Add), evicted)},
	{"19", rules.AckWaitsForLocks, "an acknowledgement does not wait for locks", holders, 0, cfg("read-new to cutover", 2, kinds(LockKinds...))},
	{"20", rules.UnlockByToken, "a lock is removed whoever holds it", holders, 0, cfg("read-new to cutover", 4, kinds(LockKinds...))},
	{"21", rules.UnlockByToken, "a late unlock removes another's lock", holders, 1, cfg("read-new, settled", 4, kinds(LockKinds...), errs(1, 0, 1))},
	{"22", rules.LocksDoNotDegrade, "a lock is granted by whichever store answers", holders, 2, cfg("read-new, settled", 2, kinds(LockKinds...), errs(2, 0, 0))},
	{"23", rules.SealedLocksBoth, "sealed asks one store for a lock", holders, 1, cfg("read-new to cutover", 2, kinds(LockKinds...))},
	{"24", rules.BackBuriesInOld, "back leaves no tombstone in old", p3, 0, cfg("cutover to read-new", 2, kinds(rules.Set, rules.Delete), absent)},
	{"24", rules.ReverseCopyFirst, "back to sealed without a reverse copy", p1, 0, cfg("cutover to read-new", 1, kinds(rules.Set), absent, path(at(position.Cutover), at(position.Back), at(position.Sealed), at(position.ReadNew), at(position.Fenced)))},
	{"25", rules.LapseReleasesNothing, "an agent that went silent is passed over", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete))},
	{"26", rules.MarkIsASet, "a mark is one cell, anybody removes it", p2or3, 2, cfg("fenced, read-new", 2, kinds(rules.Set, rules.Delete), errs(0, 2, 1))},

	{"", rules.ErrorIsMiss, "an error is answered as missing", p1, 1, cfg("off, mirror", 1, kinds(rules.Get), errs(1, 0, 0))},
	{"", rules.ReadersHonourTombstones, "readers of new fall back over a tombstone", p3, 1, cfg("read-new, settled", 1, kinds(rules.Delete), errs(1, 0, 0))},
	{"", rules.MarkMustStand, "acknowledged though the mark failed", p2or3, 2, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), bothErr(1, 1, 0))},
	{"", rules.EvictedIsNoAnswer, "a miss in an evicting store counts", p1, 1, cfg("read-new, settled", 1, kinds(rules.Get), evicted, errs(0, 1, 0))},
	{"", rules.AddIsUndone, "an add that new refuses stays in old", p1, 0, cfg("read-new, sealed", 1, kinds(rules.Add), evicted, path(at(position.ReadNew), at(position.Fenced)))},
	{"", rules.EqualIsNotOurs, "an equal session in new is taken for what the add wrote", p1, 0, cfg("sealed, cutover", 2, kinds(rules.Add), absent)},
	{"", rules.RepairLooksTwice, "a repair does not look for new doubts before it removes marks", p2, 2, cfg("fenced, read-new", 3, kinds(rules.Set), errs(0, 2, 1), path(at(position.ReadNew)))},
	{"", rules.SetClearsTombstone, "a set leaves the tombstone", p1, 0, cfg("fenced, read-new", 2, kinds(rules.Set, rules.Delete), func(c *Config) { c.Evictions = 1 })},
	{"", rules.BehindIsRecorded, "new-only writes leave no record", p1or2or3, 1, cfg("read-new, settled", 1, kinds(rules.Set, rules.Delete), errs(1, 0, 0), path(Phase{Position: position.ReadNew, Env: rules.Settled}, at(position.Fenced)))},
	{"", rules.BehindBlocksSteps, "a step down while old is behind", p1or2or3, 1, cfg("read-new, settled", 1, kinds(rules.Set, rules.Delete), errs(1, 0, 0), path(Phase{Position: position.ReadNew, Env: rules.Settled}, at(position.Fenced)))},
	{"", rules.TouchCopyIsGuarded, "the copy a touch makes is a plain set", p2or3, 0, cfg("mirror to read-new", 2, kinds(rules.Set, rules.Delete, rules.Touch))},
	{"", rules.RepairIsGuarded, "a repair is a plain set", p2or3, 1, cfg("fenced, read-new", 2, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"", rules.RepairNeedsMark, "read-new repairs from old without a mark", p2or3, 2, cfg("read-new, settled", 3, kinds(rules.Set, rules.Get), bothErr(1, 1, 0))},
	{"", rules.VerifyBeforeReadNew, "read-new without a backfill", p2, 0, cfg("mirror to read-new", 2, kinds(rules.Set), path(at(position.Mirror), at(position.Off), at(position.Mirror), at(position.Fenced), at(position.ReadNew)))},
	{"", rules.DirtyBlocksCutover, "cutover although marks stand", p2or3, 1, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0))},
	{"", rules.AckWaitsForCalls, "an acknowledgement does not wait for unknown calls", p2or3, 1, cfg("mirror to read-new", 2, kinds(rules.Set), errs(0, 1, 1), crash)},
	{"", rules.BarrierBeforeCopy, "the copier does not wait for copies under way", p3, 0, cfg("mirror to read-new", 2, kinds(rules.Delete, rules.Touch), crash)},
	{"", rules.CrashMakesDirty, "a crash forgets what back owes old", p1or2or3, 1, cfg("cutover to read-new", 1, kinds(rules.Set, rules.Delete), errs(1, 0, 0), crash)},
	{"", rules.LaggingIsNoSource, "what old's slow tier kept is copied over new", p2, 0, cfg("fenced, read-new", 2, kinds(rules.Set), func(c *Config) { c.Tiers, c.Losses, c.OldEvicts = true, 1, true })},
	{"", rules.RepairWaitsForQueue, "a repair does not wait for what is queued", p1, 0, cfg("hosts: mirror to read-new", 3, kinds(rules.Set, rules.Delete), hostScoped)},
	{"", rules.HostPurgesFirst, "hosts: a backfill does not begin with an empty new", p3, 0, cfg("hosts: mirror to read-new", 3, kinds(rules.Set, rules.Delete), hostScoped, crash)},
	{"", rules.HostHonoursTombstones, "hosts: a copy clears a tombstone", p3, 0, cfg("hosts: mirror to read-new", 1, kinds(rules.Delete), hostScoped)},
	{"", rules.HostTombstonesLast, "hosts: a tombstone ends before other hosts' copies", p3, 0, cfg("hosts: mirror to read-new", 1, kinds(rules.Delete), hostScoped)},
	{"", rules.HostMissIsNoAnswer, "hosts: a miss on one host deletes", p1, 0, cfg("hosts: mirror to read-new", 1, kinds(rules.Set), hostScoped, absent)},
	{"", rules.HostDoesNotStandIn, "hosts: old stands in where new fails", p2or3, 1, cfg("hosts: any host", 1, kinds(rules.Get), hostScoped, errs(0, 1, 0))},
	{"", rules.HostNeedsNew, "hosts: read-new acknowledges with a mark", p2or3, 1, cfg("hosts: any host", 1, kinds(rules.Set, rules.Delete), hostScoped, errs(0, 1, 0))},
	{"", rules.HostSettlesClean, "hosts: clients come through any host while marks stand", p2or3, 1, cfg("hosts: fenced to any host", 1, kinds(rules.Set, rules.Delete), hostScoped, errs(0, 1, 0))},
	{"", rules.HostLocksBoth, "hosts: read-new locks on one host", holders, 0, cfg("hosts: any host", 2, kinds(LockKinds...), hostScoped)},
	{"", rules.HostReverseFirst, "hosts: read-new to fenced without a reverse copy", p2or3, 0, cfg("hosts: any host to fenced", 1, kinds(rules.Set), hostScoped, path(settledAnyHost, at(position.ReadNew), at(position.Fenced)))},
	{"", rules.MirrorAfterAnswer, "mirror writes new before the answer", []Promise{NewHurtsNobody}, 0, cfg("off, mirror", 1, kinds(rules.Set))},
	{"", rules.LapseReleasesNothing, "fleet: a lapse releases a step", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1}))},
	{"", rules.ForgettingWaits, "fleet: a step does not wait for a forgotten agent", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1, Forgets: 1}))},
	{"", rules.UnlistedStops, "fleet: an agent that a note does not list goes on", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1, Forgets: 1}))},
	{"", rules.ForgetLocksRunOut, "fleet: a step does not wait for a forgotten agent's locks", holders, 0, cfg("read-new to cutover", 2, kinds(LockKinds...), befalls(Fleet{Cuts: 1, Forgets: 1}))},
	{"", rules.ForgetMakesDirty, "fleet: what a forgotten agent owed old is not missed", p1or2or3, 1, cfg("cutover to read-new", 1, kinds(rules.Set, rules.Delete), errs(1, 0, 0), befalls(Fleet{Cuts: 1, Forgets: 1}))},
	{"", rules.NotesComeFirst, "fleet: the notes are raised after the revision is published", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1, Forgets: 1, Kills: 1}))},
	{"", rules.NotesOnlyRise, "fleet: a slow server lowers the notes", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1, Forgets: 1, Kills: 1}), path(at(position.Fenced), at(position.ReadNew), at(position.Sealed), at(position.Cutover)))},
	{"", rules.AbsenceSaysNothing, "fleet: a store without the note stands for epoch 0", p1or2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Losses: 1}))},
	{"", rules.TakeoverLooks, "fleet: a server that takes over looks at the record alone", oneContent, 0, cfg("read-new to cutover", 0, befalls(Fleet{Cuts: 1, Forgets: 1, Kills: 1, Losses: 1}))},
	{"", rules.IntentIsRecorded, "fleet: the record does not hold what comes next", oneContent, 0, cfg("read-new to cutover", 0, befalls(Fleet{Cuts: 1, Forgets: 1, Kills: 1, Losses: 1}))},
	{"", rules.StartReadsNotes, "fleet: an agent starts without a look at the notes", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), crash, befalls(Fleet{Cuts: 1, Stale: true}))},
	{"", rules.OvertakesNextTo, "fleet: a rollback overtakes by two positions", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete), befalls(Fleet{Cuts: 1, Rollback: 1}), path(at(position.Fenced), at(position.ReadNew), at(position.Sealed), at(position.Cutover)))},
	{"", rules.EditGoesByToken, "an edit is a plain set", oneEdit, 0, cfg("off, mirror", 2, kinds(rules.Edit))},
	{"", rules.EditsSecondByToken, "an edit's second half is a plain set", p2, 0, cfg("fenced, read-new", 2, kinds(rules.Edit))},
	{"", rules.EditComparesStores, "an edit in read-new takes old for whole", p2, 1, cfg("read-new, settled", 2, kinds(rules.Edit), errs(1, 0, 0))},
	{"", rules.EditLooksAtConflicts, "an edit that somebody overtook in new marks it as behind", oneEdit, 1, cfg("read-new, settled", 2, kinds(rules.Edit), errs(1, 0, 0))},
	{"", rules.FencedEditGoesOn, "an edit that a copy overtook in new marks it as behind", p2, 1, cfg("fenced, read-new", 2, kinds(rules.Edit, rules.Get), errs(1, 0, 0))},
	{"", rules.BarrierBeforeCopy, "the copier does not wait for edits under way", p3, 0, cfg("mirror to read-new", 2, kinds(rules.Edit), crash, func(c *Config) { c.Edits = []wants{changesIt, removesIt} })},
	{"", rules.OwnIsNotOthers, "an edit takes what looks like its own change for a later one", oneEdit, 1, cfg("read-new, settled", 2, kinds(rules.Edit), errs(1, 0, 0), func(c *Config) { c.Edits = []wants{removesIt} })},
	{"", rules.SealedEditNeedsEqual, "sealed edits what the stores hold differently", oneEdit, 0, cfg("read-new, sealed", 2, kinds(rules.Edit))},
	{"", rules.MarkersAreListed, "an agent marks and is not in the record of markers", p2or3, 1, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0), leases)},
	{"", rules.LeasesRunOut, "a mark is acknowledged while others hold clean leases", p2or3, 1, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0), leases)},
	{"", rules.UnlistedWhenClean, "an agent leaves the record of markers while its mark stands", p2or3, 1, cfg("fenced, read-new", 1, kinds(rules.Set, rules.Delete), errs(0, 1, 0), leases)},
	{"", rules.RecordListsAll, "the record of markers is made empty", p2or3, 2, cfg("fenced, read-new", 2, kinds(rules.Set), errs(0, 2, 0), leases, path(at(position.ReadNew)), func(c *Config) { c.Unlistings = 1 })},
	{"", rules.NoCopyWhileSealed, "copies run in sealed", p2or3, 0, cfg("read-new to cutover", 1, kinds(rules.Set, rules.Delete))},
}

var p1or2or3 = []Promise{NoLogout, NoLostWrite, NoResurrection}

// TestBrokenRules switches off one rule after another. It proves that the walk
// sees: for each, the same promise breaks, with no more faults than it is known
// to take. The table is docs/broken-rules.md.
func TestBrokenRules(t *testing.T) {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	only := os.Getenv("ONLY")
	for _, br := range brokenRules {
		if only != "" && !strings.Contains(br.text, only) {
			continue
		}
		rules.Drop(br.rule)
		r, err := Run(context.Background(), br.where, Options{MaxStates: 60_000_000})
		rules.Drop(rules.NoRule)
		row := br.row
		if row == "" {
			row = "-"
		}
		switch {
		case err != nil:
			t.Errorf("%s %s: %v", row, br.text, err)
			continue
		case r.Violation == nil:
			t.Errorf("%s %s: not found in %d states", row, br.text, r.States)
			continue
		case r.Faults > br.faults:
			t.Errorf("%s %s: found with %d faults, want at most %d", row, br.text, r.Faults, br.faults)
		}
		same := false
		for _, p := range br.promise {
			same = same || p == r.Violation.Promise
		}
		if !same {
			t.Errorf("%s %s: broke %s, want %v", row, br.text, r, br.promise)
		}
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %d\t| %d\t|\n", row, br.text, r.Violation.Promise, r.Faults, len(r.History))
		if testing.Verbose() && only != "" {
			t.Log(r)
		}
	}
	w.Flush()
	t.Logf("\n%s", b.String())
	if only == "" {
		keepTable(t, b.String())
	}
}

// TestKeptRules: rules of the fleet that break nothing when one of them is off,
// since another stands behind it. The docs name them; if a history turns up, it
// belongs in the table.
func TestKeptRules(t *testing.T) {
	up, most := kinds(rules.Set, rules.Delete), Fleet{Cuts: 1, Forgets: 1, Kills: 1}
	for _, k := range []brokenRule{
		{rule: rules.ForgetsInTwo, where: cfg("read-new to cutover", 1, up, befalls(most))},
		{rule: rules.TwoBehindStops, where: cfg("read-new to cutover", 1, up, befalls(most))},
		{rule: rules.TwoBehindStops, where: cfg("read-new to cutover", 1, up, befalls(Fleet{Cuts: 1, Forgets: 1, Rollback: 1}))},
		{rule: rules.NoteOfThisLife, where: cfg("read-new to cutover", 1, up, crash, befalls(Fleet{Cuts: 1, Losses: 1, Stale: true}))},
	} {
		rules.Drop(k.rule)
		r, err := Run(context.Background(), k.where, Options{MaxStates: 20_000_000})
		rules.Drop(rules.NoRule)
		if err != nil || r.Violation != nil {
			t.Errorf("rule %d: %v, %v", k.rule, r, err)
		}
	}
	// The same configurations do break with another rule off: they reach far enough.
	rules.Drop(rules.UnlistedStops)
	defer rules.Drop(rules.NoRule)
	if r, err := Run(context.Background(), cfg("read-new to cutover", 1, up, befalls(most)), Options{}); err != nil || r.Violation == nil {
		t.Errorf("an agent that is not listed goes on: %v, %v", r, err)
	}
}

// TestNoteLostWhileTwoMove is the bound that the docs name: a step back by the
// stores alone, whose first note is lost before the second is written, leaves
// nothing that a server could find.
func TestNoteLostWhileTwoMove(t *testing.T) {
	c := cfg("read-new to cutover", 0, befalls(Fleet{Losses: 1, Rollback: 1}))
	r, err := Run(context.Background(), c, Options{})
	if err != nil || r.Violation == nil || r.Violation.Promise != OneContent {
		t.Errorf("got %v, %v: if this holds now, say so in docs/broken-rules.md", r, err)
	}
}

var update = flag.Bool("update", false, "rewrite the table in the docs")

// keepTable holds the table in the docs to what the walk found.
func keepTable(t *testing.T, rows string) {
	const doc, begin, end = "../../docs/broken-rules.md", "<!-- table -->\n", "<!-- end -->"
	old, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", doc)
	}
	table := "| row | the rule that is off | what breaks | faults | steps |\n| --- | --- | --- | --- | --- |\n" + rows
	want := head + begin + table + end + tail
	if want == string(old) {
		return
	}
	if !*update {
		t.Errorf("%s is not what the walk found: go test -tags brokenrules ./darklaunch/walk -update", doc)
		return
	}
	if err := os.WriteFile(doc, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
