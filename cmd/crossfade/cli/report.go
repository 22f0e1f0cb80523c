package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate/account"
)

func reportVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "report",
		Short:   "What was moved when and by whom, what the gates said, what was held, refused or failed, and the figures: Markdown, or --json",
		Example: "  crossfade report > migration.md\n  crossfade report --json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			o, _, err := m.overview(cmd.Context())
			if err != nil {
				return err
			}
			log, err := a.audited(cmd.Context())
			if err != nil {
				return err
			}
			r := account.Of(o, log.Entries, log.Checked, time.Now())
			if a.json {
				a.print(r)
				return nil
			}
			a.printf("%s", r.Markdown())
			return nil
		},
	}
}
