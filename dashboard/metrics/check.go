package metrics

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	selector = regexp.MustCompile(`\b(crossfade_[a-z0-9_]+)\s*(\{[^}]*\})?`)
	matcher  = regexp.MustCompile(`([a-zA-Z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// Check finds what is wrong with the series of a Prometheus expression: names
// that no agent exports, labels that they do not have, values that they never
// take. Names in quotes do not count. That the expression is one at all is
// promtool's to say.
func Check(expr string) (bad []string) {
	labels := []string{"instance", "job", "migration"}
	bare := quoted.ReplaceAllString(expr, `""`)
	for _, m := range selector.FindAllStringSubmatch(bare, -1) {
		if _, ok := find(m[1]); !ok {
			bad = append(bad, m[1]+" is not exported")
		}
	}
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		s, ok := find(m[1])
		if !ok {
			continue
		}
		names := append(s.labels(), "instance", "job", "migration")
		if strings.HasSuffix(m[1], "_bucket") {
			names = append(names, "le")
		}
		labels = append(labels, names...)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(names, l[1]) {
				bad = append(bad, fmt.Sprintf("%s has no label %s", m[1], l[1]))
			} else if !s.takes(l[1], l[3]) && (l[2] == "=" || l[2] == "!=") {
				bad = append(bad, fmt.Sprintf("%s never has %s=%q", m[1], l[1], l[3]))
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(bare, -1) {
		for _, l := range strings.Split(m[1], ",") {
			if l = strings.TrimSpace(l); l != "" && !slices.Contains(labels, l) {
				bad = append(bad, "nothing in it has a label "+l)
			}
		}
	}
	return bad
}

// find looks a series up by its name in a query: a histogram has three.
func find(name string) (Series, bool) {
	for _, s := range catalogue {
		if s.Type != Histogram && s.Name == name {
			return s, true
		}
		if s.Type == Histogram && (name == s.Name+"_bucket" || name == s.Name+"_sum" || name == s.Name+"_count") {
			return s, true
		}
	}
	return Series{}, false
}

// takes tells whether a label can have a value. A dashboard's variable stands for
// any.
func (s *Series) takes(name, value string) bool {
	for _, l := range s.Labels {
		if l.Name == name {
			return len(l.Values) == 0 || strings.HasPrefix(value, "$") || slices.Contains(l.Values, value)
		}
	}
	return true
}
