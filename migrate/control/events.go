package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/migrate/access"
)

const (
	// screensMost streams are open at one time; each costs a goroutine and the
	// events that its reader has not taken.
	screensMost = 256
	// unreadMost events wait for a slow reader; what comes after them is not sent to
	// it: it asks for the series again.
	unreadMost   = 16
	statusEvery  = time.Second
	stillEvery   = time.Second // how often it is looked whether the sign-in stands
	commentEvery = 15 * time.Second
	sendMost     = 10 * time.Second
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

	mu     sync.Mutex // guards what follows
	open   map[*screen]bool
	status []byte // the last; nil: nobody was here to be told
}

// screen is one stream: the newest status, since older ones say nothing more,
// and the rest in its order.
type screen struct {
	rest   chan event
	status chan []byte // of one
}

func newScreens() *screens {
	return &screens{wake: make(chan struct{}, 1), open: map[*screen]bool{}}
}

// join is a new stream; nil: there are too many.
func (s *screens) join() *screen {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= screensMost {
		return nil
	}
	x := &screen{rest: make(chan event, unreadMost), status: make(chan []byte, 1)}
	if s.status != nil {
		x.status <- s.status
	}
	s.open[x] = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return x
}

func (s *screens) leave(x *screen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.open, x); len(s.open) == 0 {
		s.status = nil // nobody looks any more: it grows old
	}
}

func (s *screens) any() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open) > 0
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

// now puts a status in the place of the one that each stream has not sent yet.
func (s *screens) now(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		return
	}
	s.status = data
	for x := range s.open {
		select {
		case <-x.status:
		default:
		}
		x.status <- data // room was made, and only this sends
	}
}

// show looks once a second for all who watch, and tells them what has changed.
func (s *Server) show(ctx context.Context) {
	said := ""
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.screens.wake:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if !s.screens.any() {
			said = ""
			continue
		}
		o, err := s.overview(ctx)
		if err != nil {
			continue // what was shown stays, and the page sees that nothing comes
		}
		data, err := json.Marshal(o)
		if now := essence(o); err == nil && (now != said || s.screens.fresh()) {
			said = now
			s.screens.now(data)
		}
	}
}

// fresh tells whether nothing was told since the first came.
func (s *screens) fresh() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status == nil
}

// essence is what has to differ for a status to be told again: clocks run on
// without anything having changed.
func essence(o Overview) string {
	agents := o.Agents
	o.Agents = append(o.Agents[:0:0], agents...)
	for i, a := range o.Agents {
		if a.Status != nil {
			st := *a.Status
			st.Now, st.Uptime, st.FlagsContact, st.Notes, st.MirrorLag = time.Time{}, 0, time.Time{}, nil, 0
			o.Agents[i].Status = &st
		}
	}
	o.Logouts.IdleAge = 0
	if o.Plan != nil {
		v := *o.Plan
		v.At = time.Time{}
		if v.RollbackLeft != nil {
			left := v.RollbackLeft.Truncate(time.Minute)
			v.RollbackLeft = &left
		}
		o.Plan = &v
	}
	b, _ := json.Marshal(o)
	return string(b)
}

// events is the stream of GET /v1/events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	if base == nil || base.Err() != nil {
		fail(w, http.StatusServiceUnavailable, "this server is starting or stopping: ask again")
		return
	}
	x := s.screens.join()
	if x == nil {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d pages are open already: close some", screensMost))
		return
	}
	defer s.screens.leave(x)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy in between shall not collect them
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // the server's would end the request with it
	send := func(text []byte) bool {
		c.SetWriteDeadline(time.Now().Add(sendMost))
		_, err := w.Write(text)
		return err == nil && c.Flush() == nil
	}
	if !send([]byte("retry: 1000\n\n")) {
		return
	}
	who := access.From(r.Context())
	still, comment := time.NewTicker(stillEvery), time.NewTicker(commentEvery)
	defer still.Stop()
	defer comment.Stop()
	for ok := true; ok; {
		select {
		case data := <-x.status:
			ok = send(event{"status", data}.text())
		case e := <-x.rest:
			ok = send(e.text())
		case <-comment.C:
			ok = send([]byte(": here\n\n"))
		case <-still.C:
			if !s.desk.Still(who, access.Viewer) {
				send(event{"signed-out", []byte("{}")}.text())
				return
			}
		case <-base.Done():
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (e event) text() []byte {
	return bytes.Join([][]byte{[]byte("event: "), []byte(e.name), []byte("\ndata: "), e.data, []byte("\n\n")}, nil)
}
