package darklaunch

import "errors"

// ErrNotReady is returned while no revision of the flags is known: whether the
// session lives in old or in new cannot be told, so nobody is served.
var ErrNotReady = errors.New("darklaunch: no revision of the flags is known yet: see the agent's readiness for why")

// ErrStopped is returned once the fleet has gone on without this agent: it
// missed a revision while it ran, or the roster does not name it. What it would
// decide is not known to fit what others do, so nobody is served until the agent
// is started anew.
var ErrStopped = errors.New("darklaunch: the fleet has gone on without this agent: start it anew; crossfade agents says whether it is still one of the fleet")

// ErrUnavailable is returned where no store that could say so was reached, or
// where a write is not surely kept. It never means that a session is missing.
var ErrUnavailable = errors.New("darklaunch: the store that decides did not answer")

// ErrNoSession is returned for the zero Ref: the client's name is that of no
// kind of session.
var ErrNoSession = errors.New("darklaunch: the name is that of no kind of session: see sessions in the configuration")
