package control

import "sync"

const (
	// screensMost streams are open at one time, and screensOfOne of them of one
	// person: each costs a goroutine and the events that its reader has not taken,
	// and nobody shall keep all others out.
	screensMost, screensOfOne = 256, 32
	// unreadMost events wait for a slow reader; what comes after them is not sent to
	// it: it asks for the series again.
	unreadMost = 16
)

// event is one of a stream.
type event struct {
	name string
	data []byte // one line
}

// screens are the streams that are open. Whoever tells them something waits for
// none of them.
type screens struct {
	wake chan struct{} // somebody has come

	mu   sync.Mutex // guards what follows
	open map[*screen]bool
	by   map[string]int // how many of each person; without a name: of all that have none
	last told           // nothing in it: nobody was here to be told
}

// told is a status, and what has changed in it since but for what is long; each
// may be nil. The second says nothing without the first, or one before it.
type told struct{ status, now []byte }

// screen is one stream: the newest of the status, since older ones say nothing
// more, and the rest in its order.
type screen struct {
	who  string
	rest chan event
	news chan told // of one
}

func newScreens() *screens {
	return &screens{wake: make(chan struct{}, 1), open: map[*screen]bool{}, by: map[string]int{}}
}

// join is a new stream of somebody; nil: there are too many.
func (s *screens) join(who string) *screen {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= screensMost || who != "" && s.by[who] >= screensOfOne {
		return nil
	}
	x := &screen{who: who, rest: make(chan event, unreadMost), news: make(chan told, 1)}
	if s.last.status != nil {
		x.news <- s.last
	}
	s.open[x] = true
	s.by[who]++
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return x
}

func (s *screens) leave(x *screen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, x)
	if s.by[x.who]--; s.by[x.who] == 0 {
		delete(s.by, x.who)
	}
	if len(s.open) == 0 {
		s.last = told{} // nobody looks any more: it grows old
	}
}

func (s *screens) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) > 0
}

// fresh tells whether nothing was told since the first came.
func (s *screens) fresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.status == nil
}

// tell puts an event into each stream that has room.
func (s *screens) tell(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.open {
		select {
		case x.rest <- e:
		default: // slow
		}
	}
}

// now puts a status, or what has changed in the last one, in the place of what
// each stream has not sent yet.
func (s *screens) now(t told) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return
	}
	s.last = s.last.then(t)
	for x := range s.open {
		unsent := told{}
		select {
		case unsent = <-x.news:
		default:
		}
		x.news <- unsent.then(t) // room was made, and only this sends
	}
}

// then is what is left to say of two that were to be said one after the other.
func (t told) then(next told) told {
	if next.status == nil {
		next.status = t.status
	}
	return next
}

// events are what is to be sent of it, in its order.
func (t told) events() (es []event) {
	if t.status != nil {
		es = append(es, event{"status", t.status})
	}
	if t.now != nil {
		es = append(es, event{"now", t.now})
	}
	return es
}
