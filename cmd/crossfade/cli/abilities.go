package cli

import (
	"context"
	"strings"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/memcached"
	"github.com/seed-41165957/crossfade/backends/mysql"
	"github.com/seed-41165957/crossfade/backends/redis"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
)

// checkAbilities asks a store for what its own package knows to look at. Files
// have their rows in check.
func checkAbilities(ctx context.Context, side string, s config.Store, c *config.Config) (rows []row) {
	if s.Hybrid != nil { // two stores, each with its own
		rows = checkAbilities(ctx, side, config.Store{Memcached: &s.Hybrid.Memcached}, c)
		return append(rows, checkAbilities(ctx, side, config.Store{MySQL: &s.Hybrid.MySQL}, c)...)
	}
	if s.Memory != nil || s.Files != nil {
		return nil
	}
	st, err := parts.OpenStore(side, s, c)
	if err != nil {
		return nil // check has a row for that
	}
	defer st.Close()
	ctx, cancel := context.WithTimeout(ctx, 2*checkTimeout)
	defer cancel()
	rows, err = abilities(ctx, side, st, c)
	if err != nil {
		return []row{{Name: side + " abilities", Found: err.Error(), Want: "an answer", Mend: "see that the server runs, and that address and password are right"}}
	}
	return rows
}

func abilities(ctx context.Context, side string, st backends.Store, c *config.Config) (rows []row, err error) {
	// The wish is the row's name: the findings say what mends them.
	add := func(name string, ok bool, found, mend string) {
		rows = append(rows, row{Name: side + " " + name, OK: ok, Found: found, Want: want(name), Mend: mend})
	}
	switch st := st.(type) {
	case interface {
		Preflight(context.Context, []string) ([]redis.Finding, error)
	}: // the servers themselves, or behind a proxy
		fs, err := st.Preflight(ctx, prefixes(side, c))
		for _, f := range fs {
			if f.What == "maxmemory-policy" && side == "old" && !f.OK {
				f.OK, f.Mend = true, "" // it is so today, and the layer knows what a miss there means
			}
			add(f.What+" "+f.Host, f.OK, f.Found, f.Mend)
		}
		return rows, err
	case interface {
		Preflight(context.Context) ([]memcached.Finding, error)
	}: // one server, a ring, or a pair
		fs, err := st.Preflight(ctx)
		for _, f := range fs {
			add(f.What, f.OK, f.Found, f.Mend)
		}
		return rows, err
	case *mysql.Store:
		for _, f := range st.Preflight(ctx) {
			add(f.What+" "+f.Host, f.OK, f.Found, f.Mend)
		}
	}
	return rows, nil
}

// want is what a finding is held against.
func want(name string) string {
	for _, w := range []struct{ begins, want string }{
		{"maxmemory-policy", "noeviction"},
		{"rights", "every command that a session needs"},
		{"item size", "1 MiB"},
		{"listing", "that a backfill may list keys"},
		{"whole", "that both members of the pair hold all"},
	} {
		if strings.HasPrefix(name, w.begins) || strings.Contains(name, ": "+w.begins) {
			return w.want
		}
	}
	return "what a migration needs"
}

// prefixes are what the names of sessions and locks begin with in that store.
func prefixes(side string, c *config.Config) (list []string) {
	have := map[string]bool{}
	add := func(pattern string) {
		p, _, ok := strings.Cut(pattern, "{id")
		if ok && !have[p] {
			have[p] = true
			list = append(list, p)
		}
	}
	for _, k := range c.Sessions {
		key, lock := k.Keys[0], ""
		if len(k.Locks) > 0 {
			lock = k.Locks[0]
		}
		if side == "new" && k.NewKey != "" {
			key = k.NewKey
		}
		if side == "new" && k.NewLock != "" {
			lock = k.NewLock
		}
		add(key)
		add(lock)
	}
	return list
}
