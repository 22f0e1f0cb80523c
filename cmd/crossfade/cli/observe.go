package cli

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
)

func observeVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "observe DURATION",
		Short: "Watch what the application really does, and whether a migration is sound",
		Long: `Let every agent note for a while what its clients do, with all sessions in off
or mirror, and look at the table behind memcached before and after: deletes that
are followed by a write (invalidation), rows that changed though no agent saw a
write, rows that only the table has, lives, client flags, locks, commands that
are not spoken. Each finding is green, amber or red, with what to do. Exit code 3
if one is red. Nothing is changed.`,
		Example: "  crossfade observe 10m",
		Args:    exactly(1, "DURATION, such as 10m"),
		RunE: func(cmd *cobra.Command, args []string) error {
			long, err := time.ParseDuration(args[0])
			if err != nil || long < time.Second || long > 24*time.Hour {
				return usage(fmt.Errorf("%q: accepted is a time from 1s to 24h, such as 10m", args[0]))
			}
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			o, err := m.Observe(cmd.Context(), long, a.progress())
			if err != nil {
				return err
			}
			if a.json {
				a.print(o)
			} else {
				w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
				for _, f := range o.Findings {
					fmt.Fprintf(w, "%s\t%s\t%s\n", f.Verdict, f.Name, f.Found)
					if f.Do != "" {
						fmt.Fprintf(w, "\t\tdo: %s\n", f.Do)
					}
				}
				w.Flush()
			}
			if o.Worst() == migrate.Red {
				return unsound{errors.New("not sound with this configuration: see what is red")}
			}
			return nil
		},
	}
}

// unsound is what observe ends with where a finding is red: exit code 3.
type unsound struct{ error }
