// The server's HTTP API, below v1/ of the page's own address. The page does
// nothing that is not one of these requests.

import { state, tell } from "./state.js";

// Failure is an answer that is no success. status 0: there was none.
export class Failure extends Error {
  constructor(status, body, after) {
    super(body.error || `the server answered ${status}`);
    this.status = status;
    this.refusal = body.refusal; // {Gate, Found, Do}
    this.waiting = body.waiting; // {Epoch, Agents}
    this.notLeader = body.not_leader;
    this.after = after; // seconds, of 429
  }
}

async function request(method, path, body, signal) {
  let answer;
  try {
    answer = await fetch("v1/" + path, {
      method,
      signal,
      cache: "no-store",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (err) {
    throw new Failure(0, { error: err.name === "TimeoutError" ? "the server does not answer in time" : "the server does not answer" });
  }
  if (answer.ok) return answer;
  let said = {};
  try {
    said = await answer.json();
  } catch {} // a proxy's page, perhaps: the status says enough
  if (answer.status === 401 && path !== "sign-in" && path !== "me") tell("signed-out");
  throw new Failure(answer.status, said, Number(answer.headers.get("Retry-After")) || 0);
}

const soon = () => AbortSignal.timeout(15_000);

export async function get(path) {
  return (await request("GET", path, undefined, soon())).json();
}

export async function post(path, body) {
  const answer = await request("POST", path, body, soon());
  return answer.status === 204 ? null : answer.json();
}

// line is what a Line of the server comes to: its result, or a Failure.
function line(l) {
  if (l.failure) throw new Failure(200, l.failure);
  return l;
}

// ask posts what is answered with one Line.
export const ask = async (path, body) => line(await post(path, body)).result;

// follow posts to v1/do, tells each line of progress, and ends as it ends. Broken
// off by signal it goes on without this page.
export async function follow(body, progress, signal) {
  const answer = await request("POST", "do", body, signal);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Failure(0, { error: "the connection broke off: what was begun goes on without this page, and Under way shows it" });
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const s of lines) {
      const l = line(JSON.parse(s));
      if (!l.progress) return l;
      progress(l.progress);
    }
  }
}

// me asks who this is, and what time it is there.
export async function me() {
  const answer = await request("GET", "me", undefined, soon());
  const date = Date.parse(answer.headers.get("Date"));
  if (date) state.skew = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0; // it has whole seconds
  state.me = await answer.json();
  tell("me");
  return state.me;
}
