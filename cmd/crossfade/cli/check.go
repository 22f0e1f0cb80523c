package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/backends"
	"github.com/seed-41165957/crossfade/backends/files"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/darklaunch"
	"github.com/seed-41165957/crossfade/darklaunch/flags"
	"github.com/seed-41165957/crossfade/migrate/agentapi"
)

// row is one thing that was looked at.
type row struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Found string `json:"found"`
	Want  string `json:"want"`
	Mend  string `json:"mend,omitempty"` // what puts it right
}

func checkVerb(a *app) *cobra.Command {
	var fleet bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look whether everything is as a migration needs it",
		Long: `Look at the configuration, the stores, the flags and the agents before anything
moves. Each row: what was found, what is wanted, and what puts it right. Exit
code 3 if a row is not as it must be. With --fleet also: each agent's version,
configuration, revision and clock, what the stores allow us, and whether new has
room for old's sessions (a sample of old is read).`,
		Example: "  crossfade check --fleet",
		Args:    exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			rows := check(cmd.Context(), c)
			if fleet {
				rows = append(rows, checkFleet(cmd.Context(), c)...)
			}
			bad := 0
			for _, r := range rows {
				if !r.OK {
					bad++
				}
			}
			if a.json {
				a.print(rows)
			} else {
				w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
				for _, r := range rows {
					if r.OK {
						fmt.Fprintf(w, "ok\t%s\t%s\n", r.Name, r.Found)
						continue
					}
					fmt.Fprintf(w, "NO\t%s\tfound: %s\n\t\twanted: %s\n\t\tdo: %s\n", r.Name, r.Found, r.Want, r.Mend)
				}
				w.Flush()
			}
			if bad > 0 {
				return checkFailed(bad)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&fleet, "fleet", false, "look at all agents and at what the stores allow, too")
	return cmd
}

// checkFailed is how many rows are not as they must be.
type checkFailed int

func (n checkFailed) Error() string {
	return fmt.Sprintf("%d of the rows are not as they must be: put them right, and run crossfade check again", int(n))
}

const checkTimeout = 3 * time.Second

func check(ctx context.Context, c *config.Config) []row {
	rows := []row{checkKey(c)}
	rows = append(rows, checkStore(ctx, "old", c.Old, c)...)
	rows = append(rows, checkStore(ctx, "new", c.New, c)...)
	rows = append(rows, checkReach(c)...)
	if len(c.Flags.Server) > 0 {
		return append(rows, checkServers(ctx, c)...)
	}
	rows = append(rows, checkFlags(ctx, c))
	return append(rows, checkAgents(ctx, c)...)
}

func checkKey(c *config.Config) row {
	r := row{Name: "agent.key_file", Want: "a key of 32 bytes that nobody else can read, the same on every host"}
	h, err := flags.LoadKey(c.Agent.KeyFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.OK, r.Found = true, "not there yet: the first agent makes it; copy it to the other hosts"
	case err != nil:
		r.Found, r.Mend = err.Error(), "move the file away and copy that of another host"
	default:
		r.OK, r.Found = true, "digest "+h.Digest()
		if info, err := os.Stat(c.Agent.KeyFile); err == nil && info.Mode().Perm()&0o077 != 0 {
			r.OK, r.Found, r.Mend = false, "mode "+info.Mode().Perm().String(), "chmod 600 "+c.Agent.KeyFile
		}
	}
	return r
}

func checkStore(ctx context.Context, side string, s config.Store, c *config.Config) []row {
	reach := row{Name: side + " answers", Want: "an answer within " + checkTimeout.String()}
	if s.Memory != nil {
		reach.OK, reach.Found = true, "memory: inside the agent, for trials"
		return []row{reach}
	}
	if s.Files != nil {
		return checkFiles(ctx, side, s.Files, c)
	}
	st, err := parts.OpenStore(side, s, c)
	if err != nil {
		reach.Found, reach.Mend = err.Error(), "correct "+side+" in the configuration"
		return []row{reach}
	}
	defer st.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	h, err := st.(backends.Healther).Health(ctx)
	if err != nil {
		reach.Found, reach.Mend = err.Error(), "see that the server runs, and that address and password are right"
		return []row{reach}
	}
	reach.OK, reach.Found = true, h.Product+" "+h.Version
	able := row{Name: side + " is able", Want: "tokens, tombstones, marks, locks", Found: "all", OK: true}
	if _, ok := st.(darklaunch.Abilities); !ok {
		able.OK, able.Found, able.Mend = false, "not all", "use a server that has them"
	}
	evict := row{Name: side + " evicts", OK: true, Found: "no", Want: "no, or that you know it"}
	if h.Evicts {
		evict.Found = fmt.Sprintf("it may: %d so far; a miss there proves nothing, and is an error while the other store cannot say", h.Evictions)
		if side == "new" {
			evict.OK, evict.Want = false, "no: sessions would be logged out when memory is short"
			evict.Mend = "redis-cli config set maxmemory-policy noeviction"
			if h.Product != "redis" {
				evict.Mend = "give it memory for all sessions, and start it with -M"
			}
		}
	}
	if h.Note != "" {
		evict.Found += "; " + h.Note
	}
	return []row{reach, able, evict}
}

