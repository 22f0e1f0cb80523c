// The agents: those with a problem first. A hundred of them fit: a row is updated
// in place, and a filter finds one.

import { $, h, text, table, cells, keyed } from "./dom.js";
import * as f from "./format.js";
import { on, state, now } from "./state.js";
import { button } from "./act.js";

const columns = ["agent", "state", "#revision", "acknowledged", "health", "#dirty new", "#dirty old", "#unknown", "#queued", "#marks", "breakers", "digest", "version", ""];
let body;

// usual is the digest that most agents have.
function usual(agents) {
  const n = new Map();
  for (const a of agents) if (a.status) n.set(a.status.digest, (n.get(a.status.digest) || 0) + 1);
  return [...n].sort((x, y) => y[1] - x[1])[0]?.[0];
}

// problems of an agent, the worst first; none: it is well.
function problems(a, epoch, digest) {
  const s = a.status;
  if (!s) return ["no answer"];
  const out = [];
  const add = (yes, what) => yes && out.push(what);
  add(s.stopped, `stopped: ${s.stopped}`);
  add(s.state !== "ready" && s.state !== "stopped", s.state);
  add(s.digest !== digest, "another configuration");
  add(s.epoch < epoch, `${f.plural(epoch - s.epoch, "revision")} behind`);
  add(s.breaker_old && s.breaker_old !== "closed", `old: breaker ${s.breaker_old}`);
  add(s.breaker_new && s.breaker_new !== "closed", `new: breaker ${s.breaker_new}`);
  add(s.old_behind, "old lacks its writes");
  add(s.all_dirty_new, "all dirty in new");
  add(s.all_dirty_old, "all dirty in old");
  add(s.dirty_new > 0 || s.dirty_old > 0, "dirty");
  add(s.unknown_old + s.unknown_new > 0, "calls of unknown outcome");
  add(s.marks_standing > 0, "marks");
  add(s.mirror_dropped > 0, `${f.count(s.mirror_dropped)} mirrored writes dropped`);
  add(s.flags_error, `flags: ${s.flags_error}`);
  return out;
}

// listed are all agents, with those that have signed off, problems first.
function listed(s) {
  const digest = usual(s.agents);
  const rows = s.agents.map((a) => ({ ...a, problems: problems(a, s.epoch, digest), odd: a.status && a.status.digest !== digest }));
  const there = new Set(rows.map((a) => a.name));
  for (const m of s.members || []) {
    if (m.away && !there.has(m.name)) rows.push({ name: m.name, addr: m.name, away: m.away, version: m.version, problems: [] });
  }
  const rank = (a) => (a.problems.length ? 0 : a.away ? 2 : a.acknowledged ? 1 : 0);
  return rows.sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, "en", { numeric: true }));
}

function values(a) {
  const s = a.status;
  const name = h("span", { title: a.addr !== a.name ? a.addr : null }, a.name);
  const forget = button("forget", { name: a.name }, "forget");
  if (a.away) return [name, "signed off", "-", "-", h("span", { class: "dim" }, `${f.span(now() - Date.parse(a.away))} ago: no step waits for it`), "-", "-", "-", "-", "-", "-", "-", a.version || "-", forget];
  const health = a.problems.length ? h("span", { class: "state fail" }, a.problems.join(", ")) : h("span", { class: "state pass" }, "ok");
  if (!s) return [name, "-", "-", a.why || "no", health, "-", "-", "-", "-", "-", "-", "-", "-", forget];
  const ack = a.acknowledged ? "yes" : h("span", { class: "state inconclusive" }, a.why || "no");
  return [name, s.state, f.count(s.epoch), ack, health, f.count(s.dirty_new), f.count(s.dirty_old), f.count(s.unknown_old + s.unknown_new), f.count(s.mirror_queued), f.count(s.marks_standing),
    s.breaker_old === s.breaker_new ? s.breaker_old || "-" : `old ${s.breaker_old}, new ${s.breaker_new}`, h("code", { title: s.digest, class: a.odd && "bad" }, (s.digest || "-").slice(0, 8)), s.version || "-", forget];
}

function matches(a, want) {
  return [a.name, a.addr, a.status?.digest, a.status?.version, a.why, ...a.problems].some((t) => t?.toLowerCase().includes(want));
}

function draw() {
  const s = state.status;
  if (!s || !state.usable) return; // a hundred rows are below the fold: they come second
  const all = listed(s);
  const bad = all.filter((a) => a.problems.length).length;
  const want = $("agents-filter").value.trim().toLowerCase();
  const rows = all.filter((a) => (!want || matches(a, want)) && (!$("agents-bad").checked || a.problems.length));
  const acked = all.filter((a) => a.acknowledged).length;
  text($("agents-sum"), all.length === 0 ? "none has connected yet" : `${f.count(all.length)}: ${f.count(acked)} acknowledged, ${f.count(bad)} with a problem${rows.length < all.length ? `, ${f.count(rows.length)} shown` : ""}`);
  keyed(body, rows, (a) => a.name, (a) => {
    const tr = cells(columns, values(a), { "data-agent": a.name });
    tr.was = JSON.stringify(a);
    return tr;
  }, (tr, a) => {
    const is = JSON.stringify(a.status ? { ...a, status: { ...a.status, now: 0, uptime_seconds: 0, flags_contact: 0 } } : a);
    if (tr.was === is && !a.away) return;
    tr.was = is;
    const next = values(a);
    next.forEach((v, i) => {
      const td = tr.cells[i];
      if (i === next.length - 1) return; // the button stays: it may have the focus
      td.toggleAttribute("data-none", v === "-" || v === "0");
      if (typeof v === "string") text(td, v);
      else if (td.firstElementChild?.outerHTML !== v.outerHTML) td.replaceChildren(v);
    });
  });
}

export function start() {
  let el;
  [el, body] = table("Agents", columns);
  el.className = "cards";
  $("agents-body").append(el);
  $("agents-filter").addEventListener("input", draw);
  $("agents-bad").addEventListener("change", draw);
  on("status", draw);
  on("usable", draw);
}
