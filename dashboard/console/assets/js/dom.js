// Elements, without markup: text given to these functions stays text, whatever
// is in it. The page's policy refuses anything else.

export const $ = (id) => document.getElementById(id);

// h makes an element: h("td", {class: "n", onclick: fn}, "text", child). An
// attribute that is false, null or undefined is left out.
export function h(tag, attrs, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs || {})) {
    if (name.startsWith("on")) el.addEventListener(name.slice(2), value);
    else if (value === true) el.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(name, value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// text changes an element's text only where it is another: what is selected
// stays selected, and a live region says nothing twice.
export function text(el, s) {
  s = String(s);
  if (el.textContent !== s) el.textContent = s;
}

export function show(el, yes) {
  if (el.hidden === !!yes) el.hidden = !yes;
}

const kept = new WeakMap(); // parent: its children by key

// keyed makes the children of parent those of the items, in their order, and keeps
// what is there: a button that has the focus keeps it while its row is updated.
export function keyed(parent, items, key, make, update) {
  const was = kept.get(parent) || new Map(), rows = new Map();
  const focus = parent.contains(document.activeElement) && document.activeElement;
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    const el = was.get(k) || make(item);
    update?.(el, item);
    rows.set(k, el);
    if (el === at) at = at.nextElementSibling;
    else parent.insertBefore(el, at);
  }
  for (const [k, el] of was) if (rows.get(k) !== el) el.remove();
  kept.set(parent, rows);
  if (focus && focus !== document.activeElement && parent.contains(focus)) focus.focus({ preventScroll: true }); // it was moved
}

// table makes a table with a head; its body is returned beside it. A column is
// its heading, with "#" before it where it holds numbers.
export function table(caption, columns) {
  const body = h("tbody");
  const head = columns.map((c) => h("th", { scope: "col", class: c.startsWith("#") && "n" }, c.replace(/^#/, "")));
  return [h("table", null, h("caption", { class: "hide" }, caption), h("thead", null, h("tr", null, head)), body), body];
}

// cells makes a row of texts or elements. On a narrow screen each cell shows its
// column's name, and one with nothing to say is left out.
export function cells(columns, values, attrs) {
  return h("tr", attrs, values.map((v, i) => h("td", { class: columns[i].startsWith("#") && "n", "data-label": columns[i].replace(/^#/, ""), "data-none": v === "-" }, v)));
}
