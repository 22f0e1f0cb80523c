package darklaunch_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memory"
	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// BenchmarkLayer is the layer over memory stores in each position beside the
// bare store: the ratio of the two is what the layer costs. Real stores take
// some 50 µs a call, memory well under one, so this is the layer alone.
func BenchmarkLayer(b *testing.B) {
	data := make([]byte, 1024)
	ctx := context.Background()
	bare := memory.New(memory.Options{})
	key := ref("one").OldKey()
	sess := backends.Session{Key: key, Data: data, Deadline: time.Now().Add(time.Hour)}
	b.Run("get/bare", func(b *testing.B) {
		bare.Set(ctx, sess)
		b.ReportAllocs()
		for b.Loop() {
			bare.Get(ctx, key)
		}
	})
	b.Run("set/bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bare.Set(ctx, sess)
		}
	})
	for _, p := range position.All() {
		r := newRig(b, 1, p)
		d := r.layers[0].Door("library")
		one := ref("one")
		d.Set(ctx, one, sess)
		b.Run("get/"+p.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, found, err := d.Get(ctx, one); !found || err != nil {
					b.Fatal(found, err)
				}
			}
		})
		b.Run("set/"+p.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := d.Set(ctx, one, sess); err != nil {
					b.Fatal(err)
				}
			}
		})
		r.stop()
	}
}
