// What stands above everything: what keeps the page from being true, or from
// acting.

import { $, h, keyed, text } from "./dom.js";
import * as f from "./format.js";
import { on, state } from "./state.js";

function notices() {
  const out = [];
  const { link, status, me } = state;
  if (status && !link.ok && me?.role) out.push(["link", "bad", `Not connected since ${f.time(link.since)}. What is shown is as of ${f.time(link.heard)}; the page connects again by itself.`]);
  if (!link.ok && link.why) out.push(["why", "bad", `The server refuses this page: ${link.why}.`]);
  if (link.ok && status && !status.leads) out.push(["lead", "warn", `Server ${status.server} does not lead: open the page of the one that does to act.`]);
  if (status?.declared_down) out.push(["down", "bad", `Declared down: ${status.declared_down}.`]);
  if (me && !me.role && !me.sign_in) out.push(["people", "bad", "This server has no people, and off loopback its API wants somebody: set server.users_file, and make people with crossfade users."]);
  const mine = document.documentElement.dataset.version;
  if (me && me.version !== mine) out.push(["version", "warn", `The server is of version ${me.version} now, this page of ${mine}: reload it.`]);
  return out;
}

function draw() {
  keyed($("notices"), notices(), ([key]) => key, ([, kind]) => h("p", { class: `notice ${kind}` }), (el, [, , t]) => text(el, t));
}

export function start() {
  on("status", draw);
  on("me", draw);
  draw();
}
