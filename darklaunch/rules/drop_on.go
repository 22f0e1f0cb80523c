//go:build brokenrules

package rules

var droppedRule Rule

func dropped(r Rule) bool { return r == droppedRule }

// Dropped tells whether a rule is switched off. This build exists for the
// test that proves the walk; it must never serve a client.
func Dropped(r Rule) bool { return dropped(r) }

// Drop switches one rule off, and all others on.
func Drop(r Rule) { droppedRule = r }
