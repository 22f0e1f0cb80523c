// The points of the time that is shown, an hour at most, by column, as GET
// v1/series gives them and as the stream adds to them.

import { get } from "./api.js";
import { tell } from "./state.js";

const most = 3600_000; // ms
let columns = { t: [] };
let early = []; // points that came while the hour was on its way
let loading = false;
let wanted = 0; // ms that are shown

// want says how much of the time is shown; what is missing of it is asked for.
export function want(ms) {
  if (ms <= wanted) return;
  const before = wanted > 0;
  wanted = ms;
  if (before) load();
}

export async function load() {
  if (loading) return;
  const asked = wanted;
  loading = true;
  early = [];
  try {
    columns = (await get(`series?last=${asked / 1000}`)).columns;
    columns.t ||= [];
  } catch {
    return; // the next connection asks again
  } finally {
    loading = false;
  }
  early.forEach(add);
  early = [];
  tell("points");
  if (asked < wanted) load();
}

function add(point) {
  const n = columns.t.length;
  if (n > 0 && point.t <= columns.t[n - 1]) return;
  for (const name of Object.keys(point)) columns[name] ||= new Array(n).fill(null);
  for (const name of Object.keys(columns)) columns[name].push(point[name] ?? null);
  const old = columns.t.findIndex((t) => t > point.t - most);
  if (old > 60) for (const name of Object.keys(columns)) columns[name].splice(0, old); // now and then: it moves all
}

export function push(point) {
  if (loading) return void early.push(point);
  add(point);
  tell("points");
}

// since gives columns from a moment on, as uPlot takes them: times first.
export function since(from, names) {
  let i = columns.t.findIndex((t) => t >= from);
  if (i < 0) i = columns.t.length;
  return [columns.t.slice(i), ...names.map((n) => columns[n]?.slice(i) || new Array(columns.t.length - i).fill(null))];
}
