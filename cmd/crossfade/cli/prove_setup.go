package cli

import (
	"fmt"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch/prove"
)

// setupOf is what a configuration says about the walks.
func setupOf(c *config.Config) (prove.Setup, error) {
	s := prove.Setup{RefuseUnconfirmed: c.ReadNew.Unconfirmed == "refuse", KeepOld: c.Cutover.KeepOld > 0, Flags: prove.Unacknowledged}
	var known [2]bool
	s.Old, known[0] = prove.Known(storeName(c.Old))
	s.New, known[1] = prove.Known(storeName(c.New))
	if !known[0] || !known[1] {
		return s, fmt.Errorf("old %q, new %q: accepted are %v", storeName(c.Old), storeName(c.New), prove.StoreNames())
	}
	for _, k := range c.Sessions {
		s.Locks = s.Locks || len(k.Locks) > 0
	}
	// A file counts as acknowledged where it says whom to ask.
	if len(c.Flags.Server) > 0 || c.Flags.URL == "" && len(c.Flags.Agents) > 0 {
		s.Flags = prove.Acknowledged
	}
	return s, nil
}

func storeName(s config.Store) string {
	for _, f := range []struct {
		set  bool
		name string
	}{{s.Memory != nil, "memory"}, {s.Files != nil, "files"}, {s.Memcached != nil, "memcached"}, {s.MySQL != nil, "mysql"},
		{s.Hybrid != nil, "hybrid"}, {s.Redis != nil, "redis"}, {s.DynamoDB != nil, "dynamodb"}} {
		if f.set {
			return f.name
		}
	}
	return ""
}

func faultsOf(names []string) (f prove.Faults, err error) {
	for _, n := range names {
		switch n {
		case "old":
			f.Old = true
		case "new":
			f.New = true
		case "late":
			f.Late = true
		case "crash":
			f.Crash = true
		case "none":
		default:
			return f, fmt.Errorf("--faults %q: accepted are old, new, late, crash and none", n)
		}
	}
	return f, nil
}

// supposed changes what the configuration says, to see what that would cost.
func supposed(s *prove.Setup, names []string) error {
	for _, n := range names {
		switch n {
		case "two-flags":
			s.Flags = prove.TwoFlags
		case "unacknowledged":
			s.Flags = prove.Unacknowledged
		case "no-marks":
			s.Old.Marks = false
		default:
			return fmt.Errorf("--suppose %q: accepted are two-flags, unacknowledged and no-marks", n)
		}
	}
	return nil
}

// askEvicts asks the servers. One that does not say is taken to evict.
func askEvicts(s *prove.Setup, c *config.Config) {
	for _, side := range []struct {
		name string
		is   *prove.Store
		of   config.Store
	}{{"old", &s.Old, c.Old}, {"new", &s.New, c.New}} {
		st, err := parts.OpenStore(side.name, side.of, c)
		if err != nil {
			continue // what it declares has to do; check tells what is wrong with it
		}
		side.is.Evicts = parts.Evicts(st)
		st.Close()
	}
}
