// Package darklaunch is the session layer over two stores: old, which sessions
// leave, and new, which they move to. For each operation it asks the flags in
// which position the session is, and package rules what follows; it makes the
// store calls, each with a deadline, and does what is left to do after the
// answer (mirror, compare, repair) in its own time.
//
//	layer, err := darklaunch.New(darklaunch.Options{
//		Migration: "sessions", Kinds: kinds, Flags: source, Hasher: hasher,
//		Old: darklaunch.Store{Store: old}, New: darklaunch.Store{Store: new},
//	})
//	go layer.Run(ctx)
//	door := layer.Door("library")
//	ref, ok := door.ResolveString("PHPREDIS_SESSION:q9pr2r6v3vsl9c1n2v3hm1b7gd")
//	s, found, err := door.Get(ctx, ref)
//
// It promises what the rules promise; what it adds is that they are followed:
// one write of a session at a time inside an agent, queues that are bounded, no
// call without a deadline, and an acknowledgement of a revision that is given
// only when nothing older is running, queued, unknown or locked.
package darklaunch
