package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate"
)

func completeVerb(a *app) *cobra.Command {
	var s stepFlags
	var dry bool
	cmd := &cobra.Command{
		Use:   "complete",
		Short: "Finish: old is written no more, and what Crossfade keeps of its own is removed",
		Long: `Finish the migration, with all sessions in cutover: old is written no more, and
what Crossfade keeps of its own in both stores is removed. Going back ends with
it. Clients go on through their agents until they are pointed at new; run it once
more when the last agent has stopped: then the epoch notes go too.`,
		Example: "  crossfade complete --dry-run\n  crossfade complete --reason \"a week's soak is over\"",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			m, err := a.open(s)
			if err != nil {
				return err
			}
			defer m.Close()
			if dry {
				c, err := m.PlanComplete(cmd.Context())
				return a.completed(cfg, c, err, true)
			}
			c, err := m.Complete(cmd.Context(), a.progress())
			return a.completed(cfg, c, err, false)
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would end, and what is left to do; change nothing")
	return cmd
}

// completed is complete in JSON.
type completed struct {
	migrate.Completion
	Ini []string `json:"ini"`
}

func (a *app) completed(cfg *config.Config, c migrate.Completion, err error, dry bool) error {
	if err != nil {
		return err
	}
	lines := iniLines(cfg)
	if a.json {
		a.print(completed{c, lines})
		return nil
	}
	a.printf("now: %s\n", c.State)
	if dry {
		for _, e := range c.Ends {
			a.printf("ends: %s\n", e)
		}
	} else {
		a.printf("complete: %d keys of Crossfade's own were removed\n", c.Removed)
	}
	for _, side := range []struct {
		name string
		own  map[string]int
	}{{"old", c.Old}, {"new", c.New}} {
		for _, kind := range slices.Sorted(maps.Keys(side.own)) {
			a.printf("own keys in %s: %s %d\n", side.name, kind, side.own[kind])
		}
	}
	if len(c.Serving) > 0 {
		a.printf("still go through an agent: the clients of %s\n", strings.Join(c.Serving, ", "))
	}
	if len(c.Silent) > 0 {
		a.printf("did not say: %s\n", strings.Join(c.Silent, ", "))
	}
	for _, l := range lines {
		a.printf("php.ini: %s\n", l)
	}
	if c.Refused != "" {
		a.printf("now it would be refused: %s\n", c.Refused)
	}
	return nil
}

// iniLines are PHP's settings by which clients reach new without an agent.
func iniLines(c *config.Config) (lines []string) {
	r := c.New.Redis
	if r == nil || len(r.Addrs) != 1 {
		return nil
	}
	for _, k := range c.Sessions {
		prefix, rest, _ := strings.Cut(k.NewKey, "{")
		if !strings.HasPrefix(rest, "id}") || rest != "id}" {
			continue
		}
		path := "tcp://" + r.Addrs[0]
		var args []string
		if prefix != "PHPREDIS_SESSION:" {
			args = append(args, "prefix="+prefix)
		}
		if r.Database != 0 {
			args = append(args, fmt.Sprintf("database=%d", r.Database))
		}
		if len(args) > 0 {
			path += "?" + strings.Join(args, "&")
		}
		lines = append(lines, fmt.Sprintf("session.save_handler = redis ; %s", k.Name), fmt.Sprintf("session.save_path = %q", path))
		if len(k.Locks) > 0 {
			lines = append(lines, "redis.session.locking_enabled = 1")
		}
	}
	return lines
}
