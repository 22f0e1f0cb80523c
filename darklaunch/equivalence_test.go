package darklaunch_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/edit"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// answers runs one random history of one client and returns what it was told.
// step is called now and then, and may ramp. The client's requests go to the
// agents in turn.
func answers(r *rig, n uint64, length int, step func(i int)) string {
	rng := rand.New(rand.NewPCG(n, 9))
	ctx := context.Background()
	ids := []string{"a", "b", "c", "d"}
	var b strings.Builder
	for i := range length {
		if step != nil {
			step(i)
		}
		d := r.layers[i%len(r.layers)].Door("library")
		s := ref(ids[rng.IntN(len(ids))])
		life := time.Duration(rng.IntN(50)+1) * time.Second
		switch rng.IntN(10) {
		case 0, 1:
			got, found, err := d.Get(ctx, s)
			fmt.Fprintf(&b, "%d get %s: %q %v %v\n", i, s.ID, got.Data, found, err)
		case 2, 3:
			err := d.Set(ctx, s, backends.Session{Data: fmt.Appendf(nil, "v%d", i), Deadline: time.Now().Add(life)})
			fmt.Fprintf(&b, "%d set %s: %v\n", i, s.ID, err)
		case 4:
			found, err := d.Touch(ctx, s, time.Now().Add(life))
			fmt.Fprintf(&b, "%d touch %s: %v %v\n", i, s.ID, found, err)
		case 5:
			found, err := d.Delete(ctx, s)
			fmt.Fprintf(&b, "%d delete %s: %v %v\n", i, s.ID, found, err)
		case 6:
			stored, err := d.Add(ctx, s, backends.Session{Deadline: time.Now().Add(life)})
			fmt.Fprintf(&b, "%d add %s: %v %v\n", i, s.ID, stored, err)
		case 8, 9:
			b.WriteString(edited(d, i, s, rng.IntN(6), life))
		case 7:
			granted, err := d.Lock(ctx, s, kinds.Owner{Client: fmt.Sprint(i), Conn: uint64(i)}, 5*time.Second)
			fmt.Fprintf(&b, "%d lock %s: %v %v\n", i, s.ID, granted, err)
			if granted && rng.IntN(2) == 0 {
				released, err := d.Unlock(ctx, s, kinds.Owner{Client: fmt.Sprint(i), Conn: uint64(i)})
				fmt.Fprintf(&b, "%d unlock %s: %v %v\n", i, s.ID, released, err)
			}
		}
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
	}
	return b.String()
}

// edited makes one edit, and says what its function was asked of and what came.
func edited(d *darklaunch.Door, i int, s kinds.Ref, what int, life time.Duration) string {
	told := ""
	err := d.Edit(context.Background(), s, func(got backends.Session, found bool) (edit.Change, error) {
		told = fmt.Sprintf("%q %v", got.Data, found)
		switch {
		case what == 0:
			return edit.Leave(), nil
		case what == 1:
			return edit.Delete(), nil
		case what == 2:
			return edit.Touch(time.Now().Add(life)), nil
		case what == 3 && found: // append: the deadline stays
			got.Data = fmt.Appendf(got.Data[:len(got.Data):len(got.Data)], "+%d", i)
			return edit.Write(got), nil
		case what == 4 && found:
			return edit.Write(backends.Session{Data: []byte("past"), Deadline: time.Now()}), nil
		case what == 5:
			return edit.Write(backends.Session{Data: fmt.Appendf(nil, "e%d", i), Deadline: time.Now().Add(life)}), nil
		}
		return edit.Write(got), fmt.Errorf("refused %d", i)
	})
	return fmt.Sprintf("%d edit %d %s: %s %v\n", i, what, s.ID, told, err)
}

// TestEquivalence: one random history gives a client the same answers in every
// position, and while the ramp goes there and back under it.
func TestEquivalence(t *testing.T) {
	const length = 400
	rng := seed(t)
	for range 3 {
		n := rng.Uint64()
		var want string
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 2, position.Off)
			want = answers(r, n, length, nil)
		})
		differ := func(t *testing.T, got string) {
			t.Helper()
			g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range min(len(g), len(w)) {
				if g[i] != w[i] {
					t.Fatalf("history %d: got %q, want %q (in off)", n, g[i], w[i])
				}
			}
		}
		for _, p := range position.All() {
			t.Run(p.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, 2, p)
					differ(t, answers(r, n, length, nil))
				})
			})
		}
		t.Run("ramping", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2, position.Off)
				type leg struct {
					p      position.Position
					change func(*flags.Definition)
					before func()
				}
				forward := func() { r.copyAll(darklaunch.Forward, "a", "b", "c", "d") }
				backward := func() { r.copyAll(darklaunch.Backward, "a", "b", "c", "d") }
				way := []leg{{position.Mirror, nil, nil}, {position.Fenced, nil, nil}, {position.ReadNew, nil, forward},
					{position.ReadNew, func(d *flags.Definition) { d.Settled = flags.Buckets }, nil}, {position.ReadNew, nil, nil},
					{position.Sealed, nil, nil}, {position.Cutover, func(d *flags.Definition) { d.KeepOld = true }, nil},
					{position.Back, nil, nil}, {position.Sealed, nil, backward}, {position.ReadNew, nil, nil},
					{position.Fenced, nil, nil}, {position.Mirror, nil, nil}, {position.Off, nil, nil}}
				differ(t, answers(r, n, length, func(i int) {
					if i%30 != 29 || len(way) == 0 {
						return
					}
					l := way[0]
					way = way[1:]
					r.acked()
					if l.before != nil {
						l.before()
					}
					r.publish(l.p, l.change)
				}))
				if len(way) != 0 {
					t.Errorf("%d legs of the way were not taken", len(way))
				}
			})
		})
	}
}
