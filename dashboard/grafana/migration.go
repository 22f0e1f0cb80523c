package grafana

// Migration is the page for who moves the ramp.
func Migration() Dashboard {
	const chosen = `migration="$migration"`
	return page(Dashboard{UID: "crossfade-migration", Title: "Crossfade: migration",
		Description: "Is it safe to go on, and what does it wait for? The first row answers; the rest says why.",
		Templating:  variables(custom("class", "Class", "write", "read", "touch", "delete", "lock"), custom("purpose", "Purpose", "request", "mirror", "compare", "copy")),
		Annotations: epochs(chosen)}, chosen, []row{safe, ramp, differences, losses, stores, behind, mending, locks})
}

var safe = row{"Are we safe?", []view{
	{title: "Would-be logouts", unit: count, stat: true, wide: 6, warn: 235, bad: 459, none: "no agent watches the fleet", queries: []query{
		q(`max(crossfade_would_be_logouts_estimate{CHOSEN})`, "estimate"),
		q(`max(crossfade_would_be_logouts_lower{CHOSEN})`, "at least"),
		q(`max(crossfade_would_be_logouts_upper{CHOSEN})`, "at most")},
		what: "Live sessions that would be lost if the next stage were entered now, with 95 % bounds. Green: none was found among one session in 64 (\"at most\" is then 234). Before the backfill it is high: that is what the backfill is for. After a verification \"at least\" must be 0; if it is not, do not ramp: look at Divergences below, then run crossfade verify."},
	{title: "Sessions that differ", unit: share, stat: true, bad: .01, warn: .001, queries: []query{
		q(`(sum(rate(crossfade_comparisons_total{CHOSEN,result="differ"}[$__rate_interval])) or vector(0)) / clamp_min(sum(rate(crossfade_comparisons_total{CHOSEN}[$__rate_interval])), 1e-9)`, "of those compared")},
		what: "Share of the compared sessions that differ, confirmed by a second look. After a verification it should be 0. If it rises, hold the ramp and see by class and cause."},
	{title: "Not clean", unit: count, stat: true, wide: 5, bad: 100, warn: 1, queries: []query{
		q(`sum(crossfade_dirty_sessions{CHOSEN})`, "dirty"),
		q(`sum(crossfade_marks{CHOSEN})`, "marked"),
		q(`sum(crossfade_unknown_calls{CHOSEN})`, "unknown calls")},
		what: "Sessions whose copy is behind, marks that say so in old, and calls whose outcome is not known. Above 0 for a moment under traffic is normal; above 0 for minutes keeps the gates shut: see that both stores answer."},
	{title: "Agents acknowledged", unit: share, stat: true, wide: 3, less: true, warn: 1, bad: .99, none: "no agent watches the fleet", queries: []query{
		q(`sum(crossfade_agents{CHOSEN,state="acknowledged"}) / sum(crossfade_agents{CHOSEN})`, "of all")},
		what: "Agents that have the newest revision, with nothing older under way. Every step waits for 100 %. Run crossfade status: it says whom it waits for, and why."},
	{title: "Gates shut", unit: count, stat: true, wide: 3, warn: 1, bad: 3, none: "no agent watches the fleet", queries: []query{
		q(`sum(crossfade_gate_state{CHOSEN,state="shut"})`, "shut")},
		what: "Gates that would refuse a step now. \"verified\" is shut until a verification has passed; the others should be open. Which ones: see Gates."},
	{title: "Rollback window", unit: seconds, stat: true, wide: 3, less: true, warn: 7200, bad: 600, none: "not known from here", queries: []query{
		q(`min(crossfade_rollback_window_seconds{CHOSEN})`, "left")},
		what: "How long old is still written after cutover. Infinite before cutover; 0: going back needs a reverse copy of everything. Decide before it ends."},
}}

