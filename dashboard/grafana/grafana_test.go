package grafana

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/dashboard/metrics"
)

var update = flag.Bool("update", false, "write the JSON files")

var pages = map[string]Dashboard{"migration.json": Migration(), "agents.json": Agents()}

// TestFiles: what Grafana imports is what the code says.
func TestFiles(t *testing.T) {
	for file, d := range pages {
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the code says (%v): go test ./dashboard/grafana -update", file, err)
		}
	}
}

var (
	action   = regexp.MustCompile(`(?i)\b(see|look|run|check|find|take|mend|hold|decide|bring|must|should|needs?|bounded|chosen|keeps?|moves|repair|follows|few|stopped|normal)\b`)
	variable = regexp.MustCompile(`\$\{?([a-z_]+)`)
)

// TestPanels: each says what it means and what to do, has a unit, a legend for
// every query, series that exist, and variables that can be chosen.
func TestPanels(t *testing.T) {
	for file, d := range pages {
		known := []string{"__rate_interval"}
		for _, v := range d.Templating.List {
			known = append(known, v.Name)
		}
		ids, titles := map[int]bool{}, map[string]bool{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: %s: id %d or its place is wrong", file, p.Title, p.ID)
			}
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			if titles[p.Title] {
				t.Errorf("%s: two panels are called %s", file, p.Title)
			}
			titles[p.Title] = true
			if len(p.Description) < 40 || !action.MatchString(p.Description) {
				t.Errorf("%s: %s: say what it means and what to do: %q", file, p.Title, p.Description)
			}
			if p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 {
				t.Errorf("%s: %s: no unit, or no query", file, p.Title)
			}
			for _, q := range p.Targets {
				if q.LegendFormat == "" || !strings.Contains(q.Expr, `migration="$migration"`) {
					t.Errorf("%s: %s: no legend, or any migration: %s", file, p.Title, q.Expr)
				}
				for _, m := range variable.FindAllStringSubmatch(q.Expr, -1) {
					if !slices.Contains(known, m[1]) {
						t.Errorf("%s: %s: no variable %s", file, p.Title, m[1])
					}
				}
				for _, bad := range metrics.Check(q.Expr) {
					t.Errorf("%s: %s: %s", file, p.Title, bad)
				}
			}
		}
		for _, a := range d.Annotations.List {
			for _, bad := range metrics.Check(a.Expr) {
				t.Errorf("%s: %s: %s", file, a.Name, bad)
			}
		}
	}
}
