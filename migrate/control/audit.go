package control

import (
	"context"
	"net/http"
	"strconv"

	"github.com/seed-41165957/crossfade/migrate/audit"
)

// Audit is the answer to GET /v1/audit: the newest entries of the log, and
// whether it is as it was written.
type Audit struct {
	Entries []audit.Entry `json:"entries"`
	Checked audit.Checked `json:"checked"`
}

// auditMost is how many entries are given: some MB.
const auditMost = 20_000

// ReadAudit reads and verifies a log.
func ReadAudit(ctx context.Context, l *audit.Log) (a Audit, err error) {
	if a.Checked, err = l.Verify(ctx); err != nil {
		return a, err
	}
	a.Entries, err = l.Read(ctx, max(1, a.Checked.Entries-auditMost), auditMost)
	if a.Entries == nil {
		a.Entries = []audit.Entry{}
	}
	return a, err
}

func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	last := auditMost
	if text := r.FormValue("last"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			fail(w, http.StatusBadRequest, "last is how many entries are wanted: accepted is a number from 1")
			return
		}
		last = n
	}
	a, err := ReadAudit(r.Context(), s.m.Log())
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	a.Entries = a.Entries[max(0, len(a.Entries)-last):]
	answer(w, a)
}

// Audit is the log.
func (c *Client) Audit(ctx context.Context) (a Audit, err error) {
	err = c.any(ctx, http.MethodGet, "audit", nil, &a, nil)
	return a, err
}
