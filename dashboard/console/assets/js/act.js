// Acting: a dialog that shows the dry run first, asks for a reason, and for the
// migration's name where sessions could be lost, and then follows what was begun.
// What was typed stays until the dialog is closed: also through a sign-in that ran
// out, and a refusal.

import { $, h, text, show } from "./dom.js";
import { ask, follow } from "./api.js";
import { on, state, tell } from "./state.js";
import { field, fields, values } from "./form.js";
import { verbs, whyNot } from "./verbs.js";
import * as says from "./says.js";

// buttons of the page that open the dialog; one that may not be used says why.
const buttons = new Set();

export function button(verb, args, label) {
  const b = h("button", { type: "button", "data-verb": verb }, label);
  b.addEventListener("click", () => (whyNot(verb) ? refuse(b, whyNot(verb)) : open(verb, args)));
  buttons.add(new WeakRef(b));
  enable(b);
  return b;
}

function enable(b) {
  const no = whyNot(b.dataset.verb);
  if (b.getAttribute("aria-disabled") === String(!!no) && b.title === no) return;
  b.setAttribute("aria-disabled", String(!!no));
  b.title = no;
}

// refuse says why a control may not be used now: what a pointer reads when it
// rests on it, nobody reads by keyboard or on a telephone.
export function refuse(b, why) {
  const dialog = $("act");
  it = null;
  dialog.replaceChildren(h("h2", { id: "act-h" }, `${b.textContent.replace(/…$/, "")}: not now`), h("p", { class: "whynot" }, `${why}.`),
    h("div", { class: "buttons" }, h("button", { type: "button", class: "main", autofocus: true, onclick: () => dialog.close() }, "Close")));
  dialog.showModal();
}

function enableAll() {
  for (const ref of buttons) {
    const b = ref.deref();
    if (b) enable(b);
    else buttons.delete(ref);
  }
}

// The dialog that is open: verb, what was given, the fields, the revision that
// the dry run was of.
let it = null;

export function open(verb, args = {}) {
  const v = verbs[verb], dialog = $("act");
  const { rows, inputs } = fields(v.fields, args, dryRun);
  it = { verb, v, inputs, given: { ...args, ...v.begin?.() }, revision: 0, stop: new AbortController(), asked: 0 };
  it.title = h("h2", { id: "act-h" });
  it.dry = h("div", { class: "dry", "aria-live": "polite" }, h("p", { class: "dim" }, "asking what it would do…"));
  it.moved = h("p", { class: "notice warn", role: "alert", hidden: true });
  it.why = h("input", { id: "act-why", required: true, maxlength: 500, autocomplete: "off" });
  it.who = !state.me?.signed_in && h("input", { id: "act-who", required: true, maxlength: 64, autocomplete: "name", value: sessionStorage.getItem("who") || state.me?.name || "" });
  it.name = h("input", { id: "act-confirm", autocomplete: "off", autocapitalize: "none", spellcheck: "false" });
  it.nameField = field(`Type “${state.status?.migration}” to confirm`, it.name);
  it.told = h("div", { class: "told", "aria-live": "polite" });
  it.go = h("button", { type: "submit", class: "main" }, "Do it");
  it.close = h("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  it.form = h("form", { onsubmit: submit, autocomplete: "off", novalidate: true }, it.title, rows, it.dry, it.moved,
    it.who && field("Your name", it.who, "for the log"), field("Reason", it.why, "for the log"), it.nameField, it.told, h("div", { class: "buttons" }, it.go, it.close));
  dialog.replaceChildren(it.form);
  dialog.showModal();
  (rows.length && !args.hash && !args.name ? Object.values(it.inputs)[0] : it.why).focus();
  dryRun();
}

// given are the arguments as they stand in the dialog.
const given = () => ({ ...it.given, ...values(it.inputs) });

function args() {
  const a = given();
  return it.v.args ? it.v.args(a) : a;
}

const dangerous = () => !!it.v.dangerous?.(given());

