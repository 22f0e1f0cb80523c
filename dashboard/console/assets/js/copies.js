// Backfill and verification: where each job is, how fast, and what it came to.

import { $, h, text } from "./dom.js";
import * as f from "./format.js";
import { get } from "./api.js";
import { on, state, now, awake } from "./state.js";
import { bar } from "./doing.js";
import { button } from "./act.js";

const jobs = ["backfill", "verify"];
const found = new Map(); // the last answer of each
let asking = false, last = "";

// counts are the numbers of a report that are not zero, in words.
export function counts(report) {
  const out = [];
  for (const [k, v] of Object.entries(report || {})) {
    if (typeof v === "number" && v > 0 && k !== "epoch") out.push(`${k.replaceAll("_", " ")} ${k === "bytes" ? f.bytes(v) : f.digits(v)}`);
    if (k === "differences" || k === "planned") for (const [c, n] of Object.entries(v || {})) out.push(`${c} ${f.count(n)}`);
  }
  return out.join(", ");
}

// told is a report as the command line tells it; of what is no copy, its counts.
export function told(r) {
  if (r?.sessions === undefined) return counts(r);
  const parts = [`${f.count(r.same || 0)} the same`, `${f.count(r.copied || 0)} copied`];
  const some = { races: "written meanwhile", regressed: "older in old", evicted: "evicted by old", skipped: "in another position", locks: "locks left alone" };
  for (const [k, words] of Object.entries(some)) if (r[k] > 0) parts.push(`${f.count(r[k])} ${words}`);
  parts.push(`${f.count(r.unresolved || 0)} unresolved`);
  const differed = Object.entries(r.differences || {}).map(([c, n]) => `${c} ${f.count(n)}`);
  return `${f.plural(r.sessions, "session")}: ${parts.join(", ")}${differed.length ? `; confirmed differences: ${differed.join(", ")}` : ""}${r.sample ? `; a sample of ${f.digits(100 * r.sample)} %, which opens no gate` : ""}`;
}

function line(name, job) {
  const buttons = h("span", { class: "buttons" });
  const title = h("h3", null, name === "verify" ? "Verification" : "Backfill");
  if (!job?.found) return h("article", null, title, h("p", { class: "dim" }, "has not run yet"), buttons);
  const s = job.state;
  const live = s.pid !== 0 && !s.ended && now() - Date.parse(s.saved) < 15_000;
  const words = s.ended ? `ended ${f.time(s.saved)}, after ${f.span(Date.parse(s.saved) - Date.parse(s.began))}`
    : !live ? `not running: run it again, it goes on where it was (${f.time(s.saved)})`
      : `${s.held ? "held" : "running"} since ${f.time(s.began)} on ${s.host}${s.phase ? `, ${s.phase}` : ""}`;
  if (live) buttons.append(button(s.held ? "job-release" : "job-hold", { job: name }, s.held ? "Go on…" : "Pause…"), button("job-cancel", { job: name }, "Cancel…"));
  return h("article", null, title, h("p", null, words, s.runs > 1 ? `; run ${s.runs}` : ""), live ? bar(s.progress || {}) : null, h("p", { class: "dim" }, told(s.report)), buttons);
}

function draw() {
  const s = state.status;
  const counted = s?.verified ? `The verification that counts ended ${f.time(s.verified)}, ${f.span(now() - Date.parse(s.verified))} ago.` : "No verification counts now: read-new needs one.";
  const articles = jobs.map((j) => line(j, found.get(j)));
  const parts = [h("p", { class: "dim" }, counted), h("div", { class: "two" }, articles)];
  const news = parts.map((p) => p.outerHTML).join();
  if (news === last) return;
  last = news;
  const focus = document.activeElement?.closest("#copies-body") && document.activeElement.textContent;
  $("copies-body").replaceChildren(...parts);
  if (focus) [...$("copies-body").querySelectorAll("button")].find((b) => b.textContent === focus)?.focus();
}

async function ask() {
  if (asking) return;
  asking = true;
  try {
    for (const j of jobs) found.set(j, await get(`jobs/${j}`));
  } catch {} // the next round asks again
  asking = false;
  draw();
}

let busy = null;
export function start() {
  text($("copies-body"), "");
  const look = () => {
    const s = state.status;
    const is = !!s?.copying || ["backfill", "verify"].includes(s?.goal?.verb) && !s.goal.ended;
    if (state.usable && state.link.ok && (is && awake() || busy !== is)) {
      busy = is;
      ask();
    } else draw();
  };
  on("status", look);
  on("usable", look);
}
