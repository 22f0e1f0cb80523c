// What can be done from the page: for each verb its title, the role it needs, the
// request it becomes, and what is asked for besides. The server holds people to
// their roles; what stands here only keeps the page from offering what would be
// refused.

import { state } from "./state.js";
import { percent } from "./format.js";

const stages = ["read-new", "mirror", "off"];
const pace = [
  { name: "rate", label: "At most", unit: "sessions a second (0: no bound)", type: "number", min: 0, step: 1, value: 0 },
  { name: "give_way", label: "Go slower while a store answers later than before", type: "checkbox", value: true },
];
const paced = (a) => ({ pace: { ...(a.rate > 0 && { rate: a.rate }), give_way: a.give_way } });
const inCutover = () => (state.status?.weights?.cutover || 0) + (state.status?.weights?.back || 0) > 0;

// wished is what may be asked of a job that runs, which is no verb of its own.
const wished = (wish, title) => ({ role: "operator", title: (a) => `${title}: ${a.job}`, wish, args: (a) => ({ job: a.job, wish }) });

// nextStep of the plan; undefined: there is none, or it is not known.
export const nextStep = (status) => status?.plan?.steps[status.plan.done];

// A verb: title says it with its arguments; role; fields are asked for in the
// dialog; args makes the arguments that the server takes; path is where it is
// posted (do, unless it says so); begin is what the dialog goes by from its
// opening on; dangerous ones want the migration's name.
export const verbs = {
  ramp: { role: "operator", title: (a) => `Ramp ${a.stage} to ${percent(a.buckets)}`, dangerous: (a) => a.stage === "cutover" || inCutover() },
  advance: { role: "operator", title: (a) => `Advance: ${a.text}`, args: (a) => ({ step: a.step }), dangerous: (a) => /^ramp cutover/.test(a.text),
    begin: () => ({ step: state.status.plan?.done || 0, text: nextStep(state.status)?.text || "the next step" }) },
  rollback: { role: "operator", title: (a) => `Roll back to ${a.to || "…"}`, dangerous: inCutover,
    fields: [{ name: "to", label: "Back to", type: "select", options: stages, value: "mirror" }] },
  hold: { role: "operator", title: () => "Hold the plan", path: "hold" },
  release: { role: "operator", title: () => "Release the hold", path: "release" },
  backfill: { role: "operator", title: () => "Backfill", fields: pace, args: paced },
  verify: { role: "operator", title: () => "Verify", args: (a) => ({ ...paced(a), ...(a.share < 100 && { sample: a.share / 100 }) }),
    fields: [{ name: "share", label: "Look at", unit: "% of the sessions (less than all does not count for read-new)", type: "number", min: 0.01, max: 100, step: 0.01, value: 100 }, ...pace] },
  repair: { role: "operator", title: (a) => (a.yes ? `Repair at most ${a.max} sessions` : "Repair: look, write nothing"), args: (a) => ({ repair: { max: a.max, yes: a.yes }, ...paced(a) }),
    fields: [{ name: "yes", label: "Write (else it only says what it would write)", type: "checkbox", value: false },
      { name: "max", label: "At most", unit: "sessions", type: "number", min: 1, step: 1, value: 1000 }, ...pace] },
  pin: { role: "operator", title: (a) => `Pin a session at ${a.position || "…"}`,
    fields: [{ name: "hash", label: "Keyed hash", type: "text", pattern: "[0-9a-f]{32}", hint: "32 hexadecimal digits: crossfade explain, or Divergences, has it" },
      { name: "position", label: "Position", type: "select", options: ["off", "mirror", "fenced", "read-new"], value: "mirror",
        hint: "no further: sealing, cutover and the way back are made for cohorts. While one is below fenced no verification counts; while one is at read-new old cannot be declared down" }] },
  unpin: { role: "operator", title: () => "Unpin a session",
    fields: [{ name: "hash", label: "Keyed hash", type: "text", pattern: "[0-9a-f]{32}", hint: "32 hexadecimal digits" }] },
  forget: { role: "admin", title: (a) => `Forget agent ${a.name || "…"}`, dangerous: () => true,
    fields: [{ name: "name", label: "Agent", type: "text" }] },
  "declare-down": { role: "admin", title: () => "Declare old down", dangerous: () => true, args: () => ({ store: "old" }) },
  recover: { role: "admin", title: () => "Recover old", args: () => ({ store: "old" }) },
  complete: { role: "admin", title: () => "Complete the migration", dangerous: () => true },
  "job-hold": wished("hold", "Pause"),
  "job-release": wished("release", "Go on"),
  "job-cancel": wished("cancel", "Cancel"),
};

const ranks = { viewer: 1, operator: 2, admin: 3 };

// whyNot says why this person may not do that now, in words; "": they may.
export function whyNot(verb) {
  const { me, status, link } = state;
  const need = verbs[verb].role;
  if (!me?.role) return "nobody is signed in";
  if ((ranks[me.role] || 0) < ranks[need]) return `needs the role ${need}: ${me.name || "you"} ${me.name ? "is" : "are"} ${me.role}`;
  if (!link.ok || !status) return "not connected";
  if (!status.leads) return "this server does not lead";
  if (verb === "release" && !status.plan?.held) return "nobody holds";
  if (verb === "hold" && status.plan?.held) return `held already by ${status.plan.held.by}`;
  if (verb === "advance" && status.plan && status.plan.done >= status.plan.steps.length) return "every step of the plan is done";
  return "";
}
