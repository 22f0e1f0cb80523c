package prove

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/darklaunch/walk"
)

var update = flag.Bool("update", false, "write docs/proved.md again")

const pageHead = `# What is proved for each pair of stores

Every pair of stores that a configuration can name, through the real rules, by ` + "`go test ./darklaunch/prove -run Page -update`" + `; a test
fails when this page is not what the code says. ` + "`crossfade prove`" + ` does the same for one configuration, with far wider bounds.

The bounds here, where sessions and locks move along each way of the suite (every two neighbouring positions in both directions, the longer
ways, old that dies and comes back): one session, two agents, one client operation beside each step (two for locks), any one call to
either store that fails or is given up and arrives late or never, and one agent that crashes (where each host has its own old: none). Defaults otherwise:
` + "`read_new.unconfirmed: accept`" + `, ` + "`cutover.keep_old: 24h`" + `, locks, flags that every agent acknowledges. A store is taken to do what it declares:

`

// TestPage holds docs/proved.md to what the walk says.
func TestPage(t *testing.T) {
	var b strings.Builder
	b.WriteString(pageHead)
	b.WriteString("| store | may throw out what lives | two tiers | each host has its own | holds marks |\n| --- | --- | --- | --- | --- |\n")
	yes := map[bool]string{true: "yes", false: "no"}
	for _, name := range StoreNames() {
		s, _ := Known(name)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, yes[s.Evicts], yes[s.Tiers], yes[s.HostScoped], yes[s.Marks])
	}
	b.WriteString("\nPairs whose stores can do the same are one row; states are those of sessions and of locks.\n\n| old | new | 1 no logout | 2 no lost write | 3 no resurrection | 4 new never hurts old | locks: never two holders | walks | states |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	var found strings.Builder
	for _, row := range pairs() {
		r := quick(t, row.setup)
		fmt.Fprintf(&b, "| %s | %s |", strings.Join(row.olds, ", "), strings.Join(row.news, ", "))
		for _, v := range r.Verdicts {
			if v.Held {
				b.WriteString(" held |")
				continue
			}
			b.WriteString(" **not held** |")
			fmt.Fprintf(&found, "\n%s: old %s, new %s (%s). What would hold it: %s.\n\n", v.Promise, strings.Join(row.olds, ", "), strings.Join(row.news, ", "), v.Where, v.Setting)
			for i, h := range v.History {
				fmt.Fprintf(&found, "%d. %s\n", i+1, h)
			}
		}
		if r.Held() {
			fmt.Fprintf(&b, " %d | %d |\n", r.Walks, r.States)
		} else {
			b.WriteString(" - | - |\n") // how far a walk gets that stops is chance
		}
	}
	b.WriteString("\nNew may throw a session out only while old still has it: what a store loses after cutover is lost as without Crossfade.\n\n## Not held\n")
	b.WriteString(found.String())
	b.WriteString("\n## What other ways would cost\n\nThe same, with memcached and redis, where flags come from elsewhere, or nothing is marked: the shortest histories.\n")
	for _, c := range []struct {
		name   string
		change func(*Setup)
	}{{"Two flags, one for writes and one for reads", func(s *Setup) { s.Flags = TwoFlags }},
		{"No marks", func(s *Setup) { s.Old.Marks = false }},
		{"Flags that nobody acknowledges", func(s *Setup) { s.Flags = Unacknowledged }}} {
		s := pairs()[0].setup
		s.Old, _ = Known("memcached")
		s.Old.Evicts = false
		c.change(&s)
		r := quick(t, s)
		for _, v := range r.Verdicts {
			if v.Held || v.Promise != walk.NoResurrection && v.Promise != walk.OneHolder {
				continue
			}
			fmt.Fprintf(&b, "\n%s: %s.\n\n", c.name, v.Promise)
			for i, h := range v.History {
				fmt.Fprintf(&b, "%d. %s\n", i+1, h)
			}
		}
	}
	const page = "../../docs/proved.md"
	old, err := os.ReadFile(page)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if string(old) == b.String() {
		return
	}
	if !*update {
		t.Errorf("%s is not what the walk says: go test ./darklaunch/prove -run Page -update", page)
		return
	}
	if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// pair is a row: the stores that can do the same.
type pair struct {
	setup      Setup
	olds, news []string
}

func pairs() (rows []*pair) {
	at := map[Setup]*pair{}
	for _, old := range StoreNames() {
		for _, new := range StoreNames() {
			s := Setup{Locks: true, KeepOld: true, Faults: AllFaults}
			s.Old, _ = Known(old)
			if s.New, _ = Known(new); !s.New.MayBeNew() {
				continue
			}
			s.Old.Name, s.New.Name = "", ""
			row := at[s]
			if row == nil {
				row = &pair{setup: s}
				at[s] = row
				rows = append(rows, row)
			}
			row.olds, row.news = with(row.olds, old), with(row.news, new)
		}
	}
	return rows
}

func with(list []string, name string) []string {
	for _, n := range list {
		if n == name {
			return list
		}
	}
	return append(list, name)
}
