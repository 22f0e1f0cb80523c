//go:build !brokenrules

package rules

func dropped(Rule) bool { return false }

// Dropped tells whether a rule is switched off: never in this build.
func Dropped(Rule) bool { return false }
