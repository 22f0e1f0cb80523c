package memcached

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// TestTaken: a call that was left while its data was on its way sends what the
// caller gave, also where he has written over it since.
func TestTaken(t *testing.T) {
	for _, classic := range []bool{false, true} {
		start, got := make(chan struct{}), make(chan string, 1)
		var servers sync.WaitGroup
		s := New("", Options{Classic: classic, Dial: func(context.Context) (net.Conn, error) {
			here, there := net.Pipe() // holds nothing: a write waits for its reader
			servers.Go(func() { slowServer(there, start, got) })
			return here, nil
		}})
		data := []byte(strings.Repeat("late", 20_000))
		var ctx backends.Until
		ctx.Begin(t.Context(), time.Now().Add(100*time.Millisecond))
		err := s.Set(&ctx, backends.Session{Key: key("a"), Data: data})
		u, unknown := backends.IsUnknown(err)
		if !unknown {
			t.Fatalf("classic %v: got %v, want an Unknown", classic, err)
		}
		clear(data)
		close(start)
		if text := <-got; text != strings.Repeat("late", 20_000) {
			t.Errorf("classic %v: the server got %d bytes, and not those of the call", classic, len(text))
		}
		select {
		case <-u.Done():
		case <-time.After(10 * time.Second):
			t.Errorf("classic %v: the late answer has ended no doubt", classic)
		}
		s.Close()
		servers.Wait()
	}
}

// slowServer greets, and takes the data of a set only after start.
func slowServer(nc net.Conn, start <-chan struct{}, got chan<- string) {
	defer nc.Close()
	answers := map[string]string{"mn": "MN\r\n", "version": "VERSION 1.6.18\r\n", "stats": fakeStats, "stats settings": "END\r\n"}
	br := bufio.NewReader(nc)
	for {
		line, err := br.ReadString('\n')
		if err != nil {
			return
		}
		var key string
		var flags, exp, size int
		if n, _ := fmt.Sscanf(line, "set %s %d %d %d", &key, &flags, &exp, &size); n == 4 {
			<-start
			b := make([]byte, size+2)
			if _, err := io.ReadFull(br, b); err != nil {
				return
			}
			got <- string(b[:size])
			io.WriteString(nc, "STORED\r\n")
			continue
		}
		io.WriteString(nc, answers[strings.TrimSpace(line)])
	}
}
