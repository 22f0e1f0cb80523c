package cli

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
	"github.com/seed-41165957/crossfade/migrate/control"
)

// idMost is longer than any name that a store takes.
const idMost = 512

func explainVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain -",
		Short: "For one session: where each operation goes and why, what each store holds",
		Long: `For one session, read from standard input (a name that a client uses, a bare
id, or its hash): bucket, stage, where each operation goes and why, and what each
store holds: lengths, sums and deadlines, never data. An id is never taken from
the command line, where others could read it.`,
		Example: "  crossfade explain -   # then type the id and press enter",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != "-" {
				// What was typed may be an id: it is not shown.
				return usage(errors.New("accepted is crossfade explain -, with the session on standard input"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.session()
			if err != nil {
				return err
			}
			q := agentapi.Question{Session: text}
			if _, err := flags.ParseHash(text); err == nil {
				q = agentapi.Question{Hash: text}
			}
			m, err := a.open(stepFlags{})
			if err != nil {
				return err
			}
			defer m.Close()
			xs, agent, err := m.Explain(cmd.Context(), q)
			if err != nil {
				return err
			}
			if a.json {
				a.print(control.Explained{Agent: agent, Sessions: xs})
				return nil
			}
			for _, x := range xs {
				a.explained(agent, x)
			}
			return nil
		},
	}
}

func (a *app) explained(agent string, x agentapi.Explained) {
	a.printf("session %s (%s), as agent %s sees it\n", x.Hash, or(x.Kind, "kind not known from a hash"), agent)
	a.printf("position %s (stage %s): %s; a write is decided by %s\n", x.Position, x.Stage, x.Why, x.Decider)
	if x.Settled {
		a.printf("settled: where old fails, new takes the write alone\n")
	}
	if x.Been {
		a.printf("its bucket has been in cutover\n")
	}
	if x.Down != "" {
		a.printf("declared down: %s\n", x.Down)
	}
	for _, w := range x.Operates {
		after := ""
		if w.After != "" {
			after = "; after the answer: " + w.After
		}
		a.printf("  %-7s %s%s\n", w.Op, strings.Join(w.Calls, ", "), after)
	}
	if x.Old == nil {
		return
	}
	a.held("old", x.Old)
	a.held("new", x.New)
	if x.Old.Found && x.New.Found {
		a.printf("data: %s\n", map[bool]string{true: "the same in both", false: "different"}[x.Old.Sum == x.New.Sum])
	}
	if x.Marks != nil && *x.Marks != 0 {
		a.printf("marks in old: %d: new does not surely have the last write (-1: could not be read)\n", *x.Marks)
	}
}

func (a *app) held(store string, h *agentapi.Held) {
	switch {
	case h.Error != "":
		a.printf("%s: did not answer (%s)\n", store, h.Error)
	case h.Found && h.Deadline != nil:
		a.printf("%s: %d bytes, flags %d, until %s\n", store, h.Bytes, h.Flags, h.Deadline.Format("2006-01-02 15:04:05 MST"))
	case h.Found:
		a.printf("%s: %d bytes, flags %d, deadline none or not known\n", store, h.Bytes, h.Flags)
	case h.Gone:
		a.printf("%s: deleted, a tombstone stands\n", store)
	default:
		a.printf("%s: nothing\n", store)
	}
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