var ramp = row{"Positions and ramp", []view{
	{title: "Ramp", unit: share, queries: []query{q(`max by (stage) (crossfade_ramp_ratio{CHOSEN})`, "{{stage}}")},
		what: "How much of the sessions is at least in each stage. It moves only when somebody moves it; lines mark revisions."},
	{title: "Requests by position", unit: perSec, queries: []query{q(`sum by (position) (rate(crossfade_requests_total{CHOSEN}[$__rate_interval]))`, "{{position}}")},
		what: "Clients' requests by the position of their session. Traffic in sealed should last seconds: if it stays, a step was not finished. Run it again."},
	{title: "Gates", unit: yesNo, queries: []query{q(`max by (gate) (crossfade_gate_state{CHOSEN,state="shut"})`, "{{gate}} is shut")},
		what: "Each gate, and whether it would refuse a step. Run crossfade status: it says what was found and what to do."},
	{title: "Copy progress", unit: share, queries: []query{q(`max by (copy) (crossfade_copy_progress_ratio{CHOSEN})`, "{{copy}}")},
		what: "How far the backfill, verification or reverse copy is that runs, or ran last. If it stands still, look at the crossfade command that runs it."},
}}

var differences = row{"Divergence", []view{
	{title: "Divergences by class", unit: perSec, queries: []query{q(`sum by (class) (rate(crossfade_divergences_total{CHOSEN}[$__rate_interval]))`, "{{class}}")},
		what: "Confirmed differences. missing_new: new lacks a session (a logout in waiting). value: the two hold other data. missing_old: old has evicted or deleted it. crossfade divergences lists them, by hash."},
	{title: "Divergences by cause", unit: perSec, queries: []query{q(`sum by (cause) (rate(crossfade_divergences_total{CHOSEN}[$__rate_interval]))`, "{{cause}}")},
		what: "before_mirror is what a backfill copies. bypass: somebody writes past the agents: find that client first. evicted: old is too small."},
	{title: "Past the layer", unit: perSec, queries: []query{q(`sum(rate(crossfade_bypass_total{CHOSEN}[$__rate_interval]))`, "writes and deletes")},
		what: "Changes made in a store without going through an agent, where that can be told. Must be 0 before read-new: find the client that was not moved to the agent."},
	{title: "Comparisons", unit: perSec, queries: []query{q(`sum by (result) (rate(crossfade_comparisons_total{CHOSEN}[$__rate_interval]))`, "{{result}}")},
		what: "Sessions compared at their reads. Without comparisons no divergence can be seen: check compare.ratio, and that new answers."},
}}

var losses = row{"Would-be logouts", []view{
	{title: "Would-be logouts, with bounds", unit: count, wide: 16, queries: []query{
		q(`max(crossfade_would_be_logouts_estimate{CHOSEN})`, "estimate"),
		q(`max(crossfade_would_be_logouts_lower{CHOSEN})`, "lower bound"),
		q(`max(crossfade_would_be_logouts_upper{CHOSEN})`, "upper bound")},
		what: "The same as in the first row, over time. The truth lies between the bounds in 95 of 100 cases. The upper bound of none found is 234: one session in 64 is followed. A lower bound above 0 after a verification: hold the ramp."},
	{title: "Idle sessions: age of the last look", unit: seconds, queries: []query{q(`min(crossfade_would_be_logouts_idle_age_seconds{CHOSEN})`, "since the verification")},
		what: "Sessions that nobody reads are known from the last verification only. If it is older than you like, run crossfade verify: it may run at any time."},
}}

var stores = row{"Old and new, side by side", []view{
	{title: "Store latency, p99", unit: seconds, queries: []query{q(`histogram_quantile(0.99, sum by (le, store) (rate(crossfade_store_duration_seconds_bucket{CHOSEN,class="$class",purpose="$purpose"}[$__rate_interval])))`, "{{store}}")},
		what: "For the class and purpose chosen above, so that like is compared with like: in mirror new has purpose mirror and compare only. In fenced a write waits for both."},
	{title: "Store latency, median", unit: seconds, queries: []query{q(`histogram_quantile(0.5, sum by (le, store) (rate(crossfade_store_duration_seconds_bucket{CHOSEN,class="$class",purpose="$purpose"}[$__rate_interval])))`, "{{store}}")},
		what: "As p99. If new's median is above old's, users will feel it in read-new: mend that before going on."},
	{title: "Store errors", unit: perSec, queries: []query{q(`sum by (store, reason) (rate(crossfade_store_errors_total{CHOSEN}[$__rate_interval]))`, "{{store}} {{reason}}")},
		what: "Calls that failed. New's errors cost users nothing before read-new, and keep its gates shut. Old's are users' errors: see to old first."},
	{title: "Request latency, p99", unit: seconds, queries: []query{q(`histogram_quantile(0.99, sum by (le, class) (rate(crossfade_request_duration_seconds_bucket{CHOSEN}[$__rate_interval])))`, "{{class}}")},
		what: "What clients wait for. If it rose at a revision (blue line), take that step back: crossfade rollback."},
	{title: "Requests answered with an error", unit: share, queries: []query{q(`(sum(rate(crossfade_requests_total{CHOSEN,result="error"}[$__rate_interval])) or vector(0)) / clamp_min(sum(rate(crossfade_requests_total{CHOSEN}[$__rate_interval])), 1e-9)`, "errors")},
		what: "Share of requests that users see fail. A miss is not an error. Above 0.1 %: see Store errors; if new decides, roll back."},
}}

