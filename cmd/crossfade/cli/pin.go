package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/darklaunch/kinds"
	"github.com/seed-41165957/crossfade/darklaunch/position"
	"github.com/seed-41165957/crossfade/migrate"
)

// pinFlags are what pin and unpin have alike.
type pinFlags struct {
	stepFlags
	hash string
	dry  bool
}

func (f *pinFlags) add(cmd *cobra.Command) {
	f.stepFlags.add(cmd)
	cmd.Flags().StringVar(&f.hash, "hash", "", "the session's keyed hash, as crossfade status and divergences show it, in place of standard input")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "say what would be published, and what taking it back would cost; change nothing")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if given := len(args) == 1 && args[0] == "-"; given == (f.hash != "") || len(args) > 1 {
			// What was typed may be an id: it is not shown.
			return usage(fmt.Errorf("accepted is crossfade %s -, with the session on standard input, or --hash HASH", cmd.Name()))
		}
		return nil
	}
}

func pinVerb(a *app) *cobra.Command {
	var f pinFlags
	var at string
	cmd := &cobra.Command{
		Use:   "pin -",
		Short: "Hold one session at a position, whatever the ramp says, until unpin",
		Long: `Hold one session at off, mirror, fenced or read-new, whatever the ramp says, until
crossfade unpin. The session is read from standard input: a name that a client
uses, a bare id, or its hash. It goes there position by position, each acknowledged
by every agent, through the gates of a ramp: a pin puts no session ahead of what
they allow. Sealing and cutover are for cohorts. A rollback takes pins along.

While a session is held below fenced, no verification counts; while one is held at
read-new, old cannot be declared down.`,
		Example: "  crossfade pin - --at read-new --reason \"my own, first\"   # then type the id\n  crossfade pin --hash 8f3a0c52b1de44079f6f2a0b6a1c9d3e --at fenced --dry-run",
		RunE: func(cmd *cobra.Command, _ []string) error {
			to, err := position.Parse(at)
			if err != nil {
				return usage(fmt.Errorf("--at %q: accepted are off, mirror, fenced and read-new", at))
			}
			if to > position.ReadNew {
				return usage(fmt.Errorf("--at %v: accepted are off, mirror, fenced and read-new: sealing, cutover and the reverse copy are made for cohorts", to))
			}
			return a.pinned(cmd, &f, func(ctx context.Context, m mover, h flags.Hash) (migrate.Plan, error) {
				return m.PlanPin(ctx, h, to)
			}, func(ctx context.Context, m mover, h flags.Hash) (migrate.Result, error) {
				return m.Pin(ctx, h, to, a.progress())
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&at, "at", "", "off, mirror, fenced or read-new")
	return cmd
}

func unpinVerb(a *app) *cobra.Command {
	var f pinFlags
	cmd := &cobra.Command{
		Use:     "unpin -",
		Short:   "Give a pinned session back to its cohort",
		Long:    "Give a pinned session back to its cohort, position by position, through the gates\nof a ramp. The session is read from standard input.",
		Example: "  crossfade unpin -   # then type the id\n  crossfade unpin --hash 8f3a0c52b1de44079f6f2a0b6a1c9d3e",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.pinned(cmd, &f, func(ctx context.Context, m mover, h flags.Hash) (migrate.Plan, error) {
				return m.PlanUnpin(ctx, h)
			}, func(ctx context.Context, m mover, h flags.Hash) (migrate.Result, error) {
				return m.Unpin(ctx, h, a.progress())
			})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) pinned(cmd *cobra.Command, f *pinFlags, plan func(context.Context, mover, flags.Hash) (migrate.Plan, error), do func(context.Context, mover, flags.Hash) (migrate.Result, error)) error {
	h, err := a.sessionHash(f.hash)
	if err != nil {
		return err
	}
	m, err := a.open(f.stepFlags)
	if err != nil {
		return err
	}
	defer m.Close()
	if f.dry {
		p, err := plan(cmd.Context(), m, h)
		return a.plan(p, err)
	}
	r, err := do(cmd.Context(), m, h)
	return a.moved(r, err)
}

// sessionHash is the keyed hash of the session that somebody means: as given, or
// of what is on standard input. Only the hash leaves this process.
func (a *app) sessionHash(given string) (h flags.Hash, err error) {
	if given != "" {
		if h, err = flags.ParseHash(given); err != nil {
			return h, usage(errors.New("--hash: accepted are 32 of 0-9 and a-f")) // it may be an id: not shown
		}
		return h, nil
	}
	text, err := a.session()
	if err != nil {
		return h, err
	}
	if h, err = flags.ParseHash(text); err == nil {
		return h, nil
	}
	c, err := config.Load(a.config)
	if err != nil {
		return h, usage(err)
	}
	set, err := kinds.Compile(c.Kinds())
	if err != nil {
		return h, usage(err)
	}
	hasher, err := flags.LoadKey(c.Agent.KeyFile)
	if err != nil {
		return h, err
	}
	if ref, ok := set.ResolveString(text); ok {
		return hasher.SumString(ref.ID), nil
	}
	if len(set.ByID(text)) == 0 {
		return h, usage(errors.New("no kind of sessions has such names or ids: see sessions[].keys"))
	}
	return hasher.SumString(text), nil
}

// session reads one session's name, id or hash from standard input.
func (a *app) session() (string, error) {
	text, err := bufio.NewReader(io.LimitReader(a.in, idMost)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", errors.New("standard input cannot be read")
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", usage(errors.New("nothing on standard input: accepted is one session's name, id or hash"))
	}
	return text, nil
}
