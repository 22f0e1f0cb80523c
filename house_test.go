package crossfade_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/seed-41165957/crossfade"

// house is what its rules look at. The tests of the rules plant violations in
// one of their own.
type house struct {
	packages map[string]*pkg   // by folder, "." is the root
	files    map[string]string // text files by path
}

type pkg struct {
	name    string
	doc     bool                // some file has a package comment
	imports map[string][]string // file: what it imports
}

// floors from the top: an import goes down, or stays on its floor.
var floors = []string{"cmd", "migrate dashboard frontends", "darklaunch", "backends"}

func floor(dir string) int {
	top, _, _ := strings.Cut(dir, "/")
	for i, names := range floors {
		if slices.Contains(strings.Fields(names), top) {
			return i
		}
	}
	return -1
}

// clients of third parties, and the only folder that may import each. One more
// may: another adapter (the book in MySQL), or in its tests a frontend, or the
// matrix of clients: they are for such clients, and tried with them.
var clients = []struct{ prefix, below, also, tests, why string }{
	{"github.com/redis/go-redis", "backends/", "", "frontends/ cmd/crossfade/clientstest/", "a store's client belongs to its adapter: the layer speaks backends.Store"},
	{"github.com/bradfitz/gomemcache", "backends/", "", "frontends/ cmd/crossfade/clientstest/", "a store's client belongs to its adapter: the layer speaks backends.Store"},
	{"github.com/go-sql-driver/mysql", "backends/", "migrate/book/mysql", "", "a store's client belongs to its adapter: the layer speaks backends.Store"},
	{"github.com/open-feature/", "darklaunch/flags", "", "", "the flag is evaluated in one place: elsewhere a flags.Decider is enough"},
}

// arrows finds imports that go up, to a neighbour on the same floor, or to a
// client from where it does not belong; in tests too: a package that needs the
// layer above to be tested is in the wrong place.
func (h *house) arrows() (bad []string) {
	for _, dir := range sortedKeys(h.packages) {
		for _, file := range sortedKeys(h.packages[dir].imports) {
			for _, imp := range h.packages[dir].imports[file] {
				if why := arrow(file, imp); why != "" {
					bad = append(bad, fmt.Sprintf("%s imports %s: %s", file, imp, why))
				}
			}
		}
	}
	return bad
}

func arrow(file, imp string) string {
	dir := path.Dir(file)
	for _, c := range clients {
		tried := strings.HasSuffix(file, "_test.go") && slices.ContainsFunc(strings.Fields(c.tests), func(below string) bool { return strings.HasPrefix(file, below) })
		if c.also != "" && dir == c.also {
			continue
		}
		if strings.HasPrefix(imp, c.prefix) && !tried && !strings.HasPrefix(dir+"/", strings.TrimSuffix(c.below, "/")+"/") {
			return fmt.Sprintf("only %s may: %s", c.below, c.why)
		}
	}
	if dir == "backends" && strings.Contains(imp, ".") && !strings.HasPrefix(imp, module) {
		return "backends itself needs the standard library alone: a program that brings its own store takes on nothing else"
	}
	if !strings.HasPrefix(imp, module+"/") {
		return ""
	}
	target := strings.TrimPrefix(imp, module+"/")
	from, to := floor(dir), floor(target)
	switch {
	case from < 0 || to < 0: // testdata and such are in no floor
		return ""
	case to < from:
		return "imports go cmd → migrate, dashboard, frontends → darklaunch → backends, so that the layer is a library and a store can be had without it"
	case strings.HasSuffix(target, "/binarytest") && !strings.HasSuffix(file, "_test.go"):
		return "only tests may: it holds the whole command, and what tests need"
	case to == from && top(dir) != top(target):
		return "packages of one floor do not know each other: what both need belongs a floor down"
	}
	return ""
}

func top(dir string) string {
	t, _, _ := strings.Cut(dir, "/")
	return t
}

// comments finds packages without a package comment.
func (h *house) comments() (bad []string) {
	for _, dir := range sortedKeys(h.packages) {
		if !h.packages[dir].doc {
			bad = append(bad, dir+": no package comment: say what the package promises, with a small example")
		}
	}
	return bad
}

// names finds packages that are called after nothing.
func (h *house) names() (bad []string) {
	for _, dir := range sortedKeys(h.packages) {
		for _, name := range []string{path.Base(dir), h.packages[dir].name} {
			if slices.Contains([]string{"util", "utils", "common", "base", "helper", "helpers"}, name) {
				bad = append(bad, fmt.Sprintf("%s: a package is named for what it does, not %s: put the helper beside its only user", dir, name))
				break
			}
		}
	}
	return bad
}

// machinePath finds paths that exist on somebody's machine only. What follows a
// letter, a dot or a brace is the end of some other path.
var machinePath = regexp.MustCompile("(?:^|[\\s\"'`=(\\[,:])(/(?:home|root|work|Users|private)/[^\\s\"'`)]+)")

func (h *house) paths() (bad []string) {
	for _, file := range sortedKeys(h.files) {
		for i, line := range strings.Split(h.files[file], "\n") {
			if m := machinePath.FindStringSubmatch(line); m != nil {
				bad = append(bad, fmt.Sprintf("%s:%d: %s: an absolute path of one machine: make it relative, or t.TempDir()", file, i+1, m[1]))
			}
		}
	}
	return bad
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// load reads the house. Test files count for arrows and paths; a folder of
// nothing but tests needs no package comment.
func load(fsys fs.FS) (*house, error) {
	h := &house{packages: map[string]*pkg{}, files: map[string]string{}}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(name, ".") || p == "bin" || p == "state" || name == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !slices.Contains([]string{".go", ".md", ".yaml", ".yml", ".json", ".py", ".sh", ".php", ".js", ".toml", ".mod", ""}, filepath.Ext(name)) || strings.HasPrefix(name, ".") {
			return nil
		}
		text, err := fs.ReadFile(fsys, p)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text[:min(len(text), 512)]), "\x00") {
			h.files[p] = string(text)
		}
		if filepath.Ext(name) == ".go" && !strings.Contains(p, "testdata/") {
			return h.source(p, text)
		}
		return nil
	})
	for _, p := range h.packages {
		onlyTests := !slices.ContainsFunc(sortedKeys(p.imports), func(f string) bool { return !strings.HasSuffix(f, "_test.go") })
		p.doc = p.doc || onlyTests
	}
	return h, err
}

func (h *house) source(p string, text []byte) error {
	f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	dir := path.Dir(p)
	if h.packages[dir] == nil {
		h.packages[dir] = &pkg{imports: map[string][]string{}}
	}
	k := h.packages[dir]
	k.imports[p] = []string{}
	for _, i := range f.Imports {
		imp, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		k.imports[p] = append(k.imports[p], imp)
	}
	if !strings.HasSuffix(p, "_test.go") {
		k.name = f.Name.Name
		k.doc = k.doc || f.Doc != nil && strings.HasPrefix(f.Doc.Text(), "Package ") || f.Doc != nil && f.Name.Name == "main"
	}
	return nil
}

// TestHouse holds this repository to the rules.
func TestHouse(t *testing.T) {
	h, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	if h.packages["backends"] == nil || len(h.packages["backends"].imports) == 0 {
		t.Fatal("the house has no backends: it was not read")
	}
	for _, rule := range []func() []string{h.arrows, h.comments, h.names, h.paths} {
		for _, bad := range rule() {
			t.Error(bad)
		}
	}
}
