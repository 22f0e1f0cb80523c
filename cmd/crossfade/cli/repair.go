package cli

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/migrate"
)

func repairVerb(a *app) *cobra.Command {
	var s stepFlags
	var o migrate.RepairOptions
	cmd := &cobra.Command{
		Use:   "repair",
		Short: "Make new like old where they differ: first a plan, then with --yes",
		Long: `Make new like old where a difference is confirmed by a second look. Without --yes
it says what would be written, and writes nothing. Writes go to new only, by
guarded copies: what a client writes meanwhile stays. It opens no gate; crossfade
verify does.

What is replaced is written to an undo log first, a file of mode 0600 in
agent.state_dir or where --undo says; with a server, on the server's host. It holds
the data of sessions and their names: remove it when it is no longer needed.`,
		Example: "  crossfade repair\n  crossfade repair --yes --max 100\n  crossfade repair undo repair-sessions-20260102T150405.000.undo",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Max < 1 || s.pace.Rate < 0 {
				return usage(errors.New("--max is 1 or more, and --rate not negative"))
			}
			if o.Undo != "" && !o.Yes {
				return usage(errors.New("--undo stands without --yes: a plan replaces nothing"))
			}
			m, err := a.open(s)
			if err != nil {
				return err
			}
			defer m.Close()
			r, err := m.Repair(cmd.Context(), o, a.progress())
			if a.json && err == nil {
				a.print(r)
			} else if r.Planned != nil {
				a.repaired(r, o.Yes, s.pace)
			}
			return err
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&o.Yes, "yes", false, "write")
	cmd.Flags().IntVar(&o.Max, "max", 1000, "write so many sessions at most")
	cmd.Flags().StringVar(&o.Undo, "undo", "", "the undo log, a file that is not there yet; it holds session data; not with a server")
	cmd.Flags().Float64Var(&s.pace.Rate, "rate", 0, "at most so many sessions a second; 0: no bound")
	cmd.AddCommand(undoVerb(a))
	return cmd
}

func undoVerb(a *app) *cobra.Command {
	var s stepFlags
	cmd := &cobra.Command{
		Use:   "undo FILE",
		Short: "Put back what a repair replaced, where nobody has written since",
		Long: `Put back what a repair replaced, by guarded swaps: only where nobody has written
the session since, and where new is not read (mirror). FILE without a slash is one
in agent.state_dir; with a server, in the server's. What was verified counts no more.`,
		Example: "  crossfade repair undo repair-sessions-20260102T150405.000.undo",
		Args:    exactly(1, "the undo log that crossfade repair named"),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.open(s)
			if err != nil {
				return err
			}
			defer m.Close()
			r, err := m.UndoRepair(cmd.Context(), args[0], a.progress())
			if err != nil {
				return err
			}
			if a.json {
				a.print(r)
				return nil
			}
			a.printf("undo: %d of %d sessions hold again what they held", r.Back, r.Entries)
			for _, left := range []struct {
				n   int64
				why string
			}{{r.Changed, "changed since"}, {r.Over, "would have ended since"}, {r.Serving, "are read from new: run crossfade rollback --to mirror first"}} {
				if left.n > 0 {
					a.printf(", %d %s", left.n, left.why)
				}
			}
			a.printf("\nrun crossfade verify before the next step: what was verified counts no more\n")
			return nil
		},
	}
	s.add(cmd)
	return cmd
}

// repaired prints a plan, or what was done.
func (a *app) repaired(r migrate.RepairReport, yes bool, p migrate.Pace) {
	n := int64(0)
	var classes []string
	for c, k := range r.Planned {
		n += k
		classes = append(classes, c)
	}
	slices.Sort(classes)
	what := map[string]string{"missing_new": "copied from old to new", "missing_old": "removed from new", "value": "overwritten in new with what old holds",
		"flags": "given old's flags in new", "expiry": "given old's deadline in new"}
	a.printf("%d sessions looked at, %d differ\n", r.Sessions, n+r.Beyond)
	for _, c := range classes {
		a.printf("    %s: %d: %s\n", c, r.Planned[c], what[c])
	}
	if r.Beyond+r.More > 0 {
		a.printf("    %d more differ, and %d that were looked at once: run it again, or raise --max\n", r.Beyond, r.More)
	}
	switch {
	case n == 0:
	case !yes:
		a.printf("nothing was written. With --yes: %d sessions, %d bytes of data, in new only, in about %v; old is only read\n", n, r.Bytes, r.Took(p))
	default:
		a.printf("repaired: %d written, %d that needed nothing any more, %d that stay (newer in new, or evicted from old), %d failed\n", r.Written, r.Same, r.Kept, r.Failed)
		a.printf("to take it back: crossfade repair undo %s\n", strings.TrimSpace(filepath.Clean(r.Undo)))
	}
}
