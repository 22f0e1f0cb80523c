// Package cli is the command line: one file for each verb, and what they share.
// It promises one meaning for each exit code (0 done, 1 failed, 2 usage, 3
// refused by a gate, 4 inconclusive), JSON on standard output with --json and
// nothing else there, progress on standard error, and no session id in an
// argument: those that need one read it from standard input.
//
//	code := cli.Run(ctx, []string{"ramp", "mirror", "5"}, os.Stdin, os.Stdout, os.Stderr)
//
// A verb is a function that makes a cobra.Command; verbs lists them.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-41165957/crossfade/cmd/crossfade/parts"
	"github.com/seed-41165957/crossfade/migrate"
)

// Exit codes.
const (
	Done         = 0
	Failed       = 1
	Usage        = 2
	Refused      = 3
	Inconclusive = 4
)

// verbs are the commands, in the order of the help.
var verbs = []func(*app) *cobra.Command{
	demoVerb, initVerb, agentVerb, serverVerb, usersVerb, agentsVerb, checkVerb, proveVerb, observeVerb, bypassVerb, statusVerb, planVerb, advanceVerb, holdVerb, releaseVerb, rampVerb, rollbackVerb, backfillVerb, verifyVerb, repairVerb, reapVerb, explainVerb, pinVerb, unpinVerb, divergencesVerb, flagsVerb, bundleVerb, auditVerb, reportVerb, completeVerb,
	declareDownVerb, recoverVerb, manVerb,
}

// app is what verbs share.
type app struct {
	in       io.Reader
	out, err io.Writer
	config   string
	json     bool
	bar      *bar // nil: no terminal
	printed  bool // the one document of --json
}

// Run runs one command and gives its exit code.
func Run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	a := &app{in: in, out: out, err: errOut}
	root := &cobra.Command{
		Use:   "crossfade",
		Short: "Move live user sessions from one store to another without logging anyone out",
		Long: `Crossfade moves live user sessions from one store to another without logging
anyone out. Exit codes: 0 done, 1 failed, 2 usage, 3 refused by a gate,
4 inconclusive (run the same command again: it goes on from there).`,
		Version: parts.Version(), SilenceUsage: true, SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("no verb %q", args[0]))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&a.config, "config", "crossfade.yaml", "the configuration file")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON on standard output, and nothing else there")
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	for _, v := range verbs {
		root.AddCommand(v(a))
	}
	a.complete(root)
	err := root.ExecuteContext(ctx)
	return a.end(err)
}

// usageError is a mistake on the command line: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// exactly is cobra.ExactArgs with our exit code and what is accepted.
func exactly(n int, accepted string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(fmt.Errorf("%d arguments: accepted is crossfade %s", len(args), strings.TrimSpace(cmd.Name()+" "+accepted)))
		}
		return nil
	}
}

// end prints an error and gives the exit code.
func (a *app) end(err error) int {
	a.bar.end()
	if err == nil {
		return Done
	}
	var s shown
	if errors.As(err, &s) {
		return s.code
	}
	code := codeOf(err)
	if a.json && a.printed {
		return code // what was found stands there; the code says what it comes to
	}
	if a.json {
		a.print(failure(err, code))
		return code
	}
	fmt.Fprintln(a.err, "crossfade:", err)
	if code == Usage {
		fmt.Fprintln(a.err, "see crossfade --help")
	}
	return code
}

// shown is an end of which everything is printed already.
type shown struct{ code int }

func (shown) Error() string { return "see above" }

func codeOf(err error) int {
	var no *migrate.Refusal
	var waiting *migrate.Waiting
	var u usageError
	var unfit checkFailed
	var red unsound
	switch {
	case errors.As(err, &no), errors.As(err, &unfit), errors.As(err, &red):
		return Refused
	case errors.As(err, &waiting), errors.Is(err, context.Canceled):
		return Inconclusive
	case errors.As(err, &u):
		return Usage
	}
	return Failed
}

// failed is an error in JSON.
type failed struct {
	Error  string            `json:"error"`
	Code   int               `json:"exit_code"`
	Gate   string            `json:"gate,omitempty"`
	Found  string            `json:"found,omitempty"`
	Do     string            `json:"do,omitempty"`
	Agents []migrate.Lagging `json:"agents,omitempty"`
	Report *migrate.Report   `json:"report,omitempty"`
}

// done is what a verb prints with --json that has nothing to tell.
type done struct {
	Done bool `json:"done"`
}

// done ends such a verb.
func (a *app) done(err error) error {
	if err == nil && a.json {
		a.print(done{true})
	}
	return err
}

func failure(err error, code int) failed {
	f := failed{Error: err.Error(), Code: code}
	var no *migrate.Refusal
	var waiting *migrate.Waiting
	var left *migrate.Unfinished
	if errors.As(err, &no) {
		f.Gate, f.Found, f.Do = no.Gate, no.Found, no.Do
	}
	if errors.As(err, &waiting) {
		f.Agents = waiting.Agents
	}
	if errors.As(err, &left) {
		f.Report = &left.Report
	}
	return f
}

// print writes v as JSON.
func (a *app) print(v any) {
	a.bar.end()
	a.printed = true
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	e.Encode(v)
}

// printf writes for a person; nothing with --json.
func (a *app) printf(format string, args ...any) {
	if !a.json {
		a.bar.end()
		fmt.Fprintf(a.out, format, args...)
	}
}
