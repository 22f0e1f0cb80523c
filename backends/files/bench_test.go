package files_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// BenchmarkStore: one session of 2 KiB, against the bare system calls that PHP
// makes for the same.
func BenchmarkStore(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir)
	data := make([]byte, 2048)
	sess := in(time.Hour, "a", string(data))
	must(b, s.Set(b.Context(), sess))
	b.Run("get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := s.Get(b.Context(), sess.Key); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Set(b.Context(), sess); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare read", func(b *testing.B) {
		for b.Loop() {
			if _, err := os.ReadFile(filepath.Join(dir, "sess_a")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
