// What the server said, in the dialog: a dry run, a refusal, the end.

import { h } from "./dom.js";
import * as f from "./format.js";
import { progress } from "./doing.js";
import { told } from "./copies.js";

export { progress };

const list = (items) => h("ul", null, items.map((x) => h("li", null, x)));

// plan is a dry run: what would be published, with what each revision needs, and
// what taking it back would cost.
export function plan(p, revision) {
  const out = [h("p", { class: "dim" }, `Dry run, of revision ${revision}${p.state ? `: now ${p.state}` : ""}`)];
  if (p.refused) out.push(h("div", { class: "notice bad" }, h("b", null, "Now it would be refused: "), p.refused));
  if (p.text) out.push(h("p", null, p.text));
  if (p.revisions?.length) {
    out.push(h("h3", null, "What changes"), h("ol", { class: "revisions" }, p.revisions.map((r) => h("li", null, h("b", null, `revision ${r.epoch}: `), r.text, r.needs?.length ? h("span", { class: "dim" }, ` (needs: ${r.needs.join("; ")})`) : ""))));
  } else if (!p.text) out.push(h("p", null, "Nothing changes: it is so already."));
  if (p.taking_it_back?.length) out.push(h("h3", null, "Taking it back"), list(p.taking_it_back));
  return out;
}

// failure is a refusal with gate, what was found and what to do; or another end.
export function failure(err) {
  const no = err.refusal;
  if (no) {
    return [h("div", { class: "notice bad refusal", role: "alert" }, h("p", null, h("b", null, `Refused by gate ${no.Gate}`), ": nothing was done."),
      h("dl", { class: "facts" }, h("dt", null, "Found"), h("dd", null, no.Found), h("dt", null, "Do"), h("dd", null, no.Do)))];
  }
  if (err.waiting) return [h("div", { class: "notice warn", role: "alert" }, h("p", null, `Revision ${err.waiting.Epoch} is not acknowledged yet:`), list((err.waiting.Agents || []).map((a) => `${a.name}: ${a.why}`)))];
  const text = err.status === 401 ? "The sign-in has run out, and nothing was done: sign in, then confirm again." : err.notLeader ? "This server does not lead: ask the one that does." : err.message;
  return [h("div", { class: "notice bad", role: "alert" }, h("p", null, text))];
}

// done is the end of a verb: what stands now, or what a job has counted.
export function done(end) {
  const r = end?.result ?? end ?? {};
  const out = [h("b", null, "Done. ")];
  if (r.epoch && r.state !== undefined) out.push(`Revision ${r.epoch}, acknowledged by ${f.plural(r.agents || 0, "agent")}: ${r.state}.`);
  else out.push(told(r));
  return [h("div", { class: "notice good", role: "status" }, h("p", null, out), r.steps?.length ? list(r.steps) : null, r.undo ? h("p", null, `undo log: ${r.undo}`) : null)].filter(Boolean);
}
