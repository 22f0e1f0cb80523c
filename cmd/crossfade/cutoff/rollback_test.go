package cutoff

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends/backendtest"
	"github.com/seed-41165957/crossfade/cmd/crossfade/binarytest"
	"github.com/seed-41165957/crossfade/darklaunch/epochs"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/ledger"
)

// TestRollbackViaStore: the flag file cannot be read and no admin port can be
// reached, while clients of both agents go on.
func TestRollbackViaStore(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.run("ramp", "mirror", "100")
	f.run("backfill")
	f.run("verify")
	f.run("ramp", "read-new", "100")
	// A server's fleet has a roster; from here on its agents are heard.
	f.raise(f.o, f.n, func(_ *flags.Definition, n *epochs.Note) { n.Agents = []epochs.Life{{Name: "web-1"}, {Name: "web-2"}} })
	if err := os.Rename(f.flagFile(), f.flagFile()+".kept"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.flagFile(), 0o700); err != nil {
		t.Fatal(err)
	}
	var l ledger.Ledger
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for i := range 6 {
		clients.Go(func() { client(ctx, &l, f, i) })
	}
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	out := f.verb(f.config("lonely", backendtest.FreeAddr(t), backendtest.FreeAddr(t), backendtest.FreeAddr(t), f.flagFile(), backendtest.FreeAddr(t), backendtest.FreeAddr(t)), "rollback", "--to", "mirror", "--via-store")
	t.Logf("%v: %s", time.Since(began).Round(time.Millisecond), out)
	time.Sleep(500 * time.Millisecond)
	binarytest.Within(t, time.Minute, "clients to ask often enough", func() bool { return l.Requests.Load() >= 500 })
	stop()
	clients.Wait()
	t.Log(l.String())
	if l.Broken() || l.Refused.Load() > 0 {
		t.Errorf("%v: %v", l.String(), l.Findings())
	}
	if !strings.Contains(out, "acknowledged by 2 agents: mirror 100 %") {
		t.Errorf("the rollback said %q", out)
	}
	for _, h := range f.agents {
		if s, ok := h.status(); !ok || s.Epoch != f.top().Epoch || s.Stopped != "" {
			t.Errorf("%s: %+v, want revision %d", h.name, s, f.top().Epoch)
		}
	}
	// The file comes back as it was: the usual verbs go on from where the stores are.
	if err := os.Remove(f.flagFile()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.flagFile()+".kept", f.flagFile()); err != nil {
		t.Fatal(err)
	}
	f.run("ramp", "mirror", "50")
}

// client writes, reads and deletes sessions of its own through both agents.
func client(ctx context.Context, l *ledger.Ledger, f *fleet, who int) {
	rnd := rand.New(rand.NewPCG(uint64(who), 5))
	var conns [2]*bufio.ReadWriter
	for i, h := range f.agents {
		c, err := net.Dial("tcp", h.memcached)
		if err != nil {
			f.t.Error(err)
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		conns[i] = bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c))
	}
	// line sends a request and reads one line.
	line := func(c *bufio.ReadWriter, format string, args ...any) string {
		fmt.Fprintf(c, format, args...)
		c.Flush()
		s, err := c.ReadString('\n')
		if err != nil {
			return err.Error()
		}
		return strings.TrimSuffix(s, "\r\n")
	}
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("c%d-%d", who, rnd.IntN(6))
		s, c := l.Session(id), conns[rnd.IntN(2)]
		switch rnd.IntN(10) {
		case 0:
			w := s.Delete()
			if got := line(c, "delete memc.sess.key.%s\r\n", id); got == "DELETED" || got == "NOT_FOUND" {
				w.Acknowledged()
			} else {
				w.Failed()
			}
		case 1, 2, 3:
			w := s.Write(fmt.Sprintf("%d-%d", who, n))
			if line(c, "set memc.sess.key.%s 0 600 %d\r\n%s\r\n", id, len(w.Value()), w.Value()) == "STORED" {
				w.Acknowledged()
			} else {
				w.Failed()
			}
		default:
			r := s.Read()
			switch got := line(c, "get memc.sess.key.%s\r\n", id); {
			case got == "END":
				r.Missing()
			case strings.HasPrefix(got, "VALUE "):
				var size int
				fmt.Sscan(got[strings.LastIndexByte(got, ' ')+1:], &size)
				data := make([]byte, size+len("\r\nEND\r\n"))
				if _, err := io.ReadFull(c, data); err != nil {
					r.Failed()
					return
				}
				r.Found(string(data[:size]))
			default:
				r.Failed()
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}
