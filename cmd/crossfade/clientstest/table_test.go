package clientstest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// result is what one client has shown in one move.
type result struct {
	version string
	warned  int                 // of its warnings, how many were told
	at      []position.Position // where all went well
	told    string              // when no store answered
}

// without asks for a session while no store answers, and notes what a user is
// told. No client may be told a session that is not the user's.
func (r *result) without(t *testing.T, s script, u traveller) {
	a, err := s.ask(0, question{Op: "look", ID: u.id})
	var what string
	switch {
	case err != nil && !a.Missing:
		what = "an error"
	case a.Missing && err != nil:
		what = "**an empty session** and a warning"
	case a.Missing:
		what = "**an empty session**"
	case a.is(u.user, u.n) == nil:
		what = "the session, from elsewhere"
	default:
		t.Errorf("told %q with %d, and is %q with %d", a.User, a.N, u.user, u.n)
		return
	}
	t.Logf("%s %.200v", what, err)
	r.told = what
}

// row is a line of the table: what was held in both moves, or in which.
func row(c client, seen map[move][]result, i int) string {
	var positions, stores, told []string
	for _, step := range ladder {
		if !slices.ContainsFunc(moves, func(m move) bool { return !slices.Contains(seen[m][i].at, step.to) }) {
			positions = append(positions, step.to.String())
		}
	}
	held := strings.Join(positions, ", ")
	if len(positions) == len(ladder) {
		held = "all"
	}
	for _, m := range moves {
		if len(seen[m][i].at) > 0 {
			stores = append(stores, m.String())
		}
		told = append(told, seen[m][i].told)
	}
	slices.Sort(told)
	told = slices.Compact(told)
	keeps := map[locking]string{unlocked: "-", locked: "locks", swapped: "cas"}[c.keeps]
	return fmt.Sprintf("| %s\t| %s\t| %s, %s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", c.name, seen[moves[0]][i].version, c.speaks, c.protocol, keeps,
		held, strings.Join(stores, "; "), strings.Join(told, "; "), c.note)
}

// keepTable holds the table in the docs to what was seen.
func keepTable(t *testing.T, seen map[move][]result) {
	t.Helper()
	const doc, begin, end = "../../../docs/clients.md", "<!-- table -->\n", "<!-- end -->"
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprint(w, "| client\t| version\t| speaks\t| two clicks at once\t| positions held\t| stores behind\t| told while no store answers\t| note\t|\n")
	fmt.Fprint(w, "| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t| ---\t|\n")
	for i, c := range clients {
		fmt.Fprint(w, row(c, seen, i))
	}
	w.Flush()
	t.Logf("\n%s", b.String())
	old, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(old), begin)
	was, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table", doc)
	}
	if was == b.String() {
		return
	}
	if !*update {
		t.Errorf("%s says something else: run with -update, and read what changed", doc)
		return
	}
	if err := os.WriteFile(doc, []byte(head+begin+b.String()+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
