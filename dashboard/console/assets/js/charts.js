// The live charts: what they show, and how uPlot draws it. The legend is a list
// with the numbers of the moment under the pointer, else of the last point.

import { $, h, text, show } from "./dom.js";
import * as f from "./format.js";
import { on, now } from "./state.js";
import { since, want } from "./series.js";

// A series is [column, name, colour, dashed]. The colours are the style sheet's.
const charts = [
  { title: "Requests by position", unit: f.rate, none: "no requests", series: [
    ["requests_off", "off", "off"], ["requests_mirror", "mirror", "mirror"], ["requests_fenced", "fenced", "fenced"], ["requests_read_new", "read-new", "read-new"],
    ["requests_sealed", "sealed", "sealed"], ["requests_cutover", "cutover", "cutover"], ["requests_back", "back", "back"], ["requests_failed", "failed", "bad", true]] },
  { title: "Divergences by class", unit: f.rate, none: "none", beside: ["compared", "compared"], series: [
    ["divergence_missing_new", "missing_new", "bad"], ["divergence_missing_old", "missing_old", "old"], ["divergence_value", "value", "back"],
    ["divergence_flags", "flags", "fenced"], ["divergence_expiry", "expiry", "read-new"], ["divergence_old_regressed", "old_regressed", "off"]] },
  { title: "Reads, p50 and p99", unit: f.seconds, none: "no reads", series: [
    ["old_read_p50", "old p50", "old", true], ["old_read_p99", "old p99", "old"], ["new_read_p50", "new p50", "new", true], ["new_read_p99", "new p99", "new"]] },
  { title: "Writes, p50 and p99", unit: f.seconds, none: "no writes", series: [
    ["old_write_p50", "old p50", "old", true], ["old_write_p99", "old p99", "old"], ["new_write_p50", "new p50", "new", true], ["new_write_p99", "new p99", "new"]] },
  { title: "Fallbacks and store errors", unit: f.rate, none: "none", series: [
    ["fallbacks", "fallbacks", "read-new"], ["old_errors", "old errors", "old"], ["new_errors", "new errors", "new"]] },
  { title: "Marks in old", unit: f.count, whole: true, none: "none", series: [["marks", "sessions marked", "bad"]] },
  { title: "Mirror lag, the worst agent", unit: f.seconds, none: "none", series: [["mirror_lag", "lag", "mirror"]] },
  { title: "Mirror queue", unit: f.digits, none: "empty", series: [["mirror_queued", "operations queued", "mirror"], ["mirror_dropped", "dropped /s", "bad"]] },
];

// uPlot is more than half of the page's bytes, and nothing waits for it but the
// lines: it is loaded when there are points.
let uPlot = null, loading = false;

async function load() {
  loading = true;
  try {
    uPlot = (await import("../uplot/uPlot.esm.js")).default;
    redraw();
  } finally {
    loading = false; // else the next points try again
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const shown = () => Number($("window").value) * 1000;

function options(c, width) {
  const grid = { stroke: colour("line"), width: 1 };
  const axis = { stroke: colour("dim"), font: "11px system-ui, sans-serif", grid, ticks: { ...grid, size: 4 } };
  return {
    width, height: 132, ms: 1, legend: { show: false }, padding: [8, 18, 0, 0],
    cursor: { sync: { key: "console" }, y: false, drag: { x: false, y: false }, points: { size: 5 } },
    scales: {
      x: { time: true, range: () => [now() - shown(), now()] },
      y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      { ...axis, size: 22, space: 56, values: (u, at) => at.map(f.minute) },
      { ...axis, size: 58, space: 28, values: (u, at) => at.map((v) => c.unit(v)), ...(c.whole && { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 1e5, 1e6] }) },
    ],
    series: [{}, ...c.series.map(([, label, name, dashed]) => ({
      label, stroke: colour(name), width: 1.5, dash: dashed ? [4, 3] : undefined, points: { show: false },
    }))],
    hooks: { setCursor: [(u) => legend(c, u.cursor.idx)] },
  };
}

// legend says the numbers of one point; those that were nothing all the time are
// left out, so that seven positions do not hide two.
function legend(c, at) {
  const times = c.data[0];
  const i = at ?? times.length - 1;
  c.items.forEach((item, k) => {
    const values = c.data[k + 1];
    const v = values[i];
    show(item, c.some[k]);
    text(item.lastElementChild, v === null || v === undefined ? "-" : c.unit(v));
  });
  if (c.beside) {
    const v = c.besides[i];
    text(c.note, v === null || v === undefined ? "" : `${c.beside[1]} ${f.rate(v)}`);
  } else text(c.note, at === null || at === undefined || !times.length ? "" : f.time(times[i]));
}

function build(c) {
  c.items = c.series.map(([, label, name, dashed]) => h("li", null, h("i", { class: `key of-${name} ${dashed ? "dashed" : ""}` }), label + " ", h("b", null, "-")));
  c.note = h("span", { class: "dim" });
  c.box = h("div", { class: "plot" });
  c.empty = h("p", { class: "empty dim" });
  c.root = h("figure", null, h("figcaption", null, h("b", null, c.title), " ", c.note), c.box, c.empty, h("ul", { class: "legend" }, c.items));
  return c.root;
}

function draw(c) {
  const names = c.series.map(([column]) => column);
  if (c.beside) names.push(c.beside[0]);
  c.data = since(now() - shown(), names);
  c.besides = c.beside ? c.data.pop() : null;
  c.some = c.data.slice(1).map((values) => values.some((v) => v > 0));
  const width = c.box.clientWidth;
  if (!c.plot && width > 0 && uPlot) c.plot = new uPlot(options(c, width), c.data, c.box);
  else c.plot?.setData(c.data);
  c.some.forEach((any, k) => c.plot && c.plot.series[k + 1].show !== any && c.plot.setSeries(k + 1, { show: any }));
  text(c.empty, c.data[0].length === 0 ? "nothing was heard in this time" : c.none);
  show(c.empty, !c.some.includes(true));
  legend(c, c.plot?.cursor.idx);
}

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    charts.forEach(draw);
  });
}

export function start() {
  $("figures").append(...charts.map(build));
  const anew = () => {
    for (const c of charts) {
      c.plot?.destroy();
      c.plot = null;
    }
    redraw();
  };
  new ResizeObserver(() => {
    for (const c of charts) if (c.plot && c.box.clientWidth > 0) c.plot.setSize({ width: c.box.clientWidth, height: 132 });
  }).observe($("figures"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  $("window").addEventListener("change", () => {
    want(shown());
    redraw();
  });
  want(shown());
  on("points", () => {
    if (!uPlot && !loading) load();
    redraw();
  });
}