func checkFiles(ctx context.Context, side string, f *config.Files, c *config.Config) (rows []row) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, f := range files.Preflight(ctx, parts.FilesOptions(f, c.Migration)) {
		rows = append(rows, row{Name: side + " files: " + f.Name, OK: f.OK, Found: f.Found, Want: f.Want, Mend: f.Mend})
	}
	return rows
}

func checkFlags(ctx context.Context, c *config.Config) row {
	r := row{Name: "flags.file", Want: "a definition of this migration"}
	if c.Flags.URL != "" {
		return checkURL(ctx, c)
	}
	f := flags.NewFile(c.Flags.File, flags.FileOptions{Migration: c.Migration})
	if err := f.Load(); err != nil {
		r.Found, r.Mend = err.Error(), "crossfade ramp mirror 0"
		return r
	}
	r.OK, r.Found = true, fmt.Sprintf("epoch %d", f.Current().Epoch())
	return r
}

// checkURL asks once, as an agent would.
func checkURL(ctx context.Context, c *config.Config) row {
	r := row{Name: "flags.url", Want: "flagd's JSON with the flag " + flags.Key}
	kept, local, err := parts.LocalFlags(c, "", nil)
	if err == nil {
		err = local.Load(ctx)
	}
	if err != nil {
		r.Found, r.Mend = err.Error(), "put right what answers there, or flags.url, ca_file and token_file"
		return r
	}
	r.OK, r.Found = true, fmt.Sprintf("epoch %d", kept.Current().Epoch())
	if kept.Status().Elsewhere {
		r.Found = "made elsewhere, without our epoch: it moves sessions between off and mirror alone"
	}
	return r
}

func checkAgents(ctx context.Context, c *config.Config) []row {
	if c.Flags.URL != "" { // whoever moves the migration knows them
		return nil
	}
	if len(c.Flags.Agents) == 0 {
		return []row{{Name: "flags.agents", Found: "none", Want: "the admin address of every agent: without them a migration stops at mirror",
			Mend: "name them in the configuration"}}
	}
	var o agentapi.ClientOptions
	if c.Listen.AdminTokenFile.Set() {
		o.Token = c.Listen.AdminTokenFile.Read
	}
	digests := map[string][]string{}
	var rows []row
	for _, addr := range c.Flags.Agents {
		r := row{Name: "agent " + addr, Want: "it answers, and has our configuration"}
		st, err := askAgent(ctx, addr, o)
		if err != nil {
			r.Found, r.Mend = err.Error(), "start it: crossfade agent"
		} else {
			r.OK, r.Found = true, fmt.Sprintf("%s, %s, epoch %d", st.Agent, st.State, st.Epoch)
			digests[st.Digest] = append(digests[st.Digest], st.Agent)
		}
		rows = append(rows, r)
	}
	return append(rows, configurations(digests)...)
}

// checkReach says who reaches the admin port, and how: it speaks no TLS.
func checkReach(c *config.Config) []row {
	if c.Listen.Admin == "" || config.Loopback(c.Listen.Admin) {
		return nil
	}
	return []row{{Name: "listen.admin", OK: true, Want: "loopback, or a network of its own",
		Found: c.Listen.Admin + " can be reached from outside, without TLS: metrics are for anybody, and who asks for more sends listen.admin_token_file's token in clear; with flags.server nobody has to"}}
}

func askAgent(ctx context.Context, addr string, o agentapi.ClientOptions) (agentapi.Status, error) {
	client, err := agentapi.NewClient(addr, o)
	if err != nil {
		return agentapi.Status{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	return client.Status(ctx)
}
