// The sessions that are held at a position, whatever the ramp says.

import { $, h, keyed } from "./dom.js";
import * as f from "./format.js";
import { on, state } from "./state.js";
import { button } from "./act.js";

const most = 20;

function draw() {
  const pins = state.status?.pins || [];
  keyed($("pins"), pins.slice(0, most), (p) => p.hash + p.position,
    (p) => h("p", { class: "buttons" }, h("code", { title: p.hash }, p.hash.slice(0, 16)), ` pinned at ${p.position}`, button("unpin", { hash: p.hash }, "unpin")));
  $("pins").dataset.more = pins.length > most ? `and ${f.count(pins.length - most)} more: crossfade status --json has them` : "";
}

export function start() {
  on("status", draw);
}
