package consoletest

import (
	"fmt"
	"strings"
	"time"
)

// What a stand-in can be told to show.

// log is a history of who did what.
func (s *standin) log() {
	now := time.Now().UTC()
	at := func(ago time.Duration) time.Time { return now.Add(-ago) }
	s.audit = []any{
		m{"n": 1, "at": at(30 * time.Hour), "who": "server ctl-1", "why": "the first revision", "verb": "ramp", "args": m{"stage": "mirror"}, "goal": "first", "outcome": "asked"},
		m{"n": 2, "at": at(30 * time.Hour), "who": "server ctl-1", "verb": "ramp", "args": m{"stage": "mirror"}, "epoch": 1, "text": "begin with all sessions off", "outcome": "published", "taking_it_back": []string{"nothing: new is not used"}},
		m{"n": 3, "at": at(6 * time.Hour), "who": "ada", "from": "10.0.3.14:51512", "verb": "sign-in", "outcome": "done"},
		m{"n": 4, "at": at(5 * time.Hour), "who": "ada", "from": "10.0.3.14:51514", "why": "all hosts answer; new is warm", "verb": "ramp", "args": m{"stage": "mirror", "buckets": 10000}, "goal": "g7", "outcome": "asked",
			"gates": []any{m{"gate": "logouts", "state": "pass", "text": "0 estimated, 234 at most"}}},
		m{"n": 5, "at": at(5 * time.Hour), "who": "ada", "verb": "ramp", "args": m{"stage": "mirror", "buckets": 10000}, "goal": "g7", "epoch": 14, "text": "50 % of the sessions from off to mirror", "outcome": "published", "taking_it_back": []string{"nothing: old decides every write and answers every read", "each revision waits for the locks that are out: at most 30s"}},
		m{"n": 6, "at": at(5 * time.Hour), "who": "ada", "verb": "ramp", "args": m{"stage": "mirror", "buckets": 10000}, "goal": "g7", "outcome": "done", "epoch": 14},
		m{"n": 7, "at": at(100 * time.Minute), "who": "grace", "from": "10.0.3.9:40122", "verb": "ramp", "args": m{"stage": "read-new", "buckets": 100}, "why": "first real readers", "outcome": "migrate: refused by gate verified: no verification counts: run crossfade verify"},
		m{"n": 8, "at": at(96 * time.Minute), "who": "grace", "from": "10.0.3.9:40125", "verb": "verify", "args": m{"pace": m{"give_way": true}}, "goal": "g9", "outcome": "done", "why": "before read-new"},
		m{"n": 9, "at": at(12 * time.Minute), "who": "ada", "from": "10.0.3.14:51602", "why": "1 % stood half an hour", "verb": "ramp", "args": m{"stage": "read-new", "buckets": 500}, "goal": "g1", "outcome": "asked"},
		m{"n": 10, "at": at(12 * time.Minute), "who": "ada", "verb": "ramp", "args": m{"stage": "read-new", "buckets": 500}, "goal": "g1", "epoch": 18, "text": "4 % of the sessions from fenced to read-new", "outcome": "published", "taking_it_back": []string{"no copy: old decides every write and holds every session"}},
		m{"n": 11, "at": at(11 * time.Minute), "who": "ada", "verb": "ramp", "args": m{"stage": "read-new", "buckets": 500}, "goal": "g1", "outcome": "done", "epoch": 19},
	}
}

// copied are the jobs as they ended.
func (s *standin) copied() {
	now := time.Now().UTC()
	s.jobs["backfill"] = m{"job": "backfill", "host": "ctl-1", "pid": 0, "began": now.Add(-3 * time.Hour), "saved": now.Add(-3*time.Hour + 7*time.Minute), "runs": 1, "ended": true,
		"report": m{"job": "backfill", "epoch": 15, "sessions": 1_842_119, "names": 1_861_004, "locks": 41, "copied": 1_842_006, "same": 113, "races": 8, "differences": m{}}}
	s.jobs["verify"] = m{"job": "verification", "host": "ctl-1", "pid": 0, "began": now.Add(-99 * time.Minute), "saved": now.Add(-95 * time.Minute), "runs": 1, "ended": true,
		"report": m{"job": "verification", "epoch": 16, "sessions": 1_851_377, "same": 1_851_368, "copied": 9, "races": 31, "differences": m{"value": 7, "expiry": 2}}}
}

