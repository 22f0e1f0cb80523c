// The stream of events, for as long as the page is open. EventSource connects
// again by itself while nothing answers; where an answer says no (a restart has
// ended the sign-in) the page asks who it is and goes on from there.

import { me, get } from "./api.js";
import { state, tell } from "./state.js";
import * as series from "./series.js";

const quiet = 10_000; // ms without an event, while a point comes every two seconds
let source = null;
let again = 0; // the timer of the next try

// drawn calls fn once what was told is on the screen: what is long, and below the
// fold, is asked for after what somebody waits for.
function drawn(fn) {
  requestAnimationFrame(() => setTimeout(() => {
    if (!state.usable) {
      state.usable = true;
      performance.mark("usable");
      tell("usable");
    }
    fn();
  }));
}

function linked(ok) {
  state.link.heard = ok ? Date.now() : state.link.heard;
  if (state.link.ok === ok) return;
  state.link = { ...state.link, ok, since: Date.now() };
  tell("status");
}

function close() {
  source?.close();
  source = null;
  clearTimeout(again);
}

let known = false; // who this is was asked for the stream that opens next

function open() {
  close();
  const s = (source = new EventSource("v1/events"));
  let stale = true; // the points are of before this connection
  s.addEventListener("open", () => {
    stale = true;
    if (!known) me().catch(() => {}); // the stream says that it is there
    known = false;
  });
  s.addEventListener("status", (e) => {
    state.status = JSON.parse(e.data);
    linked(true);
    tell("status");
    if (stale) drawn(() => series.load());
    stale = false;
  });
  // The status without what is long: that stands as it was told last.
  s.addEventListener("now", (e) => {
    const { agents, members, pins, plan } = state.status;
    state.status = { ...JSON.parse(e.data), agents, members, pins };
    if (state.status.plan) state.status.plan.steps = plan?.steps || [];
    linked(true);
    tell("status");
  });
  s.addEventListener("point", (e) => {
    linked(true);
    series.push(JSON.parse(e.data));
  });
  s.addEventListener("signed-out", () => tell("signed-out"));
  s.addEventListener("error", () => {
    linked(false);
    if (s === source && s.readyState === EventSource.CLOSED) retry(1000);
  });
}

function retry(wait) {
  close();
  again = setTimeout(() => begin(Math.min(wait * 1.5, 5000)), wait);
}

// begin asks who this is, and opens the stream for whoever may read it.
export async function begin(wait = 1000) {
  try {
    const who = await me();
    known = true;
    if (!who.role) return tell("signed-out");
  } catch (err) {
    state.link.why = err.status ? err.message : "";
    linked(false);
    tell("status");
    return retry(wait);
  }
  state.link.why = "";
  open();
}

// end closes the stream: nobody is signed in.
export function end() {
  close();
  linked(false);
}

// A connection that was lost without a word looks like a quiet server.
setInterval(async () => {
  if (!source || !state.link.ok || Date.now() - state.link.heard < quiet) return;
  try {
    await get("me");
    state.link.heard = Date.now(); // it answers, and has nothing to say
  } catch {
    linked(false);
    retry(1000);
  }
}, 2000);
