package control

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/migrate/access"
)

const (
	stillEvery   = time.Second // how often it is looked whether the sign-in stands
	commentEvery = 15 * time.Second
	sendMost     = 10 * time.Second
)

// events is the stream of GET /v1/events.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	base := s.base
	s.mu.Unlock()
	if base == nil || base.Err() != nil {
		fail(w, http.StatusServiceUnavailable, "this server is starting or stopping: ask again")
		return
	}
	who := access.From(r.Context())
	x := s.screens.join(who.Name)
	if x == nil {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("too many pages are open already, %d or %d of one person: close some", screensMost, screensOfOne))
		return
	}
	defer s.screens.leave(x)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy in between shall not collect them
	send := sends(w)
	if !send([]byte("retry: 1000\n\n")) {
		return
	}
	still, comment := time.NewTicker(stillEvery), time.NewTicker(commentEvery)
	defer still.Stop()
	defer comment.Stop()
	for ok := true; ok; {
		select {
		case t := <-x.news:
			for _, e := range t.events() {
				ok = ok && send(e.text())
			}
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

// sends makes an answer one that goes on: what is written goes out at once, and
// whoever does not take it within sendMost is given up. ok false: nobody reads.
func sends(w http.ResponseWriter) func(text []byte) (ok bool) {
	c := http.NewResponseController(w)
	c.SetReadDeadline(time.Time{}) // the server's would end the request with it
	return func(text []byte) bool {
		c.SetWriteDeadline(time.Now().Add(sendMost))
		// HTTP/2 ends a stream whose deadline passes, also while nothing is written.
		defer c.SetWriteDeadline(time.Time{})
		_, err := w.Write(text)
		return err == nil && c.Flush() == nil
	}
}

func (e event) text() []byte {
	return bytes.Join([][]byte{[]byte("event: "), []byte(e.name), []byte("\ndata: "), e.data, []byte("\n\n")}, nil)
}
