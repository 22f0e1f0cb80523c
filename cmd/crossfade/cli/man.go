package cli

import (
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manVerb writes what the package installs; a person reads --help.
func manVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write a manual page for each verb",
		Example: "  crossfade man man1",
		Args:    exactly(1, "DIR"),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // no date of today: equal sources make equal pages
			return a.done(doc.GenManTree(root, &doc.GenManHeader{Title: "CROSSFADE", Section: "1", Source: "Crossfade", Manual: "Crossfade", Date: built()}, args[0]))
		},
	}
}

// built is the time of the sources, as far as the binary knows it.
func built() *time.Time {
	at := time.Unix(0, 0).UTC()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					at = t
				}
			}
		}
	}
	return &at
}
