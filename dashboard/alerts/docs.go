package alerts

import (
	"fmt"
	"strings"
)

// Docs is docs/alerts.md.
func Docs() string {
	var b strings.Builder
	b.WriteString(`# Alerts

Made from dashboard/alerts by its test (` + "`go test ./dashboard/alerts -update`" + `). The rules are in
[crossfade.rules.yml](../dashboard/alerts/crossfade.rules.yml); each alert links to its page.

critical: users are being logged out or see errors, or will if nothing is done. warning: nothing is lost; the migration waits, or has less
behind its promises than it should.

| alert | severity | after | what |
| --- | --- | --- | --- |
`)
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](runbooks/%s.md) | %s | %s | %s |\n", r.Name, r.Name, r.Severity, r.For, r.What)
	}
	return b.String()
}
