// Package alerts is the alert rules of Crossfade for Prometheus, as typed Go that
// writes crossfade.rules.yml, beside this file.
//
//	os.WriteFile("crossfade.rules.yml", []byte(alerts.YAML()), 0o644)
//
// Every alert has a page in docs/runbooks, named for it, that says what to do at
// three in the morning; tests hold pages, alerts and series together, and
// promtool fires each on its series, and none without.
package alerts

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Severity says who is woken.
type Severity string

const (
	// Critical: users are being logged out, or will be if nothing is done.
	Critical Severity = "critical"
	// Warning: nothing is lost; the migration waits, or a promise has less behind
	// it than it should.
	Warning Severity = "warning"
)

// Rule is one alert.
type Rule struct {
	Name     string
	Expr     string
	For      time.Duration
	Severity Severity
	Summary  string // one line, with the labels that matter
	What     string // what it means for users, and the first thing to do
}

// runbooks is where the pages are; the text behind it is the alert's name.
const runbooks = "https://github.com/seed-41165957/crossfade/blob/main/docs/runbooks/"

// Rules are all alerts, the most urgent first.
func Rules() []Rule { return append([]Rule(nil), rules...) }

// YAML is crossfade.rules.yml.
func YAML() string {
	var b strings.Builder
	b.WriteString("# Made from dashboard/alerts by its test: go test ./dashboard/alerts -update\ngroups:\n- name: crossfade\n  rules:\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "  - alert: %s\n    expr: %s\n    for: %s\n    labels:\n      severity: %s\n    annotations:\n      summary: %s\n      description: %s\n      runbook_url: %s\n",
			r.Name, strconv.Quote(r.Expr), promDuration(r.For), r.Severity, strconv.Quote(r.Summary), strconv.Quote(r.What), strconv.Quote(runbooks+r.Name+".md"))
	}
	return b.String()
}

// promDuration is a duration as Prometheus reads it: whole seconds.
func promDuration(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }
