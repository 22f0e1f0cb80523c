package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/demo"
)

func demoVerb(a *app) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show a whole migration on this machine, under live traffic",
		Long: `Show a whole migration on this machine: some thousand users click on two
agents, are mirrored, fenced, read from new, taken back, and moved for good. A
ledger that knows only what users wrote and were told judges it: exit code 0 if
nobody was logged out, nothing was lost, nothing came back, and nothing was
refused that no fault explains.`,
		Example: `  crossfade demo                 # on embedded stores: needs nothing
  crossfade demo --real          # on a memcached and a Redis that it starts
  crossfade demo --break new     # new is killed and stalled on the way
  crossfade demo --naive         # the usual way, to see what it costs`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Break != "" && o.Break != "old" && o.Break != "new" {
				return usage(fmt.Errorf("--break %s: accepted are old and new", o.Break))
			}
			if o.Naive && o.Break != "" {
				return usage(fmt.Errorf("--naive goes without --break: it breaks by itself"))
			}
			o.Out = a.out
			if a.json {
				o.Out = a.err
			}
			v, err := demo.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if a.json {
				a.print(verdict{Logouts: v.Logouts.Load(), LostWrites: v.LostWrites.Load(), Resurrected: v.Resurrected.Load(),
					Refused: v.Refused.Load(), Allowed: v.Allowed, Requests: v.Requests.Load(), Seconds: v.Took.Seconds()})
			} else {
				for _, f := range v.Findings() {
					fmt.Fprintln(a.out, f)
				}
				fmt.Fprintln(a.out, v)
			}
			if !v.Good() {
				return errNoticed
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Break, "break", "", "kill and stall a store on the way: old or new")
	cmd.Flags().BoolVar(&o.Real, "real", false, "use a memcached and a Redis that are started here")
	cmd.Flags().BoolVar(&o.Naive, "naive", false, "migrate by two percentage flags, without fence or marks")
	cmd.Flags().IntVar(&o.Users, "users", 2000, "users who click all the time; a fifth more idle until the end")
	return cmd
}

// verdict is demo in JSON.
type verdict struct {
	Logouts     int64   `json:"logouts"`
	LostWrites  int64   `json:"lost_writes"`
	Resurrected int64   `json:"resurrected"`
	Refused     int64   `json:"refused"`
	Allowed     int64   `json:"allowed"`
	Requests    int64   `json:"requests"`
	Seconds     float64 `json:"seconds"`
}

// errNoticed: the verdict is printed already.
var errNoticed = fmt.Errorf("the users noticed: see the line above")
