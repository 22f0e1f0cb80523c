// The headline: how many sessions the next step would log out, from what that is
// made, what the next step is, and in one line why it waits.

import { $, text, show } from "./dom.js";
import * as f from "./format.js";
import { on, state, now } from "./state.js";

// madeOf says what an estimate goes by: who reads 0 must see of how many.
function madeOf(e) {
  const of = [`from ${f.plural(e.followed, "followed session")}, one in ${e.rate} of those read: ${f.count(e.lost)} would be lost, ${f.count(e.unknown)} not known`];
  of.push(e.idle_known ? `idle sessions: ${f.count(e.idle_unresolved)} left different by the verification ${f.span(e.idle_age_ns / 1e6)} ago` : "idle sessions: not verified yet, nothing is said of them");
  if (e.silent_agents > 0) of.push(`${f.plural(e.silent_agents, "agent")} did not say`);
  return of.join("; ");
}

function draw() {
  const s = state.status;
  if (!s) return;
  const e = s.would_be_logouts, p = s.plan;
  const unknown = e.followed === 0 && !e.idle_known;
  text($("logouts"), unknown ? "not known" : f.count(Math.round(e.estimate)));
  text($("bounds"), unknown ? "no session was followed yet: they are, once they are read in mirror"
    : `sessions (95 %: ${f.count(Math.floor(e.lower))} to ${f.count(Math.ceil(e.upper))})`);
  text($("logouts-of"), madeOf(e));
  $("logouts").classList.toggle("bad", e.lower > 0);
  const step = p?.steps[p.done];
  text($("next"), !p ? "not known: another server leads, or this one has just begun to"
    : step ? `${step.text} (step ${p.done + 1} of ${p.steps.length}${step.soak_ns > 0 ? `, then soaks ${f.span(step.soak_ns / 1e6)}` : ""})` : "none: the plan is done");
  text($("why"), s.why);
  text($("revision"), `revision ${s.epoch}`);
  show($("held"), p?.held);
  if (p?.held) text($("held"), `held by ${p.held.by} since ${f.time(p.held.at)}`);
}

// stale puts beside each heading from when the numbers are, while nothing comes.
function stale() {
  const { ok, since, heard } = state.link;
  const old = !ok && state.status;
  document.documentElement.toggleAttribute("data-stale", !!old);
  for (const el of document.querySelectorAll(".asof")) text(el, old ? `as of ${f.time(heard)}` : "");
  text($("link"), ok ? `live, ${state.status?.server || ""}${state.status && !state.status.leads ? " (another server leads)" : ""}`
    : state.me && !state.me.role ? "not signed in" : state.status ? `not connected since ${f.time(since)}` : "connecting");
  $("link").classList.toggle("bad", !!old);
}

export function start() {
  on("status", draw);
  on("status", stale);
  setInterval(stale, 1000);
  on("me", stale);
  on("me", () => text($("foot"), `Crossfade ${state.me.version}, server ${state.me.server}. Times are this browser's (${f.zone()}).`));
  text($("foot"), `Times are this browser's (${f.zone()}), ${f.time(now())}.`);
}
