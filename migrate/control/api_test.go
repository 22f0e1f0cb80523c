package control

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/migrate/access"
)

// TestAPIPage holds docs/api.md to the routes and verbs that there are: each with
// its role, and none besides.
func TestAPIPage(t *testing.T) {
	data, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	roles := map[access.Role]string{access.Anybody: "anybody", access.Viewer: "viewer", access.Operator: "operator", access.Admin: "admin", access.Fleet: "fleet"}
	got := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^### ((?:GET|POST) \S+)\n\nRole: ([a-z]+)[.,]`).FindAllStringSubmatch(page, -1) {
		got[m[1]] = m[2]
	}
	if n := len(regexp.MustCompile(`(?m)^### `).FindAllString(page, -1)); n != len(got) {
		t.Errorf("%d headings, %d of them routes with a role", n, len(got))
	}
	for _, r := range newRig(t, 1).servers[0].table() {
		if got[r.pattern] != roles[r.role] {
			t.Errorf("%s: the page says %q, want %q", r.pattern, got[r.pattern], roles[r.role])
		}
		delete(got, r.pattern)
	}
	for pattern := range got {
		t.Errorf("%s: the page has it, the server does not", pattern)
	}
	said := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (operator|admin) \\|").FindAllStringSubmatch(page, -1) {
		said[m[1]] = m[2]
	}
	for verb, role := range verbRoles {
		if said[verb] != role.String() {
			t.Errorf("verb %s: the page says %q, want %q", verb, said[verb], role)
		}
		if _, ok := verbs[verb]; !ok && verb != "advance" {
			t.Errorf("verb %s has a role, and is none", verb)
		}
		delete(said, verb)
	}
	for verb := range said {
		t.Errorf("verb %s: the page has it, the server does not", verb)
	}
	for _, c := range columns {
		if !strings.Contains(page, "`"+c.name+"`") {
			t.Errorf("the page lacks the column %s", c.name)
		}
	}
}

// TestRoutesStandInTheTable: nothing is answered past it.
func TestRoutesStandInTheTable(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	registers := regexp.MustCompile(`\.Handle(Func)?\(`)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		if f.Name() == "routes.go" {
			want = 1
		}
		if n := len(registers.FindAll(data, -1)); n != want {
			t.Errorf("%s registers %d handlers, want %d: routes stand in the table, with a role", f.Name(), n, want)
		}
	}
}
