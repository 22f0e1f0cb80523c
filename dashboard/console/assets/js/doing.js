// What is under way, whoever asked for it: on this page, on another, or on a
// command line.

import { $, h, show } from "./dom.js";
import * as f from "./format.js";
import { on, state, now } from "./state.js";

// words is a goal as it is typed.
export function words(verb, args = {}) {
  const a = args || {};
  switch (verb) {
    case "ramp": return !a.stage ? verb : `ramp ${a.stage} ${(a.buckets || 0) / 100}` + (a.agents?.length ? ` on ${a.agents.join(", ")}` : "");
    case "rollback": return a.to ? `rollback --to ${a.to}` : verb;
    case "job": return `${a.job} ${a.wish}`;
    case "advance": return a.step === undefined ? "advance" : `advance (step ${a.step + 1})`;
  }
  const more = [a.store, a.name, a.position, a.hash && a.hash.slice(0, 12)].filter(Boolean);
  if (a.on !== undefined) more.push(a.on ? "on" : "off");
  return [verb, ...more].join(" ");
}

// bar is progress in numbers, and as a bar where the end is known.
export function bar(p) {
  if (!p.total) return null;
  const share = Math.min(1, (p.done || 0) / p.total);
  const said = [`${f.count(p.done || 0)} of ${f.count(p.total)}`, `${(share * 100).toFixed(1)} %`];
  if (p.rate) said.push(`${f.digits(p.rate)} /s`);
  if (p.eta) said.push(`${f.span(p.eta / 1e6)} left`);
  return h("p", { class: "progress" }, h("progress", { max: p.total, value: p.done || 0, "aria-label": p.phase || "progress" }), " " + said.join(", "));
}

// progress is one Progress of the server.
export function progress(p) {
  return [
    h("p", null, h("b", null, p.phase || "begun"), p.detail ? `: ${p.detail}` : ""),
    bar(p),
    p.waiting?.length ? h("ul", null, p.waiting.slice(0, 10).map((a) => h("li", null, h("b", null, a.name || a.addr), `: ${a.why}`)), p.waiting.length > 10 && h("li", null, `and ${p.waiting.length - 10} more`)) : null,
  ];
}

let drawn = "";
function draw() {
  const s = state.status;
  const g = s?.goal && !s.goal.ended ? s.goal : null;
  show($("doing"), s?.doing || g);
  if (!s?.doing && !g) return;
  const news = JSON.stringify([s.doing, g?.id]);
  if (news === drawn) return;
  drawn = news;
  const head = g && h("p", null, h("b", null, words(g.verb, g.args)), ` asked for by ${g.who || "nobody known"} ${f.time(g.asked)} (${f.span(now() - Date.parse(g.asked))} ago)${g.why ? `: “${g.why}”` : ""}`);
  $("doing-body").replaceChildren(...[head, ...progress(s.doing || {})].filter(Boolean));
}

export function start() {
  on("status", draw);
}
