// Package rules decides what happens to one operation on one session: which
// store is asked first, what a miss, an error or a timeout leads to, what the
// client is told, and what is to be done afterwards. It is the only place that
// decides it.
//
// A Machine is one operation on its way. It does no I/O, starts no goroutine
// and knows no clock: the host (the driver in darklaunch, or the walk that
// proves the rules) makes the calls it asks for and gives it the answers.
//
//	m := rules.Start(rules.Get, position.ReadNew, rules.Env{})
//	for m.Running() {
//		for i, c := range m.Calls() { // both are made at the same time
//			m.Answer(i, ask(c))
//		}
//		apply(m.TakeEffects())
//	}
//	reply(m.Reply())
//
// A Machine is a small value without pointers, so that a state of the walk can
// hold several. What is read from the stores (sessions, tokens) stays with the
// host, in one register for each store.
package rules
