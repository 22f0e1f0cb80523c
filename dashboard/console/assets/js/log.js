// History and audit: who asked for what, from where and why, and what came of it.

import { $, h, text, show, table, cells } from "./dom.js";
import * as f from "./format.js";
import { get } from "./api.js";
import { on, state } from "./state.js";
import { words } from "./doing.js";

const columns = ["time", "who", "from", "what", "#revision", "outcome", "why"];
const page = 50;
const fetched = 1000; // of the log's newest; crossfade audit has all
let body, entries = [], checked = null, most = page;

const kinds = {
  "": () => true,
  asked: (e) => e.outcome !== "published",
  revisions: (e) => e.outcome === "published",
};

// more is what an entry holds besides its line.
function more(e) {
  const facts = [];
  if (e.taking_it_back?.length) facts.push(h("p", null, "Taking it back: " + e.taking_it_back.join("; ")));
  if (e.gates?.length) facts.push(h("ul", null, e.gates.map((g) => h("li", null, `${g.gate} ${g.state}: ${g.text}`))));
  return facts.length ? h("details", null, h("summary", null, "more"), facts) : null;
}

function outcome(e) {
  const kind = { done: "pass", published: "", asked: "" }[e.outcome] ?? "fail";
  return h("span", { class: `state ${kind}` }, e.outcome);
}

const from = (e) => (e.from ? h("span", { title: e.from }, e.from.replace(/:\d+$/, "")) : "-");

function row(e) {
  const what = h("div", null, words(e.verb, e.args), e.text ? h("span", { class: "dim" }, " " + e.text) : "", more(e));
  return cells(columns, [f.time(e.at), e.who || "-", from(e), what, e.epoch ? f.count(e.epoch) : "-", outcome(e), e.why || "-"], { "data-n": e.n });
}

function draw() {
  const some = entries.filter(kinds[$("log-kind").value]);
  const whole = !checked ? "" : checked.bad?.length ? `, NOT as they were written: ${checked.bad[0]}` : ", as they were written";
  $("log-sum").classList.toggle("bad", !!checked?.bad?.length);
  text($("log-sum"), `${f.plural(checked?.entries ?? entries.length, "entry", "entries")}${whole}`);
  body.replaceChildren(...some.slice(0, most).map(row));
  show($("log-more"), some.length > most);
}

async function ask() {
  try {
    const said = await get(`audit?last=${fetched}`);
    entries = said.entries.reverse();
    checked = said.checked;
  } catch {
    return; // what was known stays
  }
  draw();
}

let seen = null, timer = 0;
export function start() {
  let el;
  [el, body] = table("Log, the newest first", columns);
  el.className = "cards";
  $("log-body").append(el);
  $("log-kind").addEventListener("change", () => {
    most = page;
    draw();
  });
  $("log-more").addEventListener("click", () => {
    most += 4 * page;
    draw();
  });
  // The log has grown when something was asked for, has ended, or was published.
  const look = () => {
    const s = state.status;
    if (!s || !state.link.ok || !state.usable) return;
    const is = JSON.stringify([s.epoch, s.goal?.id, s.goal?.ended, s.plan?.held?.at, state.link.since]);
    if (is === seen) return;
    seen = is;
    clearTimeout(timer);
    timer = setTimeout(ask, 200);
  };
  on("status", look);
  on("usable", look);
  on("log", ask);
}