var behind = row{"Fallbacks, marks, mirror", []view{
	{title: "Fallbacks", unit: perSec, queries: []query{q(`sum by (reason) (rate(crossfade_fallbacks_total{CHOSEN}[$__rate_interval]))`, "{{reason}}")},
		what: "Reads in read-new that old answered. miss: a logout that was hidden; it must fade to 0 before cutover. error: new fails. unmarked: nobody could say whether new is behind: see that old answers."},
	{title: "Marks", unit: count, queries: []query{
		q(`sum(crossfade_marks{CHOSEN})`, "standing"),
		q(`sum(increase(crossfade_marks_lost_total{CHOSEN}[$__rate_interval]))`, "lost")},
		what: "Notes in old that new is behind. Standing ones go when new answers. Lost: old evicted something, or restarted, while they stood: run crossfade verify before the next step."},
	{title: "Mirror lag", unit: seconds, queries: []query{q(`max(crossfade_mirror_lag_seconds{CHOSEN})`, "longest")},
		what: "How long a mirrored write waited. Seconds mean that new cannot keep up: it would not as the first store either."},
	{title: "Mirror queue", unit: count, queries: []query{
		q(`sum(crossfade_mirror_queue_operations{CHOSEN})`, "waiting"),
		q(`sum(rate(crossfade_mirror_dropped_total{CHOSEN}[$__rate_interval]))`, "dropped a second")},
		what: "Writes on their way to new. Dropped ones cost users nothing: their sessions are dirty, and repaired once fenced. A queue that does not empty keeps steps waiting."},
	{title: "Mirror queue, bytes", unit: bytesOf, queries: []query{q(`sum(crossfade_mirror_queue_bytes{CHOSEN})`, "waiting")},
		what: "Bounded by mirror.queue_bytes at each agent."},
}}

var mending = row{"Repairs", []view{
	{title: "Dirty sessions", unit: count, queries: []query{q(`sum by (store) (crossfade_dirty_sessions{CHOSEN})`, "{{store}}")},
		what: "Sessions whose copy in that store is behind. Agents repair new while sessions are fenced or in read-new; old is repaired by crossfade rollback and recover."},
	{title: "Repairs", unit: perSec, queries: []query{q(`sum by (store, result) (rate(crossfade_repairs_total{CHOSEN}[$__rate_interval]))`, "{{store}} {{result}}")},
		what: "left: it could not be done yet, and is tried again within 5 s. Only left and never done: see why the store does not answer."},
	{title: "Copies by agents", unit: perSec, queries: []query{q(`sum by (copy, result) (rate(crossfade_copied_sessions_total{CHOSEN}[$__rate_interval]))`, "{{copy}} {{result}}")},
		what: "refill: a fallback's session was copied into new. It follows Fallbacks, and fades with them."},
}}

var locks = row{"Locks and deletes", []view{
	{title: "Lock conflicts", unit: perSec, queries: []query{q(`sum(rate(crossfade_lock_conflicts_total{CHOSEN}[$__rate_interval]))`, "refused")},
		what: "Locks refused because somebody holds them: normal where pages load in parallel. A step up at a revision means that locks are not given back."},
	{title: "Tombstones", unit: count, queries: []query{q(`sum(crossfade_tombstones{CHOSEN})`, "standing")},
		what: "Notes that a session was deleted, so that no copy brings it back. It follows logouts; each goes after twice timeouts.copy."},
}}
