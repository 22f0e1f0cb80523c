package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/migrate"
	"github.com/seed-41165957/crossfade/migrate/control"
	"github.com/seed-41165957/crossfade/migrate/plan"
)

func planVerb(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "The way from off to cutover in steps, with soaks and gates: show it, or check a file",
		Example: "  crossfade plan show\n  crossfade plan show --yaml > plan.yaml\n  crossfade plan lint plan.yaml",
		Args:    exactly(0, "show, or lint [FILE]"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var text bool
	show := &cobra.Command{
		Use: "show", Short: "The plan, and where the migration is in it", Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if text && a.json {
				a.print(planText{string(plan.DefaultText())})
				return nil
			}
			if text {
				a.printf("%s", plan.DefaultText())
				return nil
			}
			s, err := a.servers(stepFlags{})
			if err != nil {
				return err
			}
			defer s.Close()
			v, err := s.Plan(cmd.Context())
			if err != nil {
				return err
			}
			if a.json {
				a.print(v)
				return nil
			}
			a.planView(v)
			return nil
		},
	}
	show.Flags().BoolVar(&text, "yaml", false, "print the plan that is built in, to begin a file of one's own with")
	cmd.AddCommand(show, &cobra.Command{
		Use: "lint [FILE]", Short: "Check a plan: without FILE the one that server.plan names", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := ""
			if len(args) == 1 {
				file = args[0]
			} else {
				c, err := config.Load(a.config)
				if err != nil {
					return usage(err)
				}
				file = c.Server.Plan
			}
			p := plan.Default()
			if file != "" {
				var err error
				if p, err = plan.Load(file); err != nil {
					return usage(err)
				}
			}
			if a.json {
				a.print(linted{len(p.Steps)})
				return nil
			}
			for i, s := range p.Steps {
				a.printf("%3d  %-20s %s\n", i+1, s, soakText(s.Soak))
			}
			return nil
		},
	})
	return cmd
}

// planText is plan show --yaml, and linted is plan lint, in JSON.
type (
	planText struct {
		YAML string `json:"yaml"`
	}
	linted struct {
		Steps int `json:"steps"`
	}
)

func soakText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return "soak " + d.String()
}

func (a *app) planView(v control.PlanView) {
	name := v.Name
	if name == "" {
		name = "the one that is built in"
	}
	a.printf("plan: %s\nwaits for: %s\n\n", name, v.Why)
	for i, s := range v.Steps {
		mark := "   "
		switch {
		case i < v.Done:
			mark = "✓  "
		case i == v.Done:
			mark = "→  "
		}
		a.printf("%s%2d  %-20s %-16s on failure: %s\n", mark, i+1, s.Text, soakText(s.Soak), s.Back)
	}
	if len(v.Gates) > 0 {
		a.printf("\n")
	}
	for _, g := range v.Gates {
		a.printf("gate %-11s %-13s %s\n", g.Gate, g.State, g.Text)
	}
}

func advanceVerb(a *app) *cobra.Command {
	var s stepFlags
	var auto, byHand bool
	cmd := &cobra.Command{
		Use:   "advance",
		Short: "Take the plan's next step, once its gates have passed; --auto: let steps follow by themselves",
		Example: `  crossfade advance
  crossfade advance --auto --reason "change 4711"
  crossfade advance --by-hand`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.servers(s)
			if err != nil {
				return err
			}
			defer c.Close()
			if auto || byHand {
				return a.done(c.Auto(cmd.Context(), auto))
			}
			v, err := c.Plan(cmd.Context())
			if err != nil {
				return err
			}
			if v.Done < len(v.Steps) && v.Cutover(v.Done) && !a.json {
				fmt.Fprintf(a.err, "%s: %s\n", v.Steps[v.Done].Text, v.Window())
			}
			r, err := c.Advance(cmd.Context(), v.Done, a.progress())
			switch {
			case err != nil:
				return err
			case a.json:
				a.print(r)
			case r.Result != nil:
				return a.moved(*r.Result, nil)
			default:
				a.printf("%s: %d sessions, %d copied, %d unresolved\n", r.Verb, r.Report.Sessions, r.Report.Copied, r.Report.Unresolved)
			}
			return nil
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&auto, "auto", false, "from now on each step follows by itself when its gates have passed")
	cmd.Flags().BoolVar(&byHand, "by-hand", false, "end --auto: each step waits for crossfade advance")
	cmd.MarkFlagsMutuallyExclusive("auto", "by-hand")
	return cmd
}

func holdVerb(a *app) *cobra.Command {
	return a.ordered("hold", "No further step, until released; a rollback is never held", (*control.Client).PlanHold, func(cmd *cobra.Command, c *control.Client) error { return c.Hold(cmd.Context()) })
}

func releaseVerb(a *app) *cobra.Command {
	return a.ordered("release", "End a hold; where a gate made it, the step soaks anew", (*control.Client).PlanRelease, func(cmd *cobra.Command, c *control.Client) error { return c.Release(cmd.Context()) })
}

func (a *app) ordered(verb, short string, plan func(*control.Client, context.Context) (migrate.Plan, error), do func(*cobra.Command, *control.Client) error) *cobra.Command {
	var s stepFlags
	cmd := &cobra.Command{
		Use: verb, Short: short, Example: "  crossfade " + verb + " --dry-run\n  crossfade " + verb + ` --reason "black friday"`, Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.servers(s)
			if err != nil {
				return err
			}
			defer c.Close()
			return a.done(do(cmd, c))
		},
	}
	cmd.Flags().StringVar(&s.reason, "reason", "", "why: everybody who looks is told, and the log keeps it")
	return dryRun(cmd, func(cmd *cobra.Command, _ []string) error {
		return a.dryServed(cmd.Context(), func(ctx context.Context, c *control.Client) (migrate.Plan, error) { return plan(c, ctx) })
	})
}

// overview is a status, and where the plan stands: nil where nobody goes by one.
func (o *opened) overview(ctx context.Context) (migrate.Overview, *control.PlanView, error) {
	if c, ok := o.mover.(*control.Client); ok {
		all, err := c.Overview(ctx)
		return all.Overview, all.Plan, err
	}
	all, err := o.Status(ctx)
	return all, nil, err
}

// whole is overview with what a server says besides.
func (o *opened) whole(ctx context.Context) (control.Overview, error) {
	if c, ok := o.mover.(*control.Client); ok {
		return c.Overview(ctx)
	}
	all, err := o.Status(ctx)
	return control.Overview{Overview: all}, err
}

func (a *app) windowOf(v control.PlanView) {
	if v.RollbackLeft != nil {
		a.printf("rollback: %s\n", v.Window())
	}
	if v.Done < len(v.Steps) {
		a.printf("plan: %d of %d steps are done, next is %s\n", v.Done, len(v.Steps), v.Steps[v.Done].Text)
	}
}
