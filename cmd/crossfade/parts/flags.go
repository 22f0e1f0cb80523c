package parts

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
)

// Local is flags that an agent reads by itself: a file, or an address. Run
// follows them until ctx ends; Load looks once.
type Local interface {
	flags.Source
	Load(ctx context.Context) error
	Run(ctx context.Context) error
}

// LocalFlags are the flags that the configuration names, and what they feed;
// local is nil where servers feed it. stateDir: see Open. failed is told when the
// files of ca_file, cert_file and key_file cannot be read again; nil: nobody is.
func LocalFlags(c *config.Config, stateDir string, failed func(error)) (kept *flags.Kept, local Local, err error) {
	switch {
	case c.Flags.File != "":
		f := flags.NewFile(c.Flags.File, flags.FileOptions{StateDir: stateDir, Migration: c.Migration, Agent: c.Agent.Name})
		return f.Kept, file{f}, nil
	case c.Flags.URL != "":
		o := flags.URLOptions{StateDir: stateDir, Migration: c.Migration, Agent: c.Agent.Name}
		if c.Flags.TokenFile.Set() {
			o.Token = c.Flags.TokenFile.Read
		}
		dial, err := Dial(c, failed)
		if err != nil {
			return nil, nil, err
		}
		// Dial speaks TLS by ca_file; nil: the system's certificates count.
		o.Transport = &http.Transport{DialTLSContext: dial, IdleConnTimeout: time.Minute}
		u, err := flags.NewURL(c.Flags.URL, o)
		if err != nil {
			return nil, nil, fmt.Errorf("flags.url: %w", err)
		}
		return u.Kept, u, nil
	}
	return flags.NewKept(flags.KeptOptions{StateDir: stateDir, Migration: c.Migration, Agent: c.Agent.Name}), nil, nil
}

// file is a flag file, which needs no context to be read.
type file struct{ *flags.File }

func (f file) Load(context.Context) error { return f.File.Load() }
