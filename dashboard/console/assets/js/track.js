// The stage track: how many of the sessions are in each position, and how many
// are at least there. A ramp is nested: who is in cutover has been in each stage
// before it, so each bar is a part of the bar above it.

import { $, h, text, show, keyed } from "./dom.js";
import { percent } from "./format.js";
import { on, state } from "./state.js";
import { nextStep } from "./verbs.js";

const all = 10_000;
// From the least advanced to the most; those between the stages are shown while
// they last. back is on the way down from cutover.
const positions = ["off", "mirror", "fenced", "read-new", "sealed", "back", "cutover"];
const between = { fenced: "both stores take each write, or it is marked", sealed: "both stores must take each write", back: "old is made whole again" };

// here gives how many buckets are exactly in each position.
export function here(status) {
  return Object.fromEntries(positions.map((p) => [p, status?.weights?.[p] || 0]));
}

// aim is the stage and the bucket to which the next step of the plan would ramp.
function aim(status) {
  const m = /^ramp (\S+) ([\d.]+)/.exec(nextStep(status)?.text || "");
  return m && { stage: m[1], to: Math.round(m[2] * 100) };
}

function row(p) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span", { class: `least of-${p}` }), h("span", { class: `here of-${p}` }), h("span", { class: "goal" }));
  return h("li", { class: between[p] ? "between" : "stage", "data-position": p, title: between[p] }, h("span", { class: "name" }, p), bar, h("span", { class: "n share" }), h("span", { class: "n least-n" }));
}

function draw() {
  const s = state.status;
  if (!s) return;
  const at = here(s);
  const rows = positions.filter((p) => !between[p] || at[p] > 0);
  const goal = aim(s);
  keyed($("track"), rows, (p) => p, row, (li, p) => {
    const i = positions.indexOf(p);
    const further = positions.slice(i + 1).reduce((sum, q) => sum + at[q], 0);
    const least = further + at[p];
    const [, bar, share, leastN] = li.children;
    const [outer, inner, tick] = bar.children;
    outer.style.width = `${least / 100}%`;
    inner.style.left = `${further / 100}%`;
    inner.style.width = `${at[p] / 100}%`;
    show(tick, goal?.stage === p);
    if (goal?.stage === p) tick.style.left = `${goal.to / 100}%`;
    text(share, percent(at[p]));
    let more = p === "off" ? "" : `at least: ${percent(least)}`;
    if (p === "read-new" && at[p] > 0) more += `, settled ${percent(Math.min(s.settled, least))}`;
    text(leastN, more);
    li.classList.toggle("none", at[p] === 0);
  });
}

export function start() {
  on("status", draw);
}