function titled() {
  const t = it.v.title(given());
  text(it.title, t);
  if (!it.done) text(it.go, t);
  it.go.classList.toggle("danger", dangerous());
  show(it.nameField, dangerous());
}

// dryRun asks the server what would happen, and remembers of which revision.
async function dryRun() {
  const mine = it, turn = ++it.asked;
  titled();
  if (Object.values(it.inputs).some((i) => !i.checkValidity())) {
    it.dry.replaceChildren(h("p", { class: "dim" }, "fill in what is above to see what it would do"));
    return;
  }
  const epoch = state.status?.epoch || 0, asked = args();
  let shown;
  try {
    const plan = await ask("plan", { verb: it.v.wish ? "job" : it.verb, args: asked });
    if (mine !== it || turn !== it.asked) return;
    it.revision = plan.revisions?.length ? plan.revisions[0].epoch - 1 : epoch;
    shown = says.plan(plan, it.revision);
  } catch (err) {
    if (mine !== it || turn !== it.asked) return;
    it.revision = epoch;
    shown = says.failure(err);
  }
  it.dry.replaceChildren(...shown);
  it.shown = JSON.stringify(asked);
  show(it.moved, false);
}

// overtaken tells the later of two that what they read is no longer so. Should
// they go on, the server refuses: it is asked for the revision that was shown.
function overtaken() {
  if (!it || !$("act").open || it.running || it.done || !it.revision || state.status.epoch <= it.revision) return;
  const by = state.status.goal?.who;
  it.moved.replaceChildren(`Revision ${state.status.epoch} is in force now${by ? ` (${by})` : ""}; what is shown was of ${it.revision}. `, h("button", { type: "button", onclick: dryRun }, "Look again"));
  show(it.moved, true);
}

// complaint is what is missing in the form, in words; focus goes there.
function complaint() {
  const missing = [...it.form.elements].find((e) => e.matches("input, select") && !e.closest("[hidden]") && !e.checkValidity());
  if (missing) {
    missing.focus();
    return missing === it.why ? "A reason is needed: it goes into the log." : `${it.form.querySelector(`label[for="${missing.id}"]`)?.textContent}: ${missing.validationMessage}`;
  }
  if (it.shown !== JSON.stringify(args())) return "What it would do was not shown yet: look at it, then confirm.";
  if (dangerous() && it.name.value !== state.status?.migration) {
    it.name.focus();
    return `Type the migration's name, ${state.status?.migration}, to confirm.`;
  }
  return whyNot(it.verb);
}

async function submit(e) {
  e.preventDefault();
  const mine = it;
  if (mine.running) return;
  if (mine.done) return $("act").close();
  const wrong = complaint();
  if (wrong) return mine.told.replaceChildren(h("p", { class: "error" }, wrong));
  if (mine.who) sessionStorage.setItem("who", mine.who.value);
  const body = { who: mine.who ? mine.who.value : undefined, why: mine.why.value, revision: mine.revision };
  mine.running = true;
  mine.go.disabled = true;
  text(mine.close, "Close: it goes on");
  mine.told.replaceChildren(h("p", { class: "dim" }, "asked for…"));
  try {
    const end = mine.v.wish ? await ask(`jobs/${mine.given.job}`, { ...body, wish: mine.v.wish })
      : mine.v.path ? await ask(mine.v.path, { ...body, ...args() })
        : await follow({ ...body, verb: mine.verb, args: args() }, (p) => mine.told.replaceChildren(...says.progress(p)), mine.stop.signal);
    mine.done = true;
    mine.told.replaceChildren(...says.done(end));
    show(mine.moved, false);
    text(mine.go, "Close");
    show(mine.close, false);
  } catch (err) {
    mine.told.replaceChildren(...says.failure(err));
    text(mine.close, "Cancel");
  }
  mine.running = false;
  mine.go.disabled = false;
  tell("log");
}

export function start() {
  $("act").addEventListener("close", () => it?.stop.abort());
  on("status", () => {
    enableAll();
    overtaken();
  });
  on("me", enableAll);
}
