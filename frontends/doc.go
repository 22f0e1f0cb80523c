// Package frontends is what clients connect to: it accepts connections, bounds
// what each may cost, and hands the bytes to a protocol (the packages memcached
// and redis), which calls Sessions. Nothing here knows of stores or of stages.
//
// It promises that
//   - a failure is never answered as a miss: what Sessions returns as an error
//     is the protocol's error;
//   - answers come in the order of the commands, and are sent as soon as the
//     server would have to wait for more input, not before;
//   - a connection at rest costs a 4 KiB buffer, and one in use is bounded by
//     Options, whatever the client sends, or does not read;
//   - no id, key or data is in an error text.
//
// One program may have several servers, and one server several listeners:
//
//	srv := memcached.New(layer, memcached.Options{})
//	l, err := frontends.Listen(ctx, "127.0.0.1:11311", frontends.ListenOptions{})
//	go func() { served <- srv.Serve(ctx, l) }()
//	…
//	err = srv.Shutdown(drain) // commands under way are finished
//	err = <-served
package frontends
