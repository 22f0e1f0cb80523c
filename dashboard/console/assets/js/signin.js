// Signing in and out. Where a sign-in runs out the dialog comes up over the page,
// which stays as it was: what was typed is there when the dialog is gone.

import { $, text, show } from "./dom.js";
import { post } from "./api.js";
import { on, state, tell } from "./state.js";
import * as live from "./live.js";

function who() {
  const { me } = state;
  text($("me"), me?.role ? `${me.name || "nobody signed in"} (${me.role})` : "");
  show($("sign-out"), me?.signed_in);
  show($("sign-in-again"), me?.sign_in && !me.role);
  if (me?.role) document.documentElement.dataset.signed = "in";
  else if (document.documentElement.dataset.signed !== "in") document.documentElement.dataset.signed = "out";
}

// ended is called for every answer that says that nobody is signed in.
async function ended() {
  live.end();
  if (state.me?.role || !state.me) {
    const was = state.me?.name;
    if (state.me) state.me = { ...state.me, role: "", signed_in: false };
    text($("sign-in-why"), was ? "Your sign-in has run out, or the server was started anew. The page stays as it is." : "");
    if (was) $("sign-in-name").value = was;
    tell("me");
    tell("status");
  }
  if (state.me?.sign_in) ask();
}

function ask() {
  const d = $("sign-in");
  if (d.open) return;
  text($("sign-in-error"), "");
  show($("sign-in-clear"), !isSecureContext); // by TLS, or on this machine
  d.showModal();
  ($("sign-in-name").value ? $("sign-in-password") : $("sign-in-name")).focus();
}

async function submit(e) {
  e.preventDefault();
  const button = e.submitter || $("sign-in-form").querySelector("button");
  button.disabled = true;
  text($("sign-in-error"), "");
  try {
    await post("sign-in", { name: $("sign-in-name").value, password: $("sign-in-password").value });
    $("sign-in-password").value = "";
    $("sign-in").close();
    live.begin();
  } catch (err) {
    text($("sign-in-error"), err.status === 429 && err.after ? `${err.message} (again in ${err.after} s)` : err.message);
    $("sign-in-password").select();
  }
  button.disabled = false;
}

async function signOut() {
  try {
    await post("sign-out", {});
  } catch {} // the page is left anyhow
  // Nothing of what was seen stays in this tab.
  location.reload();
}

export function start() {
  $("sign-in-form").addEventListener("submit", submit);
  $("sign-out").addEventListener("click", signOut);
  $("sign-in-again").addEventListener("click", ask);
  // Before the first sign-in there is nothing behind the dialog to look at.
  $("sign-in").addEventListener("cancel", (e) => document.documentElement.dataset.signed !== "in" && e.preventDefault());
  on("me", who);
  on("signed-out", ended);
}

