package grafana

import "strings"

// Units of Grafana.
const (
	count   = "short"
	seconds = "s"
	share   = "percentunit"
	perSec  = "ops"
	bytesOf = "bytes"
	yesNo   = "bool_yes_no"
)

// source is what the reader has chosen.
var source = Datasource{Type: "prometheus", UID: "${datasource}"}

// view is one panel, as it is written down in this package.
type view struct {
	title, what string // what: what it means, and what to do
	unit        string
	stat        bool // one number, else lines over time
	wide        int  // columns; 0: 6 of a stat, 8 of lines
	queries     []query
	// warn and bad colour a value at or above them; below with less.
	warn, bad float64
	less      bool // small values are the bad ones
	none      string
}

type query struct{ expr, legend string }

func q(expr, legend string) query { return query{expr, legend} }

// row is a title and its panels.
type row struct {
	title string
	views []view
}

// page lays the rows out, from left to right, and fills in what is the same in
// every query: CHOSEN stands for the labels that the reader has chosen.
func page(d Dashboard, chosen string, rows []row) Dashboard {
	d.SchemaVersion, d.Version, d.Editable, d.GraphTooltip, d.Refresh = 39, 1, true, 1, "15s"
	d.Time = Time{From: "now-3h", To: "now"}
	d.Tags = []string{"crossfade"}
	d.Links = []Link{{Title: "Crossfade", Type: "dashboards", Tags: d.Tags, KeepTime: true, IncludeVars: true}}
	y, id := 0, 0
	no := false
	for _, r := range rows {
		id++
		d.Panels = append(d.Panels, Panel{ID: id, Type: "row", Title: r.title, GridPos: GridPos{H: 1, W: 24, Y: y}, Collapsed: &no})
		y++
		x, height := 0, 8
		if r.views[0].stat {
			height = 5
		}
		for _, v := range r.views {
			w := v.wide
			if w == 0 && v.stat {
				w = 4
			} else if w == 0 {
				w = 8
			}
			if x+w > 24 {
				x, y = 0, y+height
			}
			id++
			d.Panels = append(d.Panels, v.panel(id, GridPos{H: height, W: w, X: x, Y: y}, chosen))
			x += w
		}
		y += height
	}
	return d
}

func (v *view) panel(id int, at GridPos, chosen string) Panel {
	zero, f := 0.0, v.fields()
	p := Panel{ID: id, Type: "timeseries", Title: v.title, Description: v.what, GridPos: at, Datasource: &source, FieldConfig: &f}
	if v.stat {
		p.Type = "stat"
		p.Options = &Options{ReduceOptions: &Reduce{[]string{"lastNotNull"}}, ColorMode: "background", TextMode: "auto"}
	} else {
		f.Defaults.Min = &zero
		f.Defaults.Color.Mode = "palette-classic"
		p.Options = &Options{Legend: &Legend{DisplayMode: "table", Placement: "bottom", Calcs: []string{"lastNotNull", "max"}, ShowLegend: true},
			Tooltip: &Tooltip{Mode: "multi", Sort: "desc"}}
	}
	for i, q := range v.queries {
		p.Targets = append(p.Targets, Target{RefID: string(rune('A' + i)), Datasource: source,
			Expr: strings.ReplaceAll(q.expr, "CHOSEN", chosen), LegendFormat: q.legend, Range: true})
	}
	return p
}

func (v *view) fields() FieldConfig {
	steps := []Step{{Color: "green"}}
	if v.less {
		steps = []Step{{Color: "red"}, {Color: "orange", Value: &v.bad}, {Color: "green", Value: &v.warn}}
	} else if v.bad > 0 {
		if v.warn > 0 {
			steps = append(steps, Step{Color: "orange", Value: &v.warn})
		}
		steps = append(steps, Step{Color: "red", Value: &v.bad})
	}
	return FieldConfig{Overrides: []string{}, Defaults: Defaults{Unit: v.unit, NoValue: v.none, Color: Color{"thresholds"}, Thresholds: Thresholds{"absolute", steps}}}
}

// variables that both dashboards have.
func variables(more ...Variable) Templating {
	return Templating{append([]Variable{
		{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus"},
		{Name: "migration", Label: "Migration", Type: "query", Query: "label_values(crossfade_epoch, migration)", Datasource: &source, Refresh: 2, Sort: 1},
	}, more...)}
}

// custom is a variable with fixed values, the first of which is chosen.
func custom(name, label string, values ...string) Variable {
	v := Variable{Name: name, Label: label, Type: "custom", Query: strings.Join(values, ",")}
	for i, x := range values {
		v.Options = append(v.Options, Current{x, x, i == 0})
	}
	v.Current = &v.Options[0]
	return v
}

// epochs marks the revisions over all panels.
func epochs(chosen string) Annotations {
	return Annotations{[]Annotation{{Name: "Revisions", Enable: true, IconColor: "blue", Datasource: source,
		Expr: "max by (migration) (changes(crossfade_epoch{" + chosen + "}[1m])) > 0", Step: "1m", TitleFormat: "The ramp moved", TextFormat: "{{migration}}"}}}
}
