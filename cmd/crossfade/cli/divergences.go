package cli

import (
	"github.com/spf13/cobra"
)

func divergencesVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "divergences",
		Short:   "The last confirmed differences between the stores, by hash",
		Example: "  crossfade divergences --json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			by, err := m.Divergences(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				a.print(by)
				return nil
			}
			n := 0
			for agent, ds := range by {
				for _, d := range ds {
					n++
					a.printf("%s  %s  %-13s %-13s in %s  agent %s  old %d bytes, new %d bytes\n", d.Seen.Format("15:04:05"), d.Hash, d.Class, d.Cause, d.Position, agent, d.Old.Bytes, d.New.Bytes)
				}
			}
			if n == 0 {
				a.printf("none\n")
			}
			return nil
		},
	}
}
