package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

func flagsVerb(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "flags",
		Short:   "The flag set, for other programs",
		Example: "  crossfade flags export > flags.json",
		Args:    exactly(0, "export"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "export",
		Short: "Write the flag set to standard output, as flagd's JSON",
		Long: `Write the newest flag set to standard output, byte for byte, as flagd's JSON:
for a flagd, for an agent elsewhere (flags.url), or for a backup. A set that is
not well-formed is not written. A server gives the same at GET /flags.json.`,
		Example: "  crossfade flags export > flags.json",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := a.flagSet(cmd.Context())
			if err != nil {
				return err
			}
			_, err = a.out.Write(data)
			return err
		},
	})
	return cmd
}

// flagSet is the newest flag set: the servers', the flag file, or what an address
// gives.
func (a *app) flagSet(ctx context.Context) ([]byte, error) {
	c, err := config.Load(a.config)
	if err != nil {
		return nil, usage(err)
	}
	var data []byte
	switch {
	case len(c.Flags.Server) > 0:
		s, err := client(c, stepFlags{})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if data, err = s.Flags(ctx); err != nil {
			return nil, err
		}
	case c.Flags.URL != "":
		kept, local, err := parts.LocalFlags(c, "", nil)
		if err == nil {
			err = local.Load(ctx)
		}
		if err != nil {
			return nil, err
		}
		if kept.Status().Elsewhere {
			return nil, errors.New("flags.url: what is given there was made elsewhere, and is no flag set of this migration")
		}
		return kept.Current().Definition().MarshalFlagd()
	default:
		if data, err = os.ReadFile(c.Flags.File); err != nil {
			return nil, fmt.Errorf("%w: crossfade ramp mirror 0 writes the first revision", err)
		}
	}
	s, err := flags.Parse(data)
	if err == nil && s.Migration() != c.Migration {
		err = fmt.Errorf("the flags are of migration %q", s.Migration())
	}
	return data, err
}
