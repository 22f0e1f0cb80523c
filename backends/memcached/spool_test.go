package memcached

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/backendtest"
)

// TestSpool: blocks come out as they went in, also those that waited in the
// file, where nothing of them can be read.
func TestSpool(t *testing.T) {
	s := newSpool()
	defer s.close()
	text := func(i int) []byte { return bytes.Repeat([]byte(fmt.Sprintf("name%07d\n", i)), 1000) }
	const n = 800 // twice what stays in memory
	for i := range n {
		s.put(text(i))
	}
	if s.size == 0 || s.held > spoolMemory {
		t.Fatalf("%d bytes in the file, %d in memory", s.size, s.held)
	}
	raw := make([]byte, s.size)
	if _, err := s.file.ReadAt(raw, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("name")) {
		t.Error("names can be read in the file")
	}
	boom := errors.New("boom")
	s.end(boom)
	for i := range n {
		got, err := s.next(context.Background())
		if err != nil || !bytes.Equal(got, text(i)) {
			t.Fatalf("block %d: %d bytes that differ, %v", i, len(got), err)
		}
	}
	if _, err := s.next(context.Background()); err != boom {
		t.Errorf("at the end: got %v", err)
	}
}

// TestSlowListing: while a listing is taken slowly the server answers gets of
// everything. (A server that cannot write its listing keeps what it lists
// locked.)
func TestSlowListing(t *testing.T) {
	srv := backendtest.Memcached(t, "-m", "256")
	c, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const n = 100_000
	name := func(i int) string { return fmt.Sprintf("a-name-as-long-as-those-of-sessions-are-%08d", i) }
	w := bufio.NewWriter(c)
	for i := range n {
		fmt.Fprintf(w, "set %s 0 3600 1 noreply\r\nx\r\n", name(i))
	}
	fmt.Fprint(w, "mn\r\n")
	w.Flush()
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	s := New(srv.Addr(), Options{Migration: "test"})
	defer s.Close()
	seen := 0
	err = s.Scan(context.Background(), "", func(names []string) error {
		if seen += len(names); seen > scanBatch {
			return nil
		}
		time.Sleep(200 * time.Millisecond) // the server's buffers would be full
		for from := 0; from < n; from += 1000 {
			ks := make([]backends.Key, 1000)
			for i := range ks {
				ks[i].Name = name(from + i)
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			_, err := s.ReadMany(ctx, ks)
			cancel()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || seen < n {
		t.Errorf("%d of %d listed: %v", seen, n, err)
	}
}
