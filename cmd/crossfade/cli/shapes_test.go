package cli

import (
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/darklaunch/evidence"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/account"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/audit"
	"github.com/seed-41165957/crossfade/migrate/control"
)

var update = flag.Bool("update", false, "write docs/json.md")

// shape is what a verb prints with --json: one value of one of these types. None:
// it prints nothing there, for the reason in note.
type shape struct {
	types []reflect.Type
	note  string
}

func of(values ...any) (s shape) {
	for _, v := range values {
		s.types = append(s.types, reflect.TypeOf(v))
	}
	return s
}

func (s shape) but(note string) shape { s.note = note; return s }

// shapes are by the verb's path, without crossfade. A verb that only holds others
// prints its help.
var shapes = map[string]shape{
	"agent":            shape{}.but("its log is JSON, on standard error"),
	"server":           shape{}.but("its log is JSON, on standard error"),
	"advance":          of(control.Advanced{}, done{}).but("`done` with `--auto` and `--by-hand`"),
	"agents forget":    of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"agents list":      of([]control.Member{}),
	"audit":            of([]audit.Entry{}, audit.Checked{}).but("`audit.Checked` with `--verify`"),
	"backfill":         of(migrate.Report{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"backfill cancel":  of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"backfill hold":    of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"backfill release": of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"backfill start":   of(migrate.Report{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"backfill status":  of(migrate.JobState{}),
	"bypass":           of(migrate.Bypass{}),
	"check":            of([]row{}),
	"complete":         of(completed{}),
	"declare-down":     of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"demo":             of(verdict{}),
	"divergences":      of(map[string][]agentapi.Divergence{}).but("by the agent's name"),
	"explain":          of(control.Explained{}),
	"flags export":     shape{}.but("the flag set itself, flagd's JSON, with `--json` or without: [flags.md](flags.md)"),
	"hold":             of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"init":             of(inited{}),
	"man":              of(done{}),
	"observe":          of(migrate.Observation{}),
	"pin":              of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"plan lint":        of(linted{}),
	"plan show":        of(control.PlanView{}, planText{}).but("`planText` with `--yaml`"),
	"prove":            of(proof{}),
	"ramp":             of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"reap":             of(hybrid.Reaped{}),
	"recover":          of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"release":          of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"repair":           of(migrate.RepairReport{}),
	"repair undo":      of(migrate.UndoReport{}),
	"report":           of(account.Account{}),
	"rollback":         of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"status":           of(migrate.Overview{}).but("with `-w` one each second"),
	"support-bundle":   of(bundled{}),
	"unpin":            of(migrate.Result{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"users add":        of(done{}),
	"users list":       of([]userView{}),
	"users password":   of(done{}),
	"users remove":     of(done{}),
	"users role":       of(done{}),
	"users token":      of(madeToken{}, done{}).but("`done` with `--revoke`"),
	"verify":           of(migrate.Report{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"verify cancel":    of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"verify hold":      of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"verify release":   of(done{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"verify start":     of(migrate.Report{}, migrate.Plan{}).but("`migrate.Plan` with `--dry-run`"),
	"verify status":    of(migrate.JobState{}),
}

// leaves are the verbs that do something, by path.
func leaves() map[string]*cobra.Command {
	out := map[string]*cobra.Command{}
	a := &app{}
	var each func(cmd *cobra.Command, path string)
	each = func(cmd *cobra.Command, path string) {
		// A verb with sub-verbs that asks for no argument of its own only shows
		// its help, but for jobs and repair.
		if !cmd.HasSubCommands() || slices.Contains([]string{"backfill", "verify", "repair"}, path) {
			out[path] = cmd
		}
		for _, sub := range cmd.Commands() {
			each(sub, path+" "+sub.Name())
		}
	}
	for _, v := range verbs {
		cmd := v(a)
		each(cmd, cmd.Name())
	}
	return out
}

// typeName is how a type is named in the docs.
func typeName(t reflect.Type) string {
	return strings.TrimPrefix(t.String(), "cli.")
}

// jsonText is the kind of JSON value that a type is written as; "" where it is an
// object with fields of its own.
func jsonText(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case t == reflect.TypeFor[json.RawMessage]():
		return "any"
	case t == reflect.TypeFor[evidence.Histogram]():
		return "histogram"
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "bool"
	case reflect.String:
		return "text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "any"
	}
	return ""
}

// words are a type for a reader.
func typeWords(t reflect.Type) string {
	if w := jsonText(t); w != "" {
		return w
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeWords(t.Elem())
	case reflect.Slice, reflect.Array:
		return "list of " + typeWords(t.Elem())
	case reflect.Map:
		return "object of " + typeWords(t.Elem()) + ", by text"
	}
	return typeName(t)
}

// field is one of an object.
type field struct {
	name   string
	t      reflect.Type
	absent bool // where it is empty
}

// fieldsOf are the fields of a struct as encoding/json writes them.
func fieldsOf(t reflect.Type) (fs []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" {
			in := f.Type
			if in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			for _, g := range fieldsOf(in) {
				// What stands outside hides what is embedded.
				if !slices.ContainsFunc(fs, func(h field) bool { return h.name == g.name }) {
					fs = append(fs, g)
				}
			}
			continue
		}
		if !f.IsExported() || tag == "-" {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		fs = slices.DeleteFunc(fs, func(h field) bool { return h.name == tag })
		fs = append(fs, field{tag, f.Type, strings.Contains(options, "omit")})
	}
	return fs
}

// structs adds a type's own structs, and those in it.
func structs(t reflect.Type, all map[string]reflect.Type) {
	if jsonText(t) != "" {
		return
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		structs(t.Elem(), all)
	case reflect.Struct:
		if all[typeName(t)] != nil {
			return
		}
		all[typeName(t)] = t
		for _, f := range fieldsOf(t) {
			structs(f.t, all)
		}
	}
}

// jsonPage is docs/json.md.
func jsonPage() string {
	var b strings.Builder
	b.WriteString(`# What --json prints

With ` + "`--json`" + ` a verb prints one JSON value on standard output, and nothing else there: what the table says or, where it fails before that,
` + "`failed`" + `. The [exit code](../README.md) says what came of it. Fields are added; those that are here keep their names and meaning. What a list or
an object has none of may be ` + "`null`" + `. Written by ` + "`go test ./cmd/crossfade/cli -run JSONPage -update`" + ` from the types; a test holds it to them, and to what
the verbs print.

| verb | prints |
| --- | --- |
`)
	all := map[string]reflect.Type{}
	structs(reflect.TypeFor[failed](), all)
	for _, path := range sortedShapes() {
		s := shapes[path]
		var names []string
		for _, t := range s.types {
			structs(t, all)
			names = append(names, "`"+typeWords(t)+"`")
		}
		text := strings.Join(names, ", ")
		if s.note != "" {
			if text != "" {
				text += "; "
			}
			text += s.note
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", path, text)
	}
	b.WriteString("\n`time` is a text, RFC 3339; `nanoseconds` an integer. A field with `?` is absent where it is empty.\n")
	var names []string
	for n := range all {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		fmt.Fprintf(&b, "\n## %s\n\n", n)
		for _, f := range fieldsOf(all[n]) {
			mark := ""
			if f.absent {
				mark = "?"
			}
			fmt.Fprintf(&b, "- `%s`%s: %s\n", f.name, mark, typeWords(f.t))
		}
	}
	return b.String()
}

func sortedShapes() (paths []string) {
	for p := range shapes {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// TestJSONPage: docs/json.md says what the types say, of every verb.
func TestJSONPage(t *testing.T) {
	all := leaves()
	for path := range all {
		if _, ok := shapes[path]; !ok {
			t.Errorf("crossfade %s: its shape is missing here", path)
		}
	}
	for path, s := range shapes {
		if all[path] == nil {
			t.Errorf("crossfade %s: no such verb", path)
		}
		if len(s.types) == 0 && s.note == "" {
			t.Errorf("crossfade %s prints nothing, for no reason", path)
		}
	}
	const page = "../../../docs/json.md"
	want := jsonPage()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != want {
		t.Errorf("docs/json.md is not what the types say (%v): go test ./cmd/crossfade/cli -run JSONPage -update", err)
	}
}

// conforms says where a JSON value is not of a type; "" where it is.
func conforms(t reflect.Type, v any, at string) string {
	if t.Kind() == reflect.Pointer && jsonText(t) == "" {
		if v == nil {
			return ""
		}
		return conforms(t.Elem(), v, at)
	}
	bad := fmt.Sprintf("%s: %v (%T) is no %s", at, v, v, typeWords(t))
	switch jsonText(t) {
	case "any", "histogram":
		return ""
	case "bool":
		if _, ok := v.(bool); !ok {
			return bad
		}
		return ""
	case "text":
		if _, ok := v.(string); !ok {
			return bad
		}
		return ""
	case "time":
		if s, ok := v.(string); !ok {
			return bad
		} else if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			return bad
		}
		return ""
	case "integer", "nanoseconds":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			return bad
		}
		return ""
	case "number":
		if _, ok := v.(float64); !ok {
			return bad
		}
		return ""
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		items, ok := v.([]any)
		if !ok && v != nil {
			return bad
		}
		for i, item := range items {
			if s := conforms(t.Elem(), item, fmt.Sprintf("%s[%d]", at, i)); s != "" {
				return s
			}
		}
	case reflect.Map:
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return bad
		}
		for k, item := range m {
			if s := conforms(t.Elem(), item, at+"."+k); s != "" {
				return s
			}
		}
	case reflect.Struct:
		m, ok := v.(map[string]any)
		if !ok {
			return bad
		}
		known := map[string]bool{}
		for _, f := range fieldsOf(t) {
			known[f.name] = true
			item, there := m[f.name]
			if !there && !f.absent {
				return at + "." + f.name + " is missing"
			}
			if there {
				if s := conforms(f.t, item, at+"."+f.name); s != "" {
					return s
				}
			}
		}
		for k := range m {
			if !known[k] {
				return at + "." + k + " is in no list of fields"
			}
		}
	default:
		return bad
	}
	return ""
}

// TestConforms: the judge of the others can say no.
func TestConforms(t *testing.T) {
	for text, want := range map[string]bool{
		`{"name":"a","ok":true,"found":"","want":""}`:            true,
		`{"name":"a","ok":true,"found":"","want":"","mend":"x"}`: true,
		`{"name":"a","ok":true,"found":""}`:                      false,
		`{"name":"a","ok":"true","found":"","want":""}`:          false,
		`{"name":"a","ok":true,"found":"","want":"","more":1}`:   false,
		`[]`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if got := conforms(reflect.TypeFor[row](), v, ""); (got == "") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	if fs := fieldsOf(reflect.TypeFor[completed]()); !slices.ContainsFunc(fs, func(f field) bool { return f.name == "ini" }) || len(fs) < 5 {
		t.Errorf("what is embedded is left out: %v", fs)
	}
}
