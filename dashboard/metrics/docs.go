package metrics

import (
	"fmt"
	"strings"
)

// Docs is docs/metrics.md.
func Docs() string {
	var b strings.Builder
	b.WriteString(`# Metrics

Made from dashboard/metrics by its test (` + "`go test ./dashboard/metrics -update`" + `).

Each agent serves them at its admin port, /metrics, in Prometheus's text format and in OpenMetrics. All have the constant label
` + "`migration`" + `; label values are closed sets, never an id; an agent has at most 2,000 series, histograms included. Counters that
nothing has moved yet are not there. No label is called ` + "`" + `job` + "`" + ` or ` + "`" + `instance` + "`" + `: Prometheus gives every series those of its own, and would
rename ours.

## Each agent
`)
	table(&b, false)
	b.WriteString(`
## The fleet

Only the server that leads (at its own port) exports these, or, without servers, the agent whose admin address is the first of ` + "`flags.agents`" + `, about all of them, so that a sum over agents counts them
once: it asks the agents every 2 s (an agent: every 15 s), for at most 10 s. When it is down they are missing, and nothing else is: the data path does not need
them. What the record beside the flag file says (verifications, cutover's beginning) is known only where that agent can read the record;
where it cannot, it says unknown rather than guess.
`)
	table(&b, true)
	return b.String()
}

func table(b *strings.Builder, fleet bool) {
	b.WriteString("\n| metric | type | labels | what | limits |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range catalogue {
		if s.Fleet != fleet {
			continue
		}
		var labels []string
		for _, l := range s.Labels {
			if len(l.Values) == 0 {
				labels = append(labels, "`"+l.Name+"`")
				continue
			}
			labels = append(labels, fmt.Sprintf("`%s` (%s)", l.Name, strings.Join(l.Values, ", ")))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", s.Name, s.Type, strings.Join(labels, "; "), s.Help, s.Limits)
	}
}
