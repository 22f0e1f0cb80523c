package control

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
)

// TestTold: web-1 is cut off from new and marks a write in old; web-2 is cut off
// from old, and cannot see the mark. It knows by the server, and gives an error
// where it would give what new still holds. Once web-1 has repaired the session,
// web-2 reads it again.
func TestTold(t *testing.T) {
	var cut [2]atomic.Bool // web-1 from new, web-2 from old
	r := newRig(t, 1)
	o := r.options()
	o.New.Store = cutStore{r.new, &cut[0]}
	web1 := r.agentOf("web-1", t.TempDir(), o)
	o = r.options()
	o.Old.Store = cutStore{r.old, &cut[1]}
	web2 := r.agentOf("web-2", t.TempDir(), o)
	r.ready(web1, web2)
	ctx, c := t.Context(), r.client()
	ref, _ := web1.door.ResolveString("memc.sess.key.a")
	write := func(data string) {
		t.Helper()
		if err := web1.door.Set(ctx, ref, backends.Session{Data: []byte(data), Deadline: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (string, error) {
		s, _, err := web2.door.Get(ctx, ref)
		return string(s.Data), err
	}
	write("w1")
	r.ramp("mirror", 100)
	if _, err := c.Backfill(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(ctx, nil); err != nil {
		t.Fatal(err)
	}
	r.ramp("read-new", 100)
	if got, err := read(); got != "w1" || err != nil {
		t.Fatalf("before: %q, %v", got, err)
	}

	cut[0].Store(true)
	write("w2")
	cut[1].Store(true)
	r.until("web-2 to be told", func() bool {
		got, err := read()
		return err != nil || got != "w1"
	})
	cut[0].Store(false)
	r.until("the repair to be told", func() bool {
		got, err := read()
		if err == nil && got != "w2" {
			t.Fatalf("web-2, which cannot see the mark, answers %q", got)
		}
		return err == nil
	})
}

var errCut = errors.New("cut off")

// cutStore is a store that one agent can be cut off from.
type cutStore struct {
	*memory.Store
	cut *atomic.Bool
}

func (s cutStore) Get(ctx context.Context, k backends.Key) (backends.Session, bool, error) {
	if s.cut.Load() {
		return backends.Session{}, false, errCut
	}
	return s.Store.Get(ctx, k)
}

func (s cutStore) Read(ctx context.Context, k backends.Key) (backends.Record, error) {
	if s.cut.Load() {
		return backends.Record{}, errCut
	}
	return s.Store.Read(ctx, k)
}

func (s cutStore) Revive(ctx context.Context, x backends.Session) error {
	if s.cut.Load() {
		return errCut
	}
	return s.Store.Revive(ctx, x)
}

func (s cutStore) Set(ctx context.Context, x backends.Session) error {
	if s.cut.Load() {
		return errCut
	}
	return s.Store.Set(ctx, x)
}

func (s cutStore) Guard(ctx context.Context, k backends.Key, notAfter time.Time) (backends.Guard, error) {
	if s.cut.Load() {
		return nil, errCut
	}
	return s.Store.Guard(ctx, k, notAfter)
}

func (s cutStore) Marks(ctx context.Context, k backends.Key) ([]backends.Mark, error) {
	if s.cut.Load() {
		return nil, errCut
	}
	return s.Store.Marks(ctx, k)
}
