package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/redis"
)

// TestSiblingsShareTheSlot asks the server: all that a store keeps beside a
// session lies in its slot, or the session is refused.
func TestSiblingsShareTheSlot(t *testing.T) {
	set := clustered.get(t)
	o := clusterOptions(set)
	o.KeepFlags = true
	s, c := open(t, o), direct(t, set.Data[0].Addr())
	x := func(n int) string { return strings.Repeat("x", n) }
	slot := func(name string) int64 { return c.ClusterKeySlot(t.Context(), name).Val() }
	for name, ok := range map[string]bool{
		"a": true, "a{b": true, "{": true, "a{t}b": true, "{{t}}": true, x(200): true, "{t}" + x(240): true, "{" + x(130) + "}": true,
		"a}": false, "{}a": false, x(250): false, "{" + x(245) + "}": false,
	} {
		k := key(name)
		in := true
		for _, beside := range []backends.Key{backends.GoneKey("test", k), backends.FlagsKey("test", k)} {
			in = in && slot(beside.Name) == slot(name)
		}
		if in != ok {
			t.Errorf("%.20s: in one slot is %v, want %v", name, in, ok)
		}
		_, err := s.Bury(t.Context(), k, time.Second)
		_, _, getErr := s.Get(t.Context(), k)
		for _, err := range []error{err, getErr, s.Set(t.Context(), session(name, "x"))} {
			if ok && err != nil || !ok && !errors.Is(err, backends.ErrKey) {
				t.Errorf("%.20s: got %v", name, err)
			}
		}
	}
}

func TestBatchesInACluster(t *testing.T) {
	s := open(t, clusterOptions(clustered.get(t)))
	var ks []backends.Key
	for i := range 20 {
		ks = append(ks, key(fmt.Sprint("batch", i)))
	}
	if _, err := s.GuardMany(t.Context(), ks, time.Now().Add(time.Second)); !errors.Is(err, backends.ErrApart) {
		t.Errorf("got %v, want ErrApart", err)
	}
}

// TestScanWhileSlotsMove: a scan that may have left a key out is an error.
func TestScanWhileSlotsMove(t *testing.T) {
	set := clustered.get(t)
	s := open(t, clusterOptions(set))
	for i := range 50 {
		if err := s.Set(t.Context(), session(fmt.Sprint("scan", i), "x")); err != nil {
			t.Fatal(err)
		}
	}
	scan := func() (int, error) {
		seen := map[string]bool{}
		err := s.Scan(t.Context(), "scan", func(names []string) error {
			for _, n := range names {
				seen[n] = true
			}
			return nil
		})
		return len(seen), err
	}
	if n, err := scan(); n != 50 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	a, b := direct(t, set.Data[0].Addr()), direct(t, set.Data[1].Addr())
	slot := -1
	for i := range 16384 {
		if a.ClusterCountKeysInSlot(t.Context(), i).Val() > 0 {
			slot = i
			break
		}
	}
	id := b.Do(t.Context(), "cluster", "myid").Val()
	if err := a.Do(t.Context(), "cluster", "setslot", slot, "migrating", id).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := scan(); err == nil || !strings.Contains(err.Error(), "being moved") {
		t.Errorf("got %v while a slot moves", err)
	}
	if err := a.Do(t.Context(), "cluster", "setslot", slot, "stable").Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := scan(); n != 50 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// TestStandaloneStoreAtACluster says what is wrong.
func TestStandaloneStoreAtACluster(t *testing.T) {
	s := open(t, redis.Options{Addr: clustered.get(t).Data[0].Addr()})
	var r *redis.ReplyError
	for i := range 50 {
		if err := s.Set(t.Context(), session(fmt.Sprint(i), "x")); errors.As(err, &r) {
			break
		}
	}
	if r == nil || r.Code != "MOVED" || !strings.Contains(r.Error(), "configure it as one") {
		t.Errorf("got %v", r)
	}
}
