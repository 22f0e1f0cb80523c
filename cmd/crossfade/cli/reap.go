package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/backends/hybrid"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
)

func reapVerb(a *app) *cobra.Command {
	var o hybrid.Reap
	cmd := &cobra.Command{
		Use:   "reap",
		Short: "Walk the expired rows behind memcached: write back what lives, delete what does not",
		Long: `Walk the rows of old's table whose deadline has passed (old must be hybrid, with
writes: layer). Where memcached holds the session alive its copy is written
back; what memcached does not have either is deleted. One walks at a time, the
lock is in memcached. Agents do it by themselves where hybrid.reap.every is set.`,
		Example: "  crossfade reap --batch 500 --pause 100ms",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			if c.Old.Hybrid == nil {
				return usage(fmt.Errorf("old is not hybrid: accepted is a configuration with memcached over a table"))
			}
			st, err := parts.OpenStore("old", c.Old, c)
			if err != nil {
				return err
			}
			defer st.Close()
			last := time.Now()
			o.Progress = func(r hybrid.Reaped) {
				if now := time.Now(); now.Sub(last) >= time.Second {
					last = now
					fmt.Fprintf(a.err, "reaping: %d ended, %d written back, %d deleted\n", r.Ended, r.Revived, r.Dropped)
				}
			}
			r, err := st.(*hybrid.Store).Reap(cmd.Context(), o)
			if err != nil {
				return fmt.Errorf("%w (so far: %d written back, %d deleted)", err, r.Revived, r.Dropped)
			}
			if a.json {
				a.print(r)
			} else {
				a.printf("%d rows had ended: %d written back, %d deleted, %d left for the next walk\n", r.Ended, r.Revived, r.Dropped, r.Left)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Batch, "batch", 500, "rows looked at at once")
	cmd.Flags().DurationVar(&o.Pause, "pause", 100*time.Millisecond, "between batches, so that the table serves clients")
	cmd.Flags().DurationVar(&o.Limit, "limit", 10*time.Minute, "how long a walk may last")
	return cmd
}
