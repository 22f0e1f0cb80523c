package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate"
)

func rampVerb(a *app) *cobra.Command {
	var s stepFlags
	var dry bool
	var agents []string
	cmd := &cobra.Command{
		Use:   "ramp STAGE PERCENT",
		Short: "Move a stage (mirror, read-new, cutover) to a percentage of the sessions, up or down",
		Long: `Move a stage to a percentage of the sessions, up or down. The tool takes the
positions between: all sessions are fenced before the first read-new, and each
cohort is sealed before cutover. It returns when every agent has acknowledged.`,
		Example: `  crossfade ramp mirror 1 --agents web-01
  crossfade ramp mirror 100
  crossfade ramp read-new 5 --reason "first real readers"
  crossfade ramp cutover 25 --dry-run`,
		Args: exactly(2, "STAGE PERCENT, such as: crossfade ramp read-new 5"),
		RunE: func(cmd *cobra.Command, args []string) error {
			buckets, err := flags.Percent(args[1])
			if err != nil {
				return usage(err)
			}
			switch args[0] {
			case "mirror", "read-new", "cutover":
			default:
				return usage(errStage(args[0]))
			}
			if len(agents) > 0 && (args[0] != "mirror" || dry) {
				return usage(errors.New("--agents is for crossfade ramp mirror: from fenced on all agents go together"))
			}
			m, err := a.open(s)
			if err != nil {
				return err
			}
			defer m.Close()
			if len(agents) > 0 {
				r, err := m.RampOn(cmd.Context(), agents, buckets, a.progress())
				return a.moved(r, err)
			}
			if dry {
				p, err := m.PlanRamp(cmd.Context(), args[0], buckets)
				return a.plan(p, err)
			}
			r, err := m.Ramp(cmd.Context(), args[0], buckets, a.progress())
			return a.moved(r, err)
		},
	}
	s.add(cmd)
	cmd.Flags().StringSliceVar(&agents, "agents", nil, "mirror on these agents alone: a first host; all others stay off")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be published, and what taking it back would cost; change nothing")
	return cmd
}

func rollbackVerb(a *app) *cobra.Command {
	var s stepFlags
	var to string
	var dry, via bool
	cmd := &cobra.Command{
		Use:   "rollback --to STAGE",
		Short: "Take all sessions back to a stage: read-new, mirror or off",
		Long: `Take all sessions back to a stage. From cutover, what new holds is first copied
back to old and verified.

With --via-store it needs nothing but a store: no server, no flag file, no agent
that answers. It goes by the revision that stands in old and new, and agents
that are cut off acknowledge there, too.`,
		Example: `  crossfade rollback --to read-new
  crossfade rollback --to off --reason "new is too slow at noon"
  crossfade rollback --to mirror --via-store`,
		Args: exactly(0, "--to STAGE"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch to {
			case "read-new", "mirror", "off":
			default:
				return usage(errBack(to))
			}
			if via && dry {
				return usage(errors.New("--dry-run goes by the flag file: leave out --via-store"))
			}
			if via {
				m, stores, err := a.alone(s)
				if err != nil {
					return err
				}
				defer stores.Close()
				r, err := m.RollbackViaStore(cmd.Context(), to, a.progress())
				return a.moved(r, err)
			}
			m, err := a.open(s)
			if err != nil {
				return err
			}
			defer m.Close()
			if dry {
				p, err := m.PlanRollback(cmd.Context(), to)
				return a.plan(p, err)
			}
			r, err := m.Rollback(cmd.Context(), to, a.progress())
			return a.moved(r, err)
		},
	}
	s.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "read-new, mirror or off")
	cmd.Flags().BoolVar(&via, "via-store", false, "with nothing but old and new: the flag file and the agents' admin ports may be out of reach")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be published; change nothing")
	return cmd
}

// moved prints what a step did.
func (a *app) moved(r migrate.Result, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		a.print(r)
		return nil
	}
	if len(r.Steps) == 0 {
		a.printf("nothing to do: ")
	}
	a.printf("revision %d, acknowledged by %d agents: %s\n", r.Epoch, r.Agents, r.State)
	return nil
}

// plan prints what a step would do. A gate that is shut now is exit code 3.
func (a *app) plan(p migrate.Plan, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		a.print(p)
		return nil
	}
	a.printf("now: %s\n", p.State)
	if p.Text != "" {
		label := "also"
		if len(p.Revisions) == 0 {
			label = "then"
		}
		a.printf("%s: %s\n", label, p.Text)
	}
	if len(p.Revisions) == 0 && p.Text == "" && p.Refused == "" {
		a.printf("nothing to do\n")
	}
	for _, r := range p.Revisions {
		a.printf("revision %d: %s\n", r.Epoch, r.Text)
		for _, n := range r.Needs {
			a.printf("    needs: %s\n", n)
		}
	}
	if p.Refused != "" {
		a.printf("now it would be refused: %s\n", p.Refused)
	}
	for _, b := range p.Back {
		a.printf("taking it back: %s\n", b)
	}
	return nil
}
