package darklaunch

import "errors"

// ErrNotReady is returned while no revision of the flags is known: whether the
// session lives in old or in new cannot be told, so nobody is served.
var ErrNotReady = errors.New("darklaunch: no revision of the flags is known yet: see the agent's readiness for why")

// ErrUnavailable is returned where no store that could say so was reached, or
// where a write is not surely kept. It never means that a session is missing.
var ErrUnavailable = errors.New("darklaunch: the store that decides did not answer")

// ErrNoSession is returned for the zero Ref: the client's name is that of no
// kind of session.
var ErrNoSession = errors.New("darklaunch: the name is that of no kind of session: see sessions in the configuration")
