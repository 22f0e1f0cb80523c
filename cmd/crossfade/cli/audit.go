package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate/audit"
	bookfiles "github.com/seed-41165957/crossfade/migrate/book/files"
	"github.com/seed-41165957/crossfade/migrate/control"
)

func auditVerb(a *app) *cobra.Command {
	var verify bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "The log: who asked for what, why, what taking it back would have cost, what came of it",
		Long: `Print the log of the migration. --verify looks whether a line was changed or is
gone (exit code 1), and prints the sum of the last line: kept elsewhere, it
shows also that nobody wrote the whole log anew.`,
		Example: "  crossfade audit\n  crossfade audit --verify",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			got, err := a.audited(cmd.Context())
			if err != nil {
				return err
			}
			bad := len(got.Checked.Bad) > 0
			switch {
			case a.json && verify:
				a.print(got.Checked)
			case a.json:
				a.print(got.Entries)
			case verify && !bad:
				a.printf("%d entries, none changed, none gone\nsum of the last: %s\n", got.Checked.Entries, got.Checked.Sum)
			case !verify:
				for _, e := range got.Entries {
					a.entry(e)
				}
			}
			if !verify || !bad {
				return nil
			}
			if a.json {
				return shown{Failed}
			}
			return errors.New("audit: the log is not as it was written:\n  " + strings.Join(got.Checked.Bad, "\n  "))
		},
	}
	cmd.Flags().BoolVar(&verify, "verify", false, "look whether a line was changed or is gone")
	return cmd
}

// audited is the log: the servers', or the one beside the flag file.
func (a *app) audited(ctx context.Context) (got control.Audit, err error) {
	c, err := config.Load(a.config)
	if err != nil {
		return got, usage(err)
	}
	if c.Flags.URL != "" {
		return got, errElsewhere
	}
	if len(c.Flags.Server) == 0 {
		return control.ReadAudit(ctx, audit.New(bookfiles.New(c.Flags.File), nil))
	}
	s, err := client(c, stepFlags{})
	if err != nil {
		return got, err
	}
	defer s.Close()
	return s.Audit(ctx)
}

func (a *app) entry(e audit.Entry) {
	a.printf("%4d  %s  %-20s %s", e.N, e.At.Local().Format("2006-01-02 15:04:05"), e.Who, e.Verb)
	if len(e.Args) > 2 {
		a.printf(" %s", e.Args)
	}
	if e.Text != "" {
		a.printf(" %d: %s", e.Epoch, e.Text)
	}
	a.printf(": %s", e.Outcome)
	if e.Why != "" {
		a.printf(" (%s)", e.Why)
	}
	a.printf("\n")
	for _, b := range e.Back {
		a.printf("      taking it back: %s\n", b)
	}
}