// copying is a backfill in the middle.
func (s *standin) copying() {
	now := time.Now().UTC()
	p := m{"phase": "copy", "detail": "goes through old", "done": 742_118, "total": 1_842_000, "rate": 5210.4, "eta": 211 * time.Second}
	s.jobs["backfill"] = m{"job": "backfill", "host": "ctl-1", "pid": 4711, "began": now.Add(-142 * time.Second), "saved": now.Add(time.Hour), "runs": 1, "phase": "copy", "report": m{"copied": 741_902, "same": 216}, "progress": p}
	s.status["doing"], s.status["copying"] = p, m{"job": "backfill", "done": 742_118, "total": 1_842_000, "began": now.Add(-142 * time.Second)}
	s.status["goal"] = m{"id": "g8", "verb": "backfill", "args": m{}, "who": "grace", "why": "before read-new", "asked": now.Add(-142 * time.Second)}
}

// differ are two differences.
func (s *standin) differ() {
	now := time.Now().UTC()
	hash := func(i int) string { return strings.Repeat(fmt.Sprintf("%02x9ad4", 17+i*31), 6)[:32] }
	until := now.Add(24 * time.Hour)
	s.diverg = []any{
		m{"seen": now.Add(-4 * time.Minute), "hash": hash(1), "class": "value", "cause": "concurrent", "position": "read-new", "old": m{"found": true, "bytes": 1184, "sum": "9f12ab77c0", "deadline": until}, "new": m{"found": true, "bytes": 1180, "sum": "41d0aa0392", "deadline": until}},
		m{"seen": now.Add(-31 * time.Minute), "hash": hash(2), "class": "expiry", "cause": "unknown", "position": "fenced", "old": m{"found": true, "bytes": 512, "sum": "77aa01bc", "deadline": until}, "new": m{"found": true, "bytes": 512, "sum": "77aa01bc", "deadline": until.Add(-11 * time.Second)}},
		m{"seen": now.Add(-55 * time.Minute), "hash": hash(3), "class": "missing_new", "cause": "evicted", "position": "fenced", "old": m{"found": true, "bytes": 2210, "sum": "0c5512f1", "flags": 4, "deadline": until}, "new": m{"found": false}},
	}
}

// broken makes some agents have problems.
func (s *standin) broken() {
	as := s.status["agents"].([]any)
	of := func(i int) m { return as[i].(m)["status"].(m) }
	as[3].(m)["status"], as[3].(m)["acknowledged"], as[3].(m)["why"] = nil, false, "does not answer: it is not connected to this server"
	of(6)["digest"] = "b771e0aa91c2"
	of(8)["breaker_new"], of(8)["dirty_new"], of(8)["marks_standing"] = "open", 214, 214
	of(9)["epoch"], as[9].(m)["acknowledged"], as[9].(m)["why"] = 18, false, "is at revision 18"
}

// readNew is the dry run of a ramp of read-new.
func readNew(string) any {
	return m{"state": "read-new 5 %, fenced 95 %", "taking_it_back": []string{"no copy: old decides every write and holds every session", "each revision waits for the locks that are out: at most 30s"},
		"revisions": []any{
			m{"epoch": 20, "text": "20 % of the sessions from fenced to read-new", "needs": []string{"every agent has acknowledged the last revision", "no copy is running", "no call of unknown outcome", "a verification that counts", "nothing dirty in new, no mark in old"}},
			m{"epoch": 21, "text": "settle read-new", "needs": []string{"every agent has acknowledged the last revision", "no copy is running"}},
		}}
}
