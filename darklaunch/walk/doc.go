// Package walk drives the real rules of package rules through every order in
// which answers, errors, timeouts, late calls, other clients' operations,
// revisions, copies, repairs and crashes can come, and checks the promises
// after each step.
//
//	r, err := walk.Run(ctx, walk.Config{Name: "fenced to read-new", Path: path, Ops: 4, ...}, walk.Options{})
//	fmt.Println(r.States, r.Violation) // nil: every promise held
//
// The model has one session, two stores, two agents that take each revision at
// their own time, two clients at once, a copier, and calls that were given up
// and may still arrive. A call to a store takes effect at one instant. What is
// modelled beside the rules (the stores, the agent's memory, the steps of a
// ramp) is in this package; what is decided is not: it is asked of rules.
//
// A state is one small comparable value. States are told apart by a 64-bit hash
// of it: among 100 million the chance that two share one is about 0.03 %.
package walk
