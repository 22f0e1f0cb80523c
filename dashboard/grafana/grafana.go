// Package grafana is the dashboards of Crossfade, as typed Go that writes the JSON
// which Grafana imports: migration.json and agents.json, beside this file.
//
//	data, err := grafana.Migration().JSON()
//
// The types are the parts of Grafana's dashboard schema (version 39, Grafana 11)
// that are used here. A test keeps the files as the code says; another runs every
// query on a real Prometheus, without a fault and with the one that it is for.
package grafana

import (
	"bytes"
	"encoding/json"
)

// Dashboard is one page.
type Dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	SchemaVersion int         `json:"schemaVersion"`
	Version       int         `json:"version"`
	Editable      bool        `json:"editable"`
	GraphTooltip  int         `json:"graphTooltip"` // 1: one cross-hair for all panels
	Refresh       string      `json:"refresh"`
	Time          Time        `json:"time"`
	Templating    Templating  `json:"templating"`
	Annotations   Annotations `json:"annotations"`
	Links         []Link      `json:"links"`
	Panels        []Panel     `json:"panels"`
}

// Time is the range that is shown.
type Time struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Link leads to the other dashboard.
type Link struct {
	Title       string   `json:"title"`
	Type        string   `json:"type"`
	Tags        []string `json:"tags"`
	KeepTime    bool     `json:"keepTime"`
	IncludeVars bool     `json:"includeVars"`
}

// Templating holds the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is chosen by the reader.
type Variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"` // datasource, query or custom
	Query      string      `json:"query"`
	Datasource *Datasource `json:"datasource,omitempty"`
	Refresh    int         `json:"refresh,omitempty"` // 2: when the range changes
	Sort       int         `json:"sort,omitempty"`
	Multi      bool        `json:"multi,omitempty"`
	IncludeAll bool        `json:"includeAll,omitempty"`
	AllValue   string      `json:"allValue,omitempty"`
	Current    *Current    `json:"current,omitempty"`
	Options    []Current   `json:"options,omitempty"`
}

// Current is one value of a variable.
type Current struct {
	Text     string `json:"text"`
	Value    string `json:"value"`
	Selected bool   `json:"selected"`
}

// Annotations are lines over all panels.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Annotation is one kind of them.
type Annotation struct {
	Name        string     `json:"name"`
	Enable      bool       `json:"enable"`
	IconColor   string     `json:"iconColor"`
	Datasource  Datasource `json:"datasource"`
	Expr        string     `json:"expr"`
	Step        string     `json:"step"`
	TitleFormat string     `json:"titleFormat"`
	TextFormat  string     `json:"textFormat"`
}

// Datasource is where a query goes.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Panel is one picture, or the title of a row.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"` // row, stat or timeseries
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	GridPos     GridPos      `json:"gridPos"`
	Datasource  *Datasource  `json:"datasource,omitempty"`
	Targets     []Target     `json:"targets,omitempty"`
	FieldConfig *FieldConfig `json:"fieldConfig,omitempty"`
	Options     *Options     `json:"options,omitempty"`
	Collapsed   *bool        `json:"collapsed,omitempty"`
}

// GridPos places a panel: 24 columns.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Target is one query.
type Target struct {
	RefID        string     `json:"refId"`
	Datasource   Datasource `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat"`
	Instant      bool       `json:"instant,omitempty"`
	Range        bool       `json:"range,omitempty"`
}

// FieldConfig is how values are shown.
type FieldConfig struct {
	Defaults  Defaults `json:"defaults"`
	Overrides []string `json:"overrides"` // none is used
}

// Defaults of all values of a panel.
type Defaults struct {
	Unit       string     `json:"unit"`
	Min        *float64   `json:"min,omitempty"`
	Max        *float64   `json:"max,omitempty"`
	Decimals   *int       `json:"decimals,omitempty"`
	NoValue    string     `json:"noValue,omitempty"`
	Color      Color      `json:"color"`
	Thresholds Thresholds `json:"thresholds"`
}

// Color says where the colour comes from.
type Color struct {
	Mode string `json:"mode"`
}

// Thresholds colour a value.
type Thresholds struct {
	Mode  string `json:"mode"`
	Steps []Step `json:"steps"`
}

// Step begins at its value; the first has none.
type Step struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Options of a stat or a timeseries.
type Options struct {
	ReduceOptions *Reduce  `json:"reduceOptions,omitempty"`
	ColorMode     string   `json:"colorMode,omitempty"`
	TextMode      string   `json:"textMode,omitempty"`
	Legend        *Legend  `json:"legend,omitempty"`
	Tooltip       *Tooltip `json:"tooltip,omitempty"`
}

// Reduce takes one value of a series.
type Reduce struct {
	Calcs []string `json:"calcs"`
}

// Legend of a timeseries.
type Legend struct {
	DisplayMode string   `json:"displayMode"`
	Placement   string   `json:"placement"`
	Calcs       []string `json:"calcs"`
	ShowLegend  bool     `json:"showLegend"`
}

// Tooltip of a timeseries.
type Tooltip struct {
	Mode string `json:"mode"`
	Sort string `json:"sort"`
}

// JSON is what Grafana imports.
func (d Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}
