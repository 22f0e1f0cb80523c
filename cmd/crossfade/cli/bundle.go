package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/seed-41165957/crossfade/cmd/crossfade/bundle"
	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/migrate/audit"
)

// auditTail is how many of the log's last lines are in a bundle.
const auditTail = 200

// bundled is support-bundle in JSON.
type bundled struct {
	File    string   `json:"file"`
	Files   []string `json:"files"`
	Missing []string `json:"missing,omitempty"` // what could not be had, and why
}

// versions is who runs what.
type versions struct {
	Crossfade string            `json:"crossfade"`
	Go        string            `json:"go"`
	System    string            `json:"system"`
	At        time.Time         `json:"at"`
	Agents    map[string]string `json:"agents,omitempty"`
	Stores    map[string]string `json:"stores,omitempty"`
}

func bundleVerb(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "support-bundle [FILE]",
		Short: "What somebody needs who helps: configuration without secrets, status, plan, metrics, divergences, log, versions",
		Long: `Write a tar.gz for somebody who helps: the configuration without secrets, status
and plan, the flag set, the metrics that can be reached from here, the last
divergences (hashes and lengths), the last 200 lines of the log, the rows of check,
versions. No session id, no data, no password and no token is in it; addresses of
webhooks are cut to their host. What could not be had is named in it. Without FILE
it is named for the migration and the time; a file that is there is not replaced.`,
		Example: "  crossfade support-bundle\n  crossfade support-bundle crossfade.tar.gz",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(a.config)
			if err != nil {
				return usage(err)
			}
			folder := "crossfade-" + c.Migration + "-" + time.Now().UTC().Format("20060102T150405.000Z")
			name := folder + ".tar.gz"
			if len(args) == 1 {
				name = args[0]
			}
			f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("support-bundle: %w", err)
			}
			w := bundle.New(f, folder, secretsOf(c))
			a.collect(cmd.Context(), c, w)
			names, missing, err := w.Close()
			if err := errors.Join(err, f.Close()); err != nil {
				return errors.Join(err, os.Remove(name))
			}
			if a.json {
				a.print(bundled{name, names, missing})
				return nil
			}
			a.printf("made %s: %d texts; look through it before it leaves the house\n", name, len(names))
			for _, m := range missing {
				a.printf("missing: %s\n", m)
			}
			return nil
		},
	}
}

// collect adds everything that can be had.
func (a *app) collect(ctx context.Context, c *config.Config, w *bundle.Writer) {
	text, err := yaml.Marshal(c)
	w.Text("configuration.yaml", text, err)
	v := versions{Crossfade: parts.Version(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, At: time.Now().UTC(), Agents: map[string]string{}, Stores: storeVersions(ctx, c)}
	if m, err := a.open(stepFlags{}); err != nil {
		w.JSON("status.json", nil, err)
	} else {
		o, err := m.whole(ctx)
		for _, g := range o.Agents {
			if g.Status != nil {
				v.Agents[g.Name] = g.Status.Version
			}
		}
		w.JSON("status.json", o, err)
		by, err := m.Divergences(ctx)
		w.JSON("divergences.json", by, err)
		m.Close()
	}
	w.JSON("versions.json", v, nil)
	if len(c.Flags.Server) > 0 {
		s, err := client(c, stepFlags{})
		if err == nil {
			view, errPlan := s.Plan(ctx)
			w.JSON("plan.json", view, errPlan)
			s.Close()
		}
	}
	set, err := a.flagSet(ctx)
	w.Text("flags.json", set, err)
	log, err := a.audited(ctx)
	w.JSON("audit.json", struct {
		Checked audit.Checked `json:"checked"`
		Last    []audit.Entry `json:"last"`
	}{log.Checked, log.Entries[max(0, len(log.Entries)-auditTail):]}, err)
	w.JSON("check.json", check(ctx, c), nil)
	for _, addr := range metricsOf(c) {
		text, err := scrape(ctx, c, addr)
		w.Text("metrics/"+addr+".prom", text, err)
	}
}

// storeVersions asks the stores what they are.
func storeVersions(ctx context.Context, c *config.Config) map[string]string {
	out := map[string]string{}
	for side, s := range map[string]config.Store{"old": c.Old, "new": c.New} {
		for _, r := range checkStore(ctx, side, s, c) {
			if r.Name == side+" answers" && r.OK {
				out[side] = r.Found
			}
		}
	}
	return out
}

// metricsOf are the addresses where metrics can be read: agents that a server
// leads are reached by the server alone, but for this host's.
func metricsOf(c *config.Config) []string {
	addrs := append([]string{c.Listen.Admin}, c.Flags.Agents...)
	addrs = append(addrs, c.Flags.Server...)
	slices.Sort(addrs)
	return slices.DeleteFunc(slices.Compact(addrs), func(a string) bool { return a == "" })
}

func scrape(ctx context.Context, c *config.Config, addr string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	t := &http.Transport{DisableKeepAlives: true}
	if slices.Contains(c.Flags.Server, addr) {
		dial, err := parts.Dial(c, nil)
		if err != nil {
			return nil, err
		}
		t.DialContext = dial
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	p, err := t.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	defer p.Body.Close()
	if p.StatusCode != http.StatusOK {
		return nil, errors.New(p.Status)
	}
	return io.ReadAll(io.LimitReader(p.Body, 8<<20))
}

// secretsOf are what the files hold that the configuration names: they are in
// nothing that is collected, and looked for there all the same.
func secretsOf(c *config.Config) (secrets []string) {
	for _, path := range c.SecretFiles() {
		if b, err := os.ReadFile(path); err == nil {
			for line := range strings.Lines(string(b)) {
				secrets = append(secrets, strings.TrimSpace(line))
			}
		}
	}
	return secrets
}
