// Confirmed differences between the stores: class, cause, and what each side
// held. Lengths, sums, deadlines and flags: never data.

import { $, h, text, table, cells } from "./dom.js";
import * as f from "./format.js";
import { get } from "./api.js";
import { state, awake } from "./state.js";
import { button } from "./act.js";

const columns = ["seen", "class", "cause", "position", "session (keyed hash)", "", "found", "#bytes", "sum", "#flags", "deadline", ""];
const most = 200;
let body, all = [], error = "";

const facts = (x) => [x.error ? `could not be read: ${x.error}` : x.tombstone ? "deleted (tombstone)" : x.found ? "yes" : "no", x.found ? f.count(x.bytes || 0) : "-", x.found ? x.sum?.slice(0, 8) || "-" : "-",
  x.found ? String(x.flags || 0) : "-", !x.found ? "-" : x.deadline ? f.time(x.deadline) : "never, or not known"];

// rows of one divergence: old above new, and what differs is marked.
function rows(d) {
  const [a, b] = [facts(d.old), facts(d.new)];
  const side = (v, other) => v.map((s, i) => (s === other[i] ? s : h("b", { class: "differs" }, s)));
  const hash = h("code", { title: d.hash }, d.hash.slice(0, 16));
  const first = cells(columns, [f.time(d.seen), d.class, d.cause, d.position, hash, h("b", { class: "of-old" }, "old"), ...side(a, b), button("pin", { hash: d.hash, position: "mirror" }, "pin")], { class: "first" });
  for (const i of [0, 1, 2, 3, 4, 11]) first.cells[i].rowSpan = 2;
  const second = h("tr", { class: "second" }, [h("b", { class: "of-new" }, "new"), ...side(b, a)].map((v, i) => h("td", { class: columns[i + 5].startsWith("#") && "n", "data-label": columns[i + 5].replace("#", "") }, v)));
  return [first, second];
}

function draw() {
  const n = new Map();
  for (const d of all) n.set(d.class, (n.get(d.class) || 0) + 1);
  const select = $("divergences-class"), want = select.value;
  const options = [["", "all classes"], ...[...n].sort().map(([c, k]) => [c, `${c} (${k})`])];
  if (JSON.stringify(options) !== select.was) {
    select.was = JSON.stringify(options);
    select.replaceChildren(...options.map(([v, t]) => h("option", { value: v }, t)));
    select.value = n.has(want) ? want : "";
  }
  const some = all.filter((d) => !select.value || d.class === select.value);
  text($("divergences-sum"), `${all.length === 0 ? "none remembered by the agents" : `${f.plural(all.length, "difference")} remembered by the agents`}${some.length > most ? `, the newest ${most} shown` : ""}${error ? `; not all were heard: ${error}` : ""}`);
  const news = JSON.stringify(some.slice(0, most));
  if (news === body.was) return;
  body.was = news;
  body.replaceChildren(...some.slice(0, most).flatMap(rows));
  body.parentElement.hidden = some.length === 0;
}

async function ask() {
  try {
    const said = await get("divergences");
    all = Object.values(said.agents || {}).flatMap((ds) => ds || []).sort((a, b) => Date.parse(b.seen) - Date.parse(a.seen));
    error = said.error || "";
  } catch {
    return; // what was known stays
  }
  draw();
}

export function start() {
  let el;
  [el, body] = table("Divergences", columns);
  el.className = "cards pairs";
  el.hidden = true;
  $("divergences-body").append(el);
  $("divergences-class").addEventListener("change", draw);
  // Each agent is asked for its list: only while somebody looks at it.
  let visible = false, at = 0;
  const look = (every) => {
    if (!visible || !awake() || !state.link.ok || Date.now() - at < every) return;
    at = Date.now();
    ask();
  };
  new IntersectionObserver(([e]) => {
    visible = e.isIntersecting;
    look(1000);
  }).observe($("divergences"));
  setInterval(() => look(5000), 1000);
}
