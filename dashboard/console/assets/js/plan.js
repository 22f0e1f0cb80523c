// The plan: its gates with their numbers, and its steps.

import { $, h, text, table, cells } from "./dom.js";
import * as f from "./format.js";
import { on, state } from "./state.js";

const gateColumns = ["gate", "state", "what was found"];
const stepColumns = ["#step", "what", "soak", "a gate that fails"];
const words = { pass: "pass", fail: "fail", inconclusive: "not yet" };
// These only make the plan wait: that they do not pass is no alarm.
const waits = new Set(["fleet", "copied", "samples", "soak"]);
const stateOf = (g) => (g.state === "fail" && waits.has(g.gate) ? "inconclusive" : g.state);

let gates, steps, drawn = "";

function draw() {
  const p = state.status?.plan;
  if (!p) return text($("plan-sum"), "known to the server that leads");
  const sum = [p.name || "built-in plan", `${p.done} of ${f.plural(p.steps.length, "step")} done`];
  if (p.auto) sum.push("steps follow by themselves");
  if (p.rollback_window_ns !== undefined) sum.push(`old is written for ${f.span(p.rollback_window_ns / 1e6)} more`);
  text($("plan-sum"), sum.join(", "));
  const news = JSON.stringify([p.gates, p.done, p.steps]);
  if (news === drawn) return;
  drawn = news;
  gates.replaceChildren(...(p.gates || []).map((g) => cells(gateColumns, [g.gate, h("span", { class: `state ${stateOf(g)}` }, words[stateOf(g)] || g.state), g.text])));
  if (!p.gates?.length) gates.append(h("tr", null, h("td", { colspan: 3, class: "dim" }, "no step has begun: no gate is looked at")));
  steps.replaceChildren(...p.steps.map((s, i) => cells(stepColumns, [String(i + 1), s.text, s.soak_ns > 0 ? f.span(s.soak_ns / 1e6) : "-", s.on_failure],
    { class: i < p.done ? "done" : i === p.done ? "next" : "", "aria-current": i === p.done && "step" })));
}

export function start() {
  let el;
  [el, gates] = table("Gates of the step that stands", gateColumns);
  $("gates").append(el);
  [el, steps] = table("Steps of the plan", stepColumns);
  $("steps").append(el);
  on("status", draw);
}
