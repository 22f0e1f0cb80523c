// Numbers with their units, and times. Exact where a person counts, three digits
// where an instrument measures.

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// count of things: 12,345.
export const count = (n) => grouped.format(n);

export const plural = (n, one, many = one + "s") => `${count(n)} ${n === 1 ? one : many}`;

// percent of buckets out of 10,000: 12.5 %.
export const percent = (buckets) => `${buckets / 100} %`;

// three digits that mean something: 0.0123, 1.23, 12.3, 1,230.
export function digits(n) {
  if (n === 0) return "0";
  if (Math.abs(n) >= 100) return grouped.format(n);
  return String(Number(n.toPrecision(3)));
}

export const rate = (n) => `${digits(n)} /s`;

// seconds as measured: 640 µs, 1.84 ms, 2.3 s.
export function seconds(s) {
  if (s === 0) return "0 s";
  if (s < 0.001) return `${digits(s * 1e6)} µs`;
  if (s < 1) return `${digits(s * 1e3)} ms`;
  return `${digits(s)} s`;
}

export function bytes(n) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (n < 1024 || unit === "GiB") return `${digits(n)} ${unit}`;
    n /= 1024;
  }
}

// span of milliseconds as a person says it: 12 s, 3 min 5 s, 4 h 12 min, 2 d 3 h.
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "min"], [s % 60, "s"]];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return "0 s";
  return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

const two = (n) => String(n).padStart(2, "0");

// time of day, in the browser's zone, with the day where it is not today.
export function time(t) {
  const d = new Date(t), now = new Date();
  const day = d.toDateString() === now.toDateString() ? "" : `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} `;
  return `${day}${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export const minute = (t) => `${two(new Date(t).getHours())}:${two(new Date(t).getMinutes())}`;

export const zone = () => {
  const m = -new Date().getTimezoneOffset();
  return m === 0 ? "UTC" : `UTC${m < 0 ? "-" : "+"}${two(Math.floor(Math.abs(m) / 60))}:${two(Math.abs(m) % 60)}`;
};
