package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/prove"
)

func proveVerb(a *app) *cobra.Command {
	var o prove.Options
	var faults, suppose []string
	var ask bool
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Walk the rules with what this configuration's stores can do, and say which promises hold",
		Long: `Walk every order in which answers, failures, late calls, revisions, copies and
crashes can come, through the rules that agents obey, with what this
configuration's stores can do, its locks, its read_new.unconfirmed, its
cutover.keep_old and its flag source. For each promise: held or not, and through
how many states; where it is not held, the shortest history that was found, and
what setting would hold it. Exit code 0 if all are held, 1 if not.

What a store can do is what it declares; no server is needed. A Redis is taken
to keep what it has (maxmemory-policy noeviction); with --ask it is asked.
Where a store cannot list what it holds, or cannot tell whether a call that was
given up may still arrive, no promise is at stake: the steps that need it wait.`,
		Example: `  crossfade prove
  crossfade prove --faults new,late --time 30s
  crossfade prove --suppose two-flags    # the usual way: what would break?`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			s, err := setupOf(c)
			if err != nil {
				return usage(err)
			}
			if s.Faults, err = faultsOf(faults); err != nil {
				return usage(err)
			}
			if ask {
				askEvicts(&s, c)
			}
			if err := supposed(&s, suppose); err != nil {
				return usage(err)
			}
			r, err := a.proving(cmd.Context(), s, o)
			if err != nil {
				return err
			}
			if a.json {
				a.print(proof{Old: s.Old, New: s.New, Flags: s.Flags.String(), Locks: s.Locks, Held: r.Held(), Seconds: r.Took.Seconds(), Report: r})
			} else {
				a.printf("%s\n", taken(s))
				table(a.out, r)
			}
			if !r.Held() {
				return errNotHeld
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&faults, "faults", []string{"old", "new", "late", "crash"}, "what may go wrong: old, new (calls fail), late (calls given up arrive later), crash (agents die, are cut off); or none")
	cmd.Flags().StringSliceVar(&suppose, "suppose", nil, "prove as if: two-flags, unacknowledged, no-marks")
	cmd.Flags().DurationVar(&o.Time, "time", 2*time.Minute, "how long it may take; walks that do not fit are left out, and counted")
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "one operation on each way only: about a second")
	cmd.Flags().BoolVar(&ask, "ask", false, "ask the servers whether they evict")
	return cmd
}

// errNotHeld: the report is printed already.
var errNotHeld = errors.New("not every promise is held: see above")

// proof is the report in JSON.
type proof struct {
	Old     prove.Store `json:"old"`
	New     prove.Store `json:"new"`
	Flags   string      `json:"flags"`
	Locks   bool        `json:"locks"`
	Held    bool        `json:"held"`
	Seconds float64     `json:"seconds"`
	prove.Report
}

// proving runs it, and says every two seconds how far it is.
func (a *app) proving(ctx context.Context, s prove.Setup, o prove.Options) (prove.Report, error) {
	var mu sync.Mutex // guards now
	now := "proving: the first walk"
	o.Progress = func(done, of, states int) {
		mu.Lock()
		defer mu.Unlock()
		now = fmt.Sprintf("proving: %d of %d walks, %d states", done, of, states)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for t := time.NewTicker(quiet); ; {
			select {
			case <-stop:
				t.Stop()
				return
			case <-t.C:
				mu.Lock()
				fmt.Fprintln(a.err, now)
				mu.Unlock()
			}
		}
	})
	r, err := prove.Run(ctx, s, o)
	close(stop)
	wg.Wait()
	return r, err
}

// table prints the verdicts, then what was found.
func table(out io.Writer, r prove.Report) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, v := range r.Verdicts {
		held := "held"
		if !v.Held {
			held = "NOT HELD"
		}
		fmt.Fprintf(w, "%s\t%s\t%d states in %d walks\n", v.Promise, held, v.States, v.Walks)
	}
	w.Flush()
	for _, v := range r.Verdicts {
		if v.Held {
			continue
		}
		fmt.Fprintf(out, "\n%s is not held (%s, %s):\n", v.Promise, v.Where, counted(v.Faults, "failing call"))
		for i, h := range v.History {
			fmt.Fprintf(out, "%4d. %s\n", i+1, h)
		}
		fmt.Fprintf(out, "   what would hold it: %s\n", v.Setting)
	}
	fmt.Fprintf(out, "\n%d states in %s, %v", r.States, counted(r.Walks, "walk"), r.Took.Round(time.Second/10))
	if r.LeftOut > 0 {
		fmt.Fprintf(out, "; %s did not fit into the time (--time), and prove nothing", counted(r.LeftOut, "walk"))
	}
	fmt.Fprintln(out)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// taken says what was proved.
func taken(s prove.Setup) string {
	var b strings.Builder
	for _, side := range []struct {
		name string
		s    prove.Store
	}{{"old", s.Old}, {"new", s.New}} {
		fmt.Fprintf(&b, "%s: %s", side.name, side.s.Name)
		for _, can := range []struct {
			is   bool
			text string
		}{{side.s.Evicts, "may throw out what lives"}, {side.s.Tiers, "two tiers"}, {side.s.HostScoped, "each host has its own"},
			{side.name == "old" && !side.s.Marks, "holds no marks"}} {
			if can.is {
				b.WriteString(", " + can.text)
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "flags: %s; locks: %v; settled read-new writes new alone: %v; cutover keeps old: %v\n", s.Flags, s.Locks, !s.RefuseUnconfirmed, s.KeepOld)
	return b.String()
}
