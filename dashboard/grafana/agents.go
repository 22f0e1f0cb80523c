package grafana

// Agents is the page for who runs the sidecars.
func Agents() Dashboard {
	const chosen = `migration="$migration",instance=~"$agent"`
	agent := Variable{Name: "agent", Label: "Agent", Type: "query", Query: `label_values(crossfade_epoch{migration="$migration"}, instance)`,
		Datasource: &source, Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".+"}
	return page(Dashboard{UID: "crossfade-agents", Title: "Crossfade: agents",
		Description: "Each agent beside the others: who is slow, behind, or of another version?",
		Templating:  variables(agent), Annotations: epochs(`migration="$migration"`)}, chosen, []row{serving, reaching, following})
}

var serving = row{"Serving", []view{
	{title: "Requests", unit: perSec, queries: []query{q(`sum by (instance) (rate(crossfade_requests_total{CHOSEN}[$__rate_interval]))`, "{{instance}}")},
		what: "Clients' requests at each agent. One without any: its application does not use it, or writes past it. Find out which."},
	{title: "Request latency, p99", unit: seconds, queries: []query{q(`histogram_quantile(0.99, sum by (le, instance) (rate(crossfade_request_duration_seconds_bucket{CHOSEN}[$__rate_interval])))`, "{{instance}}")},
		what: "What clients wait for. One agent alone: look at its host. All: look at the stores."},
	{title: "Requests answered with an error", unit: share, queries: []query{q(`(sum by (instance) (rate(crossfade_requests_total{CHOSEN,result="error"}[$__rate_interval])) or 0 * sum by (instance) (rate(crossfade_requests_total{CHOSEN}[$__rate_interval]))) / clamp_min(sum by (instance) (rate(crossfade_requests_total{CHOSEN}[$__rate_interval])), 1e-9)`, "{{instance}}")},
		what: "Share of requests that users see fail. One agent alone is cut off from a store: take its host out of the balancer."},
	{title: "Unsupported commands", unit: perSec, queries: []query{q(`sum by (instance, class) (rate(crossfade_unsupported_commands_total{CHOSEN}[$__rate_interval]))`, "{{instance}} {{class}}")},
		what: "Commands that were refused because they are not spoken here. Find the client that sends them before it is a user's error."},
	{title: "Log records dropped", unit: perSec, queries: []query{q(`sum by (instance) (rate(crossfade_log_dropped_total{CHOSEN}[$__rate_interval]))`, "{{instance}}")},
		what: "The log never blocks a request: more than 100 records a second are dropped and counted. See the first ones of each second: they say why."},
}}

var reaching = row{"Reaching the stores", []view{
	{title: "Store errors", unit: perSec, queries: []query{q(`sum by (instance, store, reason) (rate(crossfade_store_errors_total{CHOSEN}[$__rate_interval]))`, "{{instance}} {{store}} {{reason}}")},
		what: "Failed calls. One agent alone: see to its network. All: see to the store."},
	{title: "Breaker open", unit: yesNo, queries: []query{q(`max by (instance, store) (crossfade_breaker_state{CHOSEN,state="open"})`, "{{instance}} {{store}}")},
		what: "The agent has stopped asking that store for a moment, after several failures in a row."},
	{title: "Connections", unit: count, queries: []query{q(`sum by (instance, store) (crossfade_store_connections{CHOSEN})`, "{{instance}} {{store}}")},
		what: "Open connections, parked ones included. They are few and steady; growth means slow answers."},
	{title: "Parked connections", unit: count, queries: []query{q(`sum by (instance, store) (crossfade_parked_connections{CHOSEN})`, "{{instance}} {{store}}")},
		what: "Held by calls without an answer, until it is known that they cannot take effect any more. They keep steps waiting: see that the store answers."},
	{title: "Unknown calls", unit: count, queries: []query{q(`sum by (instance, store) (crossfade_unknown_calls{CHOSEN})`, "{{instance}} {{store}}")},
		what: "Calls that timed out and may still take effect. They end by themselves once the store answers or has lost the connection."},
	{title: "Mirror queue", unit: count, queries: []query{q(`sum by (instance) (crossfade_mirror_queue_operations{CHOSEN})`, "{{instance}}")},
		what: "Writes on their way to new. One agent alone: its way to new is slow: look at its network."},
	{title: "Dirty sessions", unit: count, queries: []query{q(`sum by (instance, store) (crossfade_dirty_sessions{CHOSEN})`, "{{instance}} {{store}}")},
		what: "Each agent repairs its own. If one does not get to 0, look at its log; do not end it before it does: what it knows goes with it, and a new verification is needed."},
}}

var following = row{"Following the ramp", []view{
	{title: "Agents by version", unit: count, queries: []query{q(`count by (version) (crossfade_build_info{CHOSEN})`, "{{version}}")},
		what: "More than one version stops every step: bring all agents to one."},
	{title: "Revisions behind", unit: count, queries: []query{q(`max by (instance) (scalar(max(crossfade_epoch{migration="$migration"})) - crossfade_epoch{CHOSEN})`, "{{instance}}")},
		what: "How many revisions an agent lags the newest that any has. Above 0 for long: its flag file is not updated. Steps wait for it: see why."},
	{title: "Age of the flags", unit: seconds, queries: []query{q(`max by (instance) (time() - crossfade_flag_last_contact_timestamp_seconds{CHOSEN})`, "{{instance}}")},
		what: "How long ago the agent has last read its flags. It keeps serving with what it has; it cannot follow a step."},
	{title: "Scraped", unit: yesNo, queries: []query{q(`max by (instance) (up{instance=~"$agent"}) and on (instance) max by (instance) (max_over_time(crossfade_epoch{CHOSEN}[1d]))`, "{{instance}}")},
		what: "Whether Prometheus reaches the agent's admin port. No: the agent is down, or the port is closed to it; its numbers above are missing: see to it first."},
}}
