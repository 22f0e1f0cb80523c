// What the page knows, and who wants to hear that it has changed. Topics: me,
// status (also when what is connected has changed), usable (once), points, log.

export const state = {
  me: null, // GET v1/me; null: not known yet
  status: null, // GET v1/status; null: not known yet
  // link is whether the stream of events is open, and since when; heard is when
  // anything came last; why is what the server said to who only asked who it is.
  link: { ok: false, since: Date.now(), heard: 0, why: "" },
  usable: false, // a status has been drawn: before that nothing else is asked for
  skew: 0, // ms that the server's clock is ahead of this one
};

const ears = new Map();

export function on(topic, fn) {
  ears.set(topic, [...(ears.get(topic) || []), fn]);
}

// tell runs them all: one that throws must not keep the others from their part.
export function tell(topic) {
  for (const fn of ears.get(topic) || []) {
    try {
      fn();
    } catch (err) {
      console.error(err);
    }
  }
}

// now is the server's time, in ms.
export const now = () => Date.now() + state.skew;

// awake tells whether somebody is at the page: only then is more asked for than
// the stream brings. Else a page left open would keep its sign-in from running out.
let input = Date.now();
for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]) addEventListener(kind, () => (input = Date.now()), { passive: true });
export const awake = () => !document.hidden && Date.now() - input < 5 * 60_000;
