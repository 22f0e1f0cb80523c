// The fields of a dialog, made of what a verb says that it needs.

import { h } from "./dom.js";

// field is a labelled input, with a unit or a hint behind it.
export function field(label, input, hint) {
  return h("p", { class: "field" }, h("label", { for: input.id }, label), " ", input, hint && h("span", { class: "dim" }, ` ${hint}`));
}

function inputOf(f, value) {
  const id = "act-" + f.name;
  if (f.type === "select") return h("select", { id }, f.options.map((o) => h("option", { selected: o === value }, o)));
  if (f.type === "checkbox") return h("input", { id, type: "checkbox", checked: value });
  return h("input", { id, type: f.type, min: f.min, max: f.max, step: f.step, pattern: f.pattern, required: true, value, autocomplete: "off", spellcheck: "false" });
}

// fields gives the rows, and the inputs by name; changed is called when one was.
export function fields(wanted, given, changed) {
  const inputs = {};
  const rows = (wanted || []).map((f) => {
    const input = (inputs[f.name] = inputOf(f, given[f.name] ?? f.value ?? ""));
    input.addEventListener("change", changed);
    if (f.type === "checkbox") return h("p", { class: "field check" }, input, " ", h("label", { for: input.id }, f.label));
    return field(f.label, input, f.unit || f.hint);
  });
  return { rows, inputs };
}

// values are what stands in the inputs.
export function values(inputs) {
  const of = (i) => (i.type === "checkbox" ? i.checked : i.type === "number" ? Number(i.value) : i.value);
  return Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, of(input)]));
}
