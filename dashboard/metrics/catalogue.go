package metrics

import "slices"

// Type of a series, as Prometheus calls it.
type Type string

const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Series is one metric that an agent exports.
type Series struct {
	Name   string // with crossfade_
	Type   Type
	Labels []Label
	Help   string
	// Limits says what is not in it, or when it is not there; empty: nothing to
	// say.
	Limits string
	// Fleet is set for what only the first agent of flags.agents exports, about
	// all of them: a sum over agents counts it once.
	Fleet bool
}

// Label of a series, with every value that it can have; none: a number, a
// version, or a name from the configuration.
type Label struct {
	Name   string
	Values []string
}

func label(name string, values ...string) Label { return Label{name, values} }

var (
	byStore    = label("store", "old", "new")
	byPosition = label("position", "off", "mirror", "fenced", "read-new", "sealed", "cutover", "back")
	byClass    = label("class", "read", "write", "touch", "delete", "lock")
	byFrontend = label("frontend", "memcached", "redis", "http", "library")
	byEnd      = label("result", "done", "left")
)

// catalogue is every metric of an agent, in the order of the documentation.
var catalogue = []Series{
	{Name: "crossfade_requests_total", Type: Counter, Labels: []Label{byFrontend,
		label("op", "get", "set", "touch", "delete", "add", "edit", "lock", "unlock"), byPosition,
		label("result", "hit", "miss", "stored", "exists", "missing", "refused", "error")},
		Help: "Clients' requests.", Limits: "A miss, an add of what exists and a lock that is held are answers, not errors."},
	{Name: "crossfade_request_duration_seconds", Type: Histogram, Labels: []Label{byFrontend, byClass, byPosition},
		Help: "How long clients waited."},
	{Name: "crossfade_store_duration_seconds", Type: Histogram, Labels: []Label{byStore, byClass, label("purpose", "request", "mirror", "compare", "copy")},
		Help: "How long the stores took.", Limits: "Compare the two stores for one class and one purpose: mirrored writes are not requests. Batches of crossfade backfill and verify are made outside the agents."},
	{Name: "crossfade_store_errors_total", Type: Counter, Labels: []Label{byStore, label("reason", "error", "timeout")},
		Help: "Calls to the stores that failed.", Limits: "Calls that an open breaker skipped are not made, and not counted."},
	{Name: "crossfade_store_connections", Type: Gauge, Labels: []Label{byStore},
		Help: "Open connections to the store, parked ones included.", Limits: "Not there before the store has said how it is, nor for a store without connections."},
	{Name: "crossfade_breaker_state", Type: Gauge, Labels: []Label{byStore, label("state", "closed", "half-open", "open")},
		Help: "1 for the state that the breaker is in."},
	{Name: "crossfade_marks", Type: Gauge, Labels: []Label{label("store", "old")},
		Help: "Marks that this agent has put and not yet removed.", Limits: "Of this life: marks of an agent that died are found when a step looks for them."},
	{Name: "crossfade_marks_lost_total", Type: Counter, Labels: []Label{label("store", "old")},
		Help: "Marks that stood when old evicted something or restarted."},
	{Name: "crossfade_recompared_sessions_total", Type: Counter, Labels: []Label{label("result", "same", "behind")},
		Help: "Sessions compared because new had become another server.", Limits: "Those that this agent changed in new in the 60 s before. behind: marked in old, and repaired from there."},
	{Name: "crossfade_unknown_calls", Type: Gauge, Labels: []Label{byStore},
		Help: "Calls that timed out and may still take effect."},
	{Name: "crossfade_parked_connections", Type: Gauge, Labels: []Label{byStore},
		Help: "Connections held by calls of unknown outcome.", Limits: "As crossfade_store_connections."},
	{Name: "crossfade_comparisons_total", Type: Counter, Labels: []Label{label("result", "match", "differ", "race")},
		Help: "Sessions compared.", Limits: "A share of the sessions, compare.ratio, at their reads. race: it differed once, and no more at the second look."},
	{Name: "crossfade_divergences_total", Type: Counter, Labels: []Label{
		label("class", "missing_new", "missing_old", "value", "flags", "expiry", "old_regressed"),
		label("cause", "before_mirror", "lost_write", "bypass", "evicted", "concurrent", "unknown")},
		Help: "Confirmed differences between the stores.", Limits: "Each look that finds one counts. lost_write and concurrent cannot be told apart from outside yet: they are unknown."},
	{Name: "crossfade_bypass_total", Type: Counter,
		Help:   "Writes and deletes that were made past the layer.",
		Limits: "Only where it can be told: of compared sessions of a kind with locks, fenced or in read-new, after a verification in this life of the agent; and deletes that old itself reports."},
	{Name: "crossfade_mirror_queue_operations", Type: Gauge, Help: "Writes on their way to the store that does not decide."},
	{Name: "crossfade_mirror_queue_bytes", Type: Gauge, Help: "Bytes of those."},
	{Name: "crossfade_mirror_lag_seconds", Type: Gauge, Help: "How long the write waited that is being delivered; 0 when nothing is queued."},
	{Name: "crossfade_mirror_dropped_total", Type: Counter, Help: "Writes that did not fit the mirror queue: their sessions are dirty."},
	{Name: "crossfade_dirty_sessions", Type: Gauge, Labels: []Label{byStore},
		Help: "Sessions whose copy in the store is behind or unknown.", Limits: "A full set (dirty.max) means that all are: crossfade status says so."},
	{Name: "crossfade_repairs_total", Type: Counter, Labels: []Label{byStore, byEnd}, Help: "Repairs of dirty sessions."},
	{Name: "crossfade_fallbacks_total", Type: Counter, Labels: []Label{label("reason", "miss", "error", "timeout", "dirty", "marked", "unmarked")},
		Help: "Reads in read-new that old answered, or that could not look at marks.", Limits: "timeout is counted under error, dirty under marked: the rules do not tell them apart."},
	{Name: "crossfade_ramp_ratio", Type: Gauge, Labels: []Label{label("stage", "mirror", "read-new", "cutover")},
		Help: "How much of the sessions is at least in the stage.", Limits: "Each agent exports what it serves by: take the maximum, or compare them."},
	{Name: "crossfade_epoch", Type: Gauge, Help: "The newest revision that this agent has taken."},
	{Name: "crossfade_flag_revision", Type: Gauge, Help: "The newest revision that the flags have."},
	{Name: "crossfade_flag_last_contact_timestamp_seconds", Type: Gauge, Help: "When the flags were last read and found to be what is served."},
	{Name: "crossfade_copied_sessions_total", Type: Counter, Labels: []Label{label("copy", "refill", "repair", "copy_back"), byEnd},
		Help: "Sessions that this agent copied from one store to the other.", Limits: "Backfill, verification and reverse copy run in the crossfade command, not in an agent: see crossfade_copy_progress_ratio."},
	{Name: "crossfade_lock_conflicts_total", Type: Counter, Help: "Locks refused because somebody holds them."},
	{Name: "crossfade_tombstones", Type: Gauge, Help: "Tombstones that this agent wrote and that have not run out.",
		Limits: "By time, in this life: one that a later write cleared is counted until its time is over."},
	{Name: "crossfade_unsupported_commands_total", Type: Counter, Labels: []Label{label("class", "command", "option", "key", "lock", "arithmetic", "concat", "flush", "meta", "binary", "transaction", "pubsub", "scan", "script", "database")}, Help: "Commands refused because they are not spoken here."},
	{Name: "crossfade_log_dropped_total", Type: Counter, Help: "Log records dropped rather than waited for."},
	{Name: "crossfade_build_info", Type: Gauge, Labels: []Label{label("version"), label("go")}, Help: "1, with the version."},

	{Name: "crossfade_would_be_logouts_estimate", Type: Gauge, Fleet: true, Help: "Live sessions that would be lost if the next stage were entered now.",
		Limits: "From all reads of one session in 64, by session; for sessions that nobody has read since, what the last verification left."},
	{Name: "crossfade_would_be_logouts_lower", Type: Gauge, Fleet: true, Help: "Its lower bound: 95 % between the two."},
	{Name: "crossfade_would_be_logouts_upper", Type: Gauge, Fleet: true, Help: "Its upper bound.",
		Limits: "234 when none of the followed sessions would be lost: so many could be, and the sample of one in 64 have none."},
	{Name: "crossfade_would_be_logouts_idle_age_seconds", Type: Gauge, Fleet: true, Help: "How long ago the last verification looked at all sessions, the idle too.",
		Limits: "Not there before the first, and where the record beside the flag file cannot be read: then nothing is known of idle sessions."},
	{Name: "crossfade_agents", Type: Gauge, Fleet: true, Labels: []Label{label("state", "acknowledged", "waiting", "silent")},
		Help: "Agents of the fleet: with the newest revision and nothing older, still on the way there, not answering."},
	{Name: "crossfade_gate_state", Type: Gauge, Fleet: true, Labels: []Label{
		label("gate", "agents", "digest", "copier", "unknown", "dirty-new", "dirty-old", "behind", "verified", "down",
			"logouts", "divergence", "p99", "errors", "timeouts", "marks", "synthetic", "copied", "fleet", "samples", "soak"), label("state", "open", "shut", "unknown")},
		Help: "1 for the state that the gate is in.", Limits: "unknown: the record beside the flag file, or an agent, cannot be asked from here. Marks of dead agents are found only by a step. The plan's gates (logouts to soak) come from the server that leads: inconclusive is unknown."},
	{Name: "crossfade_rollback_window_seconds", Type: Gauge, Fleet: true, Help: "How long old is still written after cutover, so that going back stays cheap.",
		Limits: "+Inf before cutover; 0 without cutover.keep_old; not there where the record beside the flag file cannot be read."},
	{Name: "crossfade_copy_progress_ratio", Type: Gauge, Fleet: true, Labels: []Label{label("copy", "backfill", "verification", "reverse copy")},
		Help: "How far the copy is that runs, or ran last.", Limits: "From the copier's record beside the flag file: not there where an agent has only a copy of the flag file."},
}

// series finds a metric in the catalogue; one that is not there is a mistake of
// this package.
func series(name string) Series {
	i := slices.IndexFunc(catalogue, func(s Series) bool { return s.Name == "crossfade_"+name })
	if i < 0 {
		panic("metrics: crossfade_" + name + " is not in the catalogue")
	}
	return catalogue[i]
}

func (s *Series) labels() []string {
	names := make([]string, len(s.Labels))
	for i, l := range s.Labels {
		names[i] = l.Name
	}
	return names
}
