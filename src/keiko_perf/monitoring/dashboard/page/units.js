/**
 * Figures as people read them, in their language.
 *
 * A unit does not jump from beat to beat: durations are in milliseconds, and in seconds from ten on.
 */

const lang = document.documentElement.lang || "en";
const locale = lang === "de" ? "de-DE" : "en-GB";
const kept = new Map();
export const NONE = "–";

function numbers(options) {
  const key = JSON.stringify(options);
  if (!kept.has(key)) kept.set(key, new Intl.NumberFormat(locale, options));
  return kept.get(key);
}

/** Three significant digits; all digits before the point. */
export function digits(value) {
  if (Math.abs(value) >= 100) return numbers({ maximumFractionDigits: 0 }).format(value);
  return numbers({ maximumSignificantDigits: 3 }).format(value);
}

export const show = {
  duration: (s) => (s >= 10 ? `${digits(s)} s` : `${digits(s * 1000)} ms`),
  rate: (per_s) => `${digits(per_s)}/s`,
  per_minute: (per_min) => `${digits(per_min)}/min`,
  amount: (n) => digits(n),
  count: (n) => numbers({ maximumFractionDigits: 0 }).format(n),
  ratio: (share) => `${share > 0 && share < 0.0001 ? "< 0.01" : digits(share * 100)} %`,
};

/** How much something changed, without its sign: in per cent, or as a factor where it is large. */
export function changed(share) {
  return share >= 1.5 ? `${digits(share + 1)} ×` : `${digits(Math.round(Math.abs(share) * 100))} %`;
}

/** Keeps a number and its unit on one line. */
export function unbroken(text) {
  return text.replace(/(\d) (?=(?:[µnm]?s|%|×|min|h|d|[KMGT]?i?B)(?![\w]))/g, "$1\u00a0");
}

/** A figure, or a dash where there is none. */
export function shown(value, format) {
  return value === null || value === undefined ? NONE : show[format](value);
}

/** The labels of an axis: all in the unit of the largest, unless it spans decades. */
export function ticks(values, format, isLog) {
  if (format !== "duration") return values.map((value) => show[format](value));
  const most = Math.max(...values);
  return values.map((value) => ((isLog ? value : most) >= 1 ? `${digits(value)} s` : `${digits(value * 1000)} ms`));
}

const times = (options) => new Intl.DateTimeFormat(locale, options);
const CLOCK = times({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const SECONDS = times({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = times({ day: "numeric", month: "short" });
const DAY_CLOCK = times({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** An instant, as exactly as a range of *span_s* needs. */
export function instant(at_s, span_s = 0) {
  const at = new Date(at_s * 1000);
  if (span_s > 90_000) return DAY_CLOCK.format(at);
  return (span_s > 1_000 ? CLOCK : SECONDS).format(at);
}

/** When something happened: the time today, else the day as well. */
export function when(at_s) {
  const at = new Date(at_s * 1000);
  return at.toDateString() === new Date().toDateString() ? CLOCK.format(at) : DAY_CLOCK.format(at);
}

/** A tick of the axis of time: the day where it begins, else the hour. */
export function timeTick(at_s, step_s) {
  const at = new Date(at_s * 1000);
  const isMidnight = at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0;
  if (isMidnight || step_s >= 86_400) return DAY.format(at);
  return (step_s < 60 ? SECONDS : CLOCK).format(at);
}

/** How long something lasted, in one or two words. */
export function lasted(s) {
  const steps = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = steps.find(([one]) => s >= one) ?? [1, "s"];
  return `${digits(Math.floor(s / size))} ${unit}`;
}
