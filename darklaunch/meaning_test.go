package darklaunch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// TestMeaning: other bytes of one meaning are no difference for who compares; a
// copy is made by the bytes all the same.
func TestMeaning(t *testing.T) {
	const old = `a|i:1;b|s:2:"xy";seen|i:100;`
	for _, tt := range []struct{ name, format, in, class string }{
		{"the same bytes", "php", old, ""},
		{"another order", "php", `b|s:2:"xy";seen|i:100;a|i:1;`, ""},
		{"what is ignored", "php", `a|i:1;b|s:2:"xy";seen|i:999;`, ""},
		{"another value", "php", `a|i:2;b|s:2:"xy";seen|i:100;`, "value"},
		{"damaged", "php", `a|i:1;b|s:9:"xy";seen|i:100;`, "value"},
		{"another order, by bytes", "bytes", `b|s:2:"xy";seen|i:100;a|i:1;`, "value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := kinds.Kind{Name: "php", Keys: []string{"memc.sess.key.{id: [A-Za-z0-9,-]+}"}, NewKey: "PHPREDIS_SESSION:{id}", MaxAge: time.Hour, Format: tt.format}
				if tt.format != "bytes" {
					k.Ignore = []string{"seen"}
				}
				ks, err := kinds.Compile([]kinds.Kind{k})
				must(t, err)
				r := newRig(t, 1, position.Mirror, func(o *darklaunch.Options) { o.Kinds = ks })
				one, _ := ks.ResolveString("memc.sess.key.one")
				for side, data := range []string{old, tt.in} {
					s := hourly(data)
					if s.Key = one.OldKey(); side == 1 {
						s.Key = one.NewKey()
					}
					st := r.old
					if side == 1 {
						st = r.new
					}
					must(t, st.Set(bg, s))
				}
				if got := r.layers[0].CompareMany(bg, []kinds.Ref{one}, darklaunch.Forward)[0]; got.Err != nil || got.Class != tt.class {
					t.Errorf("compared: got %q, %v, want %q", got.Class, got.Err, tt.class)
				}
				res := r.layers[0].CopyOne(bg, one, darklaunch.Forward)
				if res.Err != nil || res.Wrote != (old != tt.in) || res.Class != tt.class {
					t.Errorf("copied: got %+v, want wrote %v, class %q", res, old != tt.in, tt.class)
				}
				if rec := read(t, r.new, one.NewKey()); string(rec.Data) != old {
					t.Errorf("new holds %q after the copy", rec.Data)
				}
			})
		})
	}
}
