package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with the file.
type Problem struct {
	Line int    // from 1
	Path string // such as breaker.failures
	Text string // what was found and what is accepted
}

// ProblemError is everything that is wrong with a file, in its order.
type ProblemError struct {
	File     string
	Problems []Problem
}

func (e *ProblemError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d: ", e.File, p.Line)
		if p.Path != "" {
			lines[i] += p.Path + ": "
		}
		lines[i] += p.Text
	}
	return "config: " + strings.Join(lines, "\n")
}

// Load reads and checks a file.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w: make one with crossfade init", err)
	}
	return Parse(path, data)
}

// Parse is Load of bytes; name is what errors call the file.
func Parse(name string, data []byte) (*Config, error) {
	c, problems := decode(data)
	if len(problems) == 0 {
		problems = c.validate()
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
		return nil, &ProblemError{File: name, Problems: problems}
	}
	return &c.Config, nil
}

// located is a Config that knows on which line each key stands.
type located struct {
	Config
	lines map[string]int
}

func decode(data []byte) (*located, []Problem) {
	c := &located{Config: Default(), lines: map[string]int{}}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return nil, yamlProblems(err)
	}
	if len(root.Content) == 0 {
		return nil, []Problem{{1, "", "the file is empty: make one with crossfade init"}}
	}
	problems := c.walk(root.Content[0], reflect.TypeFor[Config](), "")
	dec := yaml.NewDecoder(bytes.NewReader(data))
	// walk has found unknown keys and said what is accepted; without them the
	// decoder is told to find them too, should the two ever disagree.
	dec.KnownFields(len(problems) == 0)
	if err := dec.Decode(&c.Config); err != nil {
		problems = append(problems, yamlProblems(err)...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if c.Agent.Name == "" {
		c.Agent.Name, _ = os.Hostname()
	}
	if c.Server.Name == "" {
		c.Server.Name, _ = os.Hostname()
	}
	c.fill()
	return c, nil
}

// fill puts in the defaults of what Default cannot hold.
func (c *located) fill() { c.Old, c.New = filled(c.Old), filled(c.New) }

// filled is a copy of s with its defaults; s itself is left alone.
func filled(s Store) Store {
	if s.Memcached != nil {
		m := *s.Memcached
		m.Hash = cmp.Or(m.Hash, DefaultHash)
		s.Memcached = &m
	}
	if s.MySQL != nil {
		m := *s.MySQL
		m.fill()
		s.MySQL = &m
	}
	if s.Hybrid != nil {
		h := *s.Hybrid
		h.Memcached.Hash = cmp.Or(h.Memcached.Hash, DefaultHash)
		h.SyncEvery = cmp.Or(h.SyncEvery, DefaultSyncEvery)
		h.Reap.Batch, h.Reap.Pause = cmp.Or(h.Reap.Batch, DefaultReapBatch), cmp.Or(h.Reap.Pause, DefaultReapPause)
		h.MySQL.fill()
		s.Hybrid = &h
	}
	return s
}

func (m *MySQL) fill() {
	m.Table = cmp.Or(m.Table, DefaultTable)
	m.OwnTable = cmp.Or(m.OwnTable, DefaultOwnTable)
	if m.Columns == (MySQLColumns{}) {
		m.Preset = cmp.Or(m.Preset, DefaultPreset)
	}
	m.Writes = cmp.Or(m.Writes, DefaultWrites)
	m.SyncWait = cmp.Or(m.SyncWait, DefaultSyncWait)
}

var unmarshaler = reflect.TypeFor[yaml.Unmarshaler]()

// walk notes the line of each key and finds those that t does not have.
func (c *located) walk(n *yaml.Node, t reflect.Type, path string) (ps []Problem) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if c.lines[path] == 0 {
		c.lines[path] = n.Line
	}
	switch {
	case reflect.PointerTo(t).Implements(unmarshaler):
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for i, item := range n.Content {
			ps = append(ps, c.walk(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))...)
		}
	case t.Kind() == reflect.Struct && n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, at := n.Content[i], n.Content[i].Value
			if path != "" {
				at = path + "." + at
			}
			field, accepted := fieldOf(t, key.Value)
			if field == nil {
				ps = append(ps, Problem{key.Line, at, "unknown key: accepted are " + strings.Join(accepted, ", ")})
				continue
			}
			c.lines[at] = key.Line
			ps = append(ps, c.walk(n.Content[i+1], field, at)...)
		}
	}
	return ps
}

func fieldOf(t reflect.Type, key string) (reflect.Type, []string) {
	var names []string
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		if name == key {
			return t.Field(i).Type, nil
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		names = []string{"none: write {}"}
	}
	return nil, names
}

// lineOf is the line of a key, or of the nearest that holds it.
func (c *located) lineOf(path string) int {
	for path != "" {
		if l := c.lines[path]; l > 0 {
			return l
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// yamlProblems takes yaml's errors apart into lines.
func yamlProblems(err error) (ps []Problem) {
	texts := []string{err.Error()}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		texts = te.Errors
	}
	for _, text := range texts {
		p := Problem{Line: 1, Text: text}
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			p.Line, _ = strconv.Atoi(m[1])
			p.Text = m[2]
		}
		ps = append(ps, p)
	}
	return ps
}
