package cli

import "github.com/spf13/cobra"

func bypassVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "bypass",
		Short: "Who reaches old past the agents: hosts that are connected to it, and changes that agents saw",
		Long: `Who reaches old past the agents: what is written there is not mirrored. Old's
servers are asked who is connected; the agents' own connections are left out. A
client that connects for each request is seen only if it is there at the moment:
run it again. Exit code 1: somebody does.`,
		Example: "  crossfade bypass",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			b, err := m.Bypass(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				a.print(b)
			} else {
				for _, s := range b.Strangers {
					a.printf("%-40s %-24s %d connections\n", s.Host, s.Name, s.Connections)
				}
				a.printf("%d hosts past the agents, %d changes that agents saw to have been made past them\n", len(b.Strangers), b.Changes)
				for _, n := range b.Unsaid {
					a.printf("agent %s did not say which connections are its own: they are among these\n", n)
				}
				if b.Error != "" {
					a.printf("old does not tell all: %s\n", b.Error)
				}
			}
			if len(b.Strangers) > 0 && len(b.Unsaid) == 0 || b.Changes > 0 {
				return bypassed{}
			}
			return nil
		},
	}
}

// bypassed ends the verb with exit code 1; what there is to say was said.
type bypassed struct{}

func (bypassed) Error() string { return "somebody reaches old past the agents: point them at an agent" }
