// Package agentapi is what an agent tells the tool that moves the ramp, and
// what the tool may ask of it: an http.Handler and its client.
//
//	h := agentapi.New(layer, agentapi.Options{Name: "web-17", Flags: source, Kinds: kinds, Digest: digest})
//	go http.Serve(listener, h)
//
//	c, err := agentapi.NewClient("127.0.0.1:9311", agentapi.ClientOptions{})
//	status, err := c.Status(ctx) // status.Acknowledged, status.Waiting
//
// It promises that no session id and no data is in any answer, error or
// address: a session that is asked about travels in the body of a POST, and the
// answer has its keyed hash. Whatever changes something is a POST and is
// refused when it comes from another origin. Where a token is set, everything
// below /v1 needs it. Every call of the client is bounded in time and size.
//
// Ready has three states (starting, ready, stopping) and depends on the flags
// alone: not on a store, or a dead one that does not decide would take the
// whole fleet out of service.
package agentapi
