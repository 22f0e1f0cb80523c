package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/config"
	"github.com/seed-41165957/crossfade/cmd/crossfade/setup"
)

// question is one that init asks: by its flag, or on a terminal.
type question struct {
	flag, text string
	value      *string
	// propose is what an empty answer means; nil or "": there must be one.
	propose func(setup.Found, *setup.Answers) string
	// only where this is true; nil: always.
	only func(*setup.Answers) bool
}

func questions(a *setup.Answers) []question {
	isFiles := func(a *setup.Answers) bool { return strings.HasPrefix(a.Old, "files:") }
	return []question{
		{"client", "What keeps the sessions today (" + strings.Join(setup.Names(), ", ") + ")", &a.Client,
			func(f setup.Found, _ *setup.Answers) string { return f.Client }, nil},
		{"old", "The store that sessions leave (memcached:HOST:PORT, redis:HOST:PORT, files:DIR …)", &a.Old,
			func(f setup.Found, a *setup.Answers) string {
				c, _ := setup.ClientOf(a.Client)
				switch {
				case c.Speaks == "files" && f.Files != "":
					return "files:" + f.Files
				case c.Speaks == "memcached":
					return f.Memcached
				case c.Speaks == "redis":
					return f.Redis
				}
				return ""
			}, nil},
		{"max-lifetime", "PHP's session.gc_maxlifetime", &a.Lifetime,
			func(f setup.Found, _ *setup.Answers) string { return f.Lifetime }, isFiles},
		{"new", "The store that they move to (redis:HOST:PORT, redis-cluster:…, redis-sentinel:MASTER@…)", &a.New,
			func(f setup.Found, a *setup.Answers) string {
				if f.Redis == a.Old {
					return ""
				}
				return f.Redis
			}, nil},
	}
}

func initVerb(a *app) *cobra.Command {
	var ans setup.Answers
	var yes bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a configuration from what answers on this host and a few questions",
		Long: `Make the file that --config names, mode 0600; one that is there is not
overwritten. It looks at what answers on this host (memcached, Redis, Sentinel,
MySQL, PHP's settings) and asks on a terminal; each question has a flag, and
without a terminal those are needed. Passwords are named by their files.`,
		Example: `  crossfade init
  crossfade init --client php-memcached --old memcached:10.0.0.1:11211 --new redis:10.0.0.2:6379`,
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Lstat(a.config); err == nil { // before anybody is asked
				return usage(fmt.Errorf("%s is there already and is not overwritten: name another with --config", a.config))
			}
			qs := questions(&ans)
			var found setup.Found
			terminal := a.terminal()
			if terminal || yes {
				found = setup.Look(cmd.Context(), setup.Places{})
			}
			if err := a.ask(qs, &ans, found, terminal, yes); err != nil {
				return err
			}
			text, err := setup.Render(ans)
			if err != nil {
				return usage(err)
			}
			if err := setup.Write(a.config, text); err != nil {
				return err
			}
			made, err := config.Parse(a.config, text)
			if err != nil {
				return err
			}
			c, _ := setup.ClientOf(ans.Client)
			next := []string{"crossfade agent", "crossfade check", "crossfade ramp mirror 0"}
			for i := range next {
				if a.config != "crossfade.yaml" {
					next[i] += " --config " + a.config
				}
			}
			if a.json {
				a.print(inited{a.config, notes(c, found, made), next})
				return nil
			}
			a.printf("made %s\n", a.config)
			for _, n := range notes(c, found, made) {
				a.printf("note: %s\n", n)
			}
			a.printf("next:\n")
			for _, n := range next {
				a.printf("  %s\n", n)
			}
			return nil
		},
	}
	f := cmd.Flags()
	for _, q := range questions(&ans) {
		f.StringVar(q.value, q.flag, "", q.text)
	}
	f.StringVar(&ans.Migration, "migration", "sessions", "its name, and the prefix of what Crossfade keeps in a store")
	f.StringVar(&ans.MaxAge, "max-age", "48h", "the longest life of a session")
	f.StringVar(&ans.OldPasswordFile, "old-password-file", "", "a file with old's password")
	f.StringVar(&ans.NewPasswordFile, "new-password-file", "", "a file with new's password")
	f.StringSliceVar(&ans.Agents, "agents", []string{"127.0.0.1:9311"}, "the admin address of every agent")
	f.StringVar(&ans.StateDir, "state-dir", "state", "where the state, the hash key and the flags are")
	f.BoolVar(&yes, "yes", false, "take what was found on this host, and ask nothing")
	return cmd
}

func notes(c setup.Client, f setup.Found, made *config.Config) []string {
	var streams []string
	for _, addr := range append(made.Listen.Memcached, made.Listen.Redis...) {
		streams = append(streams, "ListenStream="+strings.TrimPrefix(addr, "unix:"))
	}
	out := []string{"with crossfade-agent.socket: systemctl edit it, [Socket], an empty ListenStream=, then " + strings.Join(streams, ", ")}
	if c.Note != "" {
		out = append(out, c.Name+": "+c.Note)
	}
	return append(out, f.Notes...)
}

// terminal tells whether somebody can be asked.
func (a *app) terminal() bool {
	f, ok := a.in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// ask fills in what no flag has said. Without a terminal it names every flag
// that is missing.
func (a *app) ask(qs []question, ans *setup.Answers, found setup.Found, terminal, yes bool) error {
	in := bufio.NewReader(a.in)
	var missing []string
	for _, q := range qs {
		if *q.value != "" || q.only != nil && !q.only(ans) {
			continue
		}
		proposal := q.propose(found, ans)
		switch {
		case yes && proposal != "":
			*q.value = proposal
			continue
		case yes || !terminal:
			missing = append(missing, "--"+q.flag)
			continue
		}
		for *q.value == "" {
			fmt.Fprint(a.err, q.text)
			if proposal != "" {
				fmt.Fprintf(a.err, " [%s]", proposal)
			}
			fmt.Fprint(a.err, ": ")
			line, err := in.ReadString('\n')
			if *q.value = strings.TrimSpace(line); *q.value == "" {
				*q.value = proposal
			}
			if errors.Is(err, io.EOF) && *q.value == "" {
				return usage(fmt.Errorf("no answer: give it with --%s", q.flag))
			}
		}
	}
	if len(missing) > 0 {
		return usage(fmt.Errorf("there is no terminal to ask on: missing are %s", strings.Join(missing, ", ")))
	}
	return nil
}

// inited is init in JSON.
type inited struct {
	File  string   `json:"file"`
	Notes []string `json:"notes,omitempty"`
	Next  []string `json:"next"`
}
