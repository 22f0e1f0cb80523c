package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/darklaunch/position"
)

// completeMost is how long a shell waits for names that servers know.
const completeMost = 2 * time.Second

type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// words completes the arguments of a verb, each from a closed set.
func words(each ...[]string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) < len(each) {
			return each[len(args)], cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// fileNames completes the last of n arguments as the name of a file.
func fileNames(n int) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) < n {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

// complete says what stands after each verb and flag. What is not named takes no
// arguments: a shell would offer files there.
func (a *app) complete(root *cobra.Command) {
	stages := []string{position.Mirror.Stage(), position.ReadNew.Stage(), position.Cutover.Stage()}
	back := []string{position.ReadNew.Stage(), position.Mirror.Stage(), position.Off.Stage()}
	stdin := []string{"-"}
	verbs := map[string]completer{
		"crossfade ramp":           words(stages, []string{"1", "5", "10", "25", "50", "100"}),
		"crossfade agents forget":  a.agentNames,
		"crossfade plan lint":      fileNames(1),
		"crossfade explain":        words(stdin),
		"crossfade declare-down":   words([]string{"old"}),
		"crossfade recover":        words([]string{"old"}),
		"crossfade repair undo":    fileNames(1),
		"crossfade observe":        words([]string{"10m", "1h", "24h"}),
		"crossfade support-bundle": fileNames(1),
		"crossfade man":            fileNames(1),
	}
	flags := map[string]completer{
		"to":        words(back),
		"break":     words([]string{"old", "new"}),
		"log-level": words([]string{"debug", "info", "warn", "error"}),
		"agents":    a.agentNames,
	}
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		switch f, known := verbs[cmd.CommandPath()]; {
		case known:
			cmd.ValidArgsFunction = f
		case cmd.ValidArgsFunction == nil && !cmd.HasSubCommands():
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for name, f := range flags {
			if cmd.LocalNonPersistentFlags().Lookup(name) != nil {
				// The values of a flag do not depend on the arguments before it.
				cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
					return f(cmd, nil, typed)
				})
			}
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
	root.MarkPersistentFlagFilename("config", "yaml", "yml")
}

// agentNames asks the servers for their roster.
func (a *app) agentNames(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := a.servers(stepFlags{})
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completeMost)
	defer cancel()
	ms, err := s.Members(ctx)
	if err != nil { // a shell is no place for an error
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
