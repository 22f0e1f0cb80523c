package memcached_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-41165957/crossfade/backends/localserver"
	"github.com/seed-41165957/crossfade/backends/memcached"
)

func TestPreflight(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		bad  string // the finding that is not as it must be
		want string
	}{
		{nil, "", ""},
		{[]string{"-I", "512k"}, "item size", "524288"},
		{[]string{"-o", "no_lru_crawler"}, "listing", "cannot be listed"},
	} {
		srv, err := localserver.Memcached(t.Context(), localserver.Options{Args: tt.args})
		if err != nil {
			t.Fatal(err)
		}
		defer srv.Stop()
		s := memcached.New(srv.Addr(), memcached.Options{Migration: "test"})
		defer s.Close()
		fs, err := s.Preflight(context.Background())
		if err != nil || len(fs) != 3 {
			t.Fatalf("%v: %+v, %v", tt.args, fs, err)
		}
		for _, f := range fs {
			if f.OK != (f.What != tt.bad) || !f.OK && (f.Mend == "" || !strings.Contains(f.Found, tt.want)) {
				t.Errorf("%v: %+v", tt.args, f)
			}
		}
	}
}
