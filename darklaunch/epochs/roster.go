package epochs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Life is one life of one agent. Of two processes under one name only one is
// waited for: which, its start id says.
type Life struct {
	Name string `json:"name"`
	// Start is the life's start id. Empty, in notes of version 1: any life.
	Start string `json:"start"`
}

// Names are those of a roster.
func Names(roster []Life) []string {
	names := make([]string, len(roster))
	for i, a := range roster {
		names[i] = a.Name
	}
	return names
}

// Lists tells whether the roster of a note names an agent by one of these lives:
// its own, or one that it follows in its own state folder, and which is over for
// that reason. True where the note has no roster, or one of names alone. A life
// that another process under this name has taken the place of is not listed:
// nobody waits for it.
func (n *Note) Lists(agent string, lives []string) bool {
	return n.Agents == nil || slices.ContainsFunc(n.Agents, func(a Life) bool {
		return a.Name == agent && (a.Start == "" || slices.Contains(lives, a.Start))
	})
}

// Life is the life under which a roster lists an agent; empty: under none, or by
// its name alone.
func (n *Note) Life(agent string) string {
	for _, a := range n.Agents {
		if a.Name == agent {
			return a.Start
		}
	}
	return ""
}

// roster fills in who a step waits for. One that does not know all lives is
// written as names.
func (w *wire) roster(agents []Life) error {
	all := append([]Life{}, agents...) // [] is written as [], not as null
	slices.SortFunc(all, func(a, b Life) int { return cmp.Compare(a.Name, b.Name) })
	if len(all) > 0 && !slices.ContainsFunc(all, func(a Life) bool { return a.Start == "" }) {
		w.Version, w.Lives = version, &all
	} else {
		names := Names(all)
		w.Agents = &names
	}
	_, err := w.agents()
	return err
}

// agents is the roster of either version, checked.
func (w *wire) agents() ([]Life, error) {
	var all []Life
	switch {
	case w.Lives != nil && w.Agents != nil, w.Lives != nil != (w.Version == version):
		return nil, errors.New("epochs: roster: accepted are lives in version 2, names in version 1")
	case w.Lives != nil:
		all = append([]Life{}, *w.Lives...)
	case w.Agents != nil:
		all = make([]Life, len(*w.Agents))
		for i, name := range *w.Agents {
			all[i].Name = name
		}
	}
	if len(all) > RosterMost {
		return nil, fmt.Errorf("epochs: a roster of %d agents: at most %d", len(all), RosterMost)
	}
	for i, a := range all {
		if a.Name == "" || len(a.Name) > 64 || i > 0 && all[i-1].Name >= a.Name {
			return nil, fmt.Errorf("epochs: roster: %.64q: accepted are names of 1 to 64 bytes, in order, each once", a.Name)
		}
		if w.Lives != nil && !startID.MatchString(a.Start) {
			return nil, fmt.Errorf("epochs: roster: %.64q: %.32q is no start id", a.Name, a.Start)
		}
	}
	return all, nil
}
