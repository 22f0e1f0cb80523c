package memcached

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/seed-41165957/crossfade/backends"
)

// errNoList is returned by Scan where the server has no lru_crawler metadump
// (before 1.4.31, started with -o no_lru_crawler, a proxy).
var errNoList = fmt.Errorf("memcached: the keys of this server cannot be listed; it needs lru_crawler metadump: %w", backends.ErrUnlisted)

// errBusyList says that another listing is under way.
var errBusyList = errors.New("memcached: the server is busy with another listing")

const (
	scanBatch = 512
	scanWait  = 50 * time.Millisecond // between tries while the server is busy
	scanTries = 100
)

// Scan implements backends.Scanner, on a connection of its own, in constant
// memory (spool), and never slower than the server lists. A server lists for one client at a time: for another Scan this one
// waits up to five seconds.
func (s *Store) Scan(ctx context.Context, prefix string, fn func(names []string) error) error {
	// The walk of the hash table misses nothing that stands; that of the LRU
	// lists, all that older servers have, may miss what moves between them.
	for _, what := range []string{"hash", "all"} {
		for range scanTries {
			err := s.scan(ctx, what, prefix, fn)
			if errors.Is(err, errNoList) {
				break
			}
			if !errors.Is(err, errBusyList) {
				return err
			}
			t := time.NewTimer(scanWait)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
				return fmt.Errorf("memcached: scan: %w", ctx.Err())
			}
		}
	}
	return errNoList
}

// scan is one try. errBusyList and errNoList come before fn was called.
func (s *Store) scan(ctx context.Context, what, prefix string, fn func([]string) error) (err error) {
	if s.done.Load() {
		return backends.ErrClosed
	}
	dctx, cancel := context.WithTimeout(ctx, s.opts.DialTimeout)
	nc, br, err := s.open(dctx)
	cancel()
	if err != nil {
		return err
	}
	s.scans.Add(1)
	defer s.scans.Add(-1)
	defer nc.Close()
	t, _ := ctx.Deadline()
	nc.SetDeadline(t)
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.pool.Context(), cancel)()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	if _, err := fmt.Fprintf(nc, "lru_crawler metadump %s\r\n", what); err != nil {
		return fmt.Errorf("memcached: scan: %w", ended(ctx, err))
	}
	line, err := br.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("memcached: scan: %w", ended(ctx, err))
	}
	sp := newSpool()
	var wg sync.WaitGroup
	defer sp.close()
	defer wg.Wait()
	defer nc.Close()
	if _, end, err := dumpLine(line, true); err != nil || end {
		return err
	}
	wg.Go(func() { sp.end(listed(ctx, br, line, sp)) })
	for {
		data, err := sp.next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("memcached: scan: %w", err)
		}
		names, err := namesIn(data, prefix)
		if err != nil {
			return err
		}
		if len(names) > 0 {
			if err := fn(names); err != nil {
				return err
			}
		}
	}
}

// listed reads a listing as fast as it comes, and puts it into the spool, a
// name as the server wrote it and a line feed each.
func listed(ctx context.Context, br *bufio.Reader, line []byte, sp *spool) error {
	var data []byte
	for n := 1; ; n++ {
		rest, ok := bytes.CutPrefix(line, []byte("key="))
		if ok {
			key, _ := word(bytes.TrimRight(rest, "\r\n"))
			data = append(append(data, key...), '\n')
		}
		if !ok || n%scanBatch == 0 {
			if len(data) > 0 {
				sp.put(data)
			}
			data = nil
		}
		if !ok {
			_, _, err := dumpLine(line, false) // END, or none of ours
			return err
		}
		var err error
		if line, err = br.ReadSlice('\n'); err != nil {
			return ended(ctx, err)
		}
	}
}

// namesIn are the names in a block of the spool that begin with prefix.
func namesIn(data []byte, prefix string) ([]string, error) {
	names := make([]string, 0, scanBatch)
	for key := range bytes.Lines(data) {
		name, err := url.PathUnescape(string(key[:len(key)-1]))
		if err != nil || name == "" {
			return nil, errProtocol
		}
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	return names, nil
}

// dumpLine reads one line of the listing: "key=K exp=..." with K URL-encoded,
// and END at the end. first tells whether it is the first, where the server may
// say no instead.
func dumpLine(line []byte, first bool) (name string, end bool, err error) {
	line = bytes.TrimRight(line, "\r\n")
	if rest, ok := bytes.CutPrefix(line, []byte("key=")); ok {
		key, _ := word(rest)
		name, err := url.PathUnescape(string(key))
		if err != nil || name == "" {
			return "", false, errProtocol
		}
		return name, false, nil
	}
	switch text := string(line); {
	case text == "END":
		return "", true, nil
	case first && strings.HasPrefix(text, "BUSY"):
		return "", false, errBusyList
	case first && (strings.HasPrefix(text, "ERROR") || strings.HasPrefix(text, "CLIENT_ERROR")):
		return "", false, errNoList
	}
	return "", false, errProtocol
}
