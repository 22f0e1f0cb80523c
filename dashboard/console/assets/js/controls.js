// The controls of the page: what there is to press, and the ramp with its slider
// and its number.

import { $, text, show } from "./dom.js";
import { on, state } from "./state.js";
import { button, open, refuse } from "./act.js";
import { nextStep, whyNot } from "./verbs.js";

let touched = false; // somebody has set the ramp: it follows what is no more

const reached = { mirror: "mirror", "read-new": "read_new", cutover: "cutover" };

// follow sets the ramp to where the stage stands, and proposes the next step's.
function follow() {
  if (touched || !state.status) return;
  const m = /^ramp (\S+) ([\d.]+)/.exec(nextStep(state.status)?.text || "");
  const stage = m ? m[1] : $("ramp-stage").value;
  if (document.activeElement !== $("ramp-stage")) $("ramp-stage").value = stage;
  set(m ? Number(m[2]) : state.status[reached[stage]] / 100);
}

function set(percent) {
  $("ramp-slider").value = percent;
  $("ramp-number").value = percent;
}

function may() {
  const no = whyNot("ramp");
  $("ramp").querySelector("button").setAttribute("aria-disabled", String(!!no));
  text($("may"), no ? `Acting: ${no}.` : "");
  show($("may"), no);
}

export function start() {
  const place = (id, ...buttons) => $(id).append(...buttons);
  place("acts", button("advance", {}, "Advance…"), button("hold", {}, "Hold…"), button("release", {}, "Release…"), button("rollback", {}, "Roll back…"));
  place("copy-acts", button("backfill", {}, "Backfill…"), button("verify", {}, "Verify…"), button("repair", {}, "Repair…"));
  place("pin-acts", button("pin", {}, "Pin…"), button("unpin", {}, "Unpin…"));
  place("end-acts", button("declare-down", {}, "Declare old down…"), button("recover", {}, "Recover old…"), button("complete", {}, "Complete…"));
  $("ramp-stage").addEventListener("change", () => {
    touched = true;
    set((state.status?.[reached[$("ramp-stage").value]] || 0) / 100);
  });
  $("ramp-slider").addEventListener("input", () => {
    touched = true;
    $("ramp-number").value = $("ramp-slider").value;
  });
  $("ramp-number").addEventListener("input", () => {
    touched = true;
    $("ramp-slider").value = $("ramp-number").value;
  });
  $("ramp").addEventListener("submit", (e) => {
    e.preventDefault();
    const no = whyNot("ramp");
    if (no) return refuse(e.submitter || $("ramp").querySelector("button"), no);
    open("ramp", { stage: $("ramp-stage").value, buckets: Math.round(Number($("ramp-number").value) * 100) });
  });
  $("act").addEventListener("close", () => {
    touched = false;
    follow();
  });
  on("status", () => {
    follow();
    may();
  });
  on("me", may);
  may();
}
