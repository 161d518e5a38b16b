/** The address: what is looked at stands in the page's own URL, so that every view can be shared. */

export const RANGES = { "15m": 900, "1h": 3_600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000 };
const SUBJECTS = ["endpoint", "task", "statement", "blocking"];

/** What the address says: `range`, or `from` and `to` in seconds; a subject; how tables are sorted. */
export function read() {
  const given = new URLSearchParams(location.search);
  const view = { range: given.get("range") ?? "15m", from: null, to: null, kind: null, key: null, sort: {}, problem: null };
  if (given.has("from") && given.has("to")) {
    Object.assign(view, { range: null, from: seconds(given.get("from")), to: seconds(given.get("to")) });
  }
  // What makes no sense is told, and the last quarter of an hour shown.
  if (view.range === null ? !(view.to > view.from) : !(view.range in RANGES)) {
    Object.assign(view, { range: "15m", from: null, to: null, problem: location.search.slice(0, 120) });
  }
  for (const kind of SUBJECTS) {
    if (given.get(kind)) Object.assign(view, { kind, key: given.get(kind) });
  }
  for (const [name, value] of given) {
    if (name.startsWith("sort-")) view.sort[name.slice(5)] = value;
  }
  return view;
}

/** The address of a view; `changes` replaces parts of it. */
export function address(view, changes = {}) {
  const query = parameters({ ...view, ...changes }, { isForServer: false });
  const text = query.toString();
  return `dashboard${text ? `?${text}` : ""}`;
}

/** What the server is asked for a view. */
export function question(view) {
  return parameters(view, { isForServer: true }).toString();
}

function parameters(view, { isForServer }) {
  const query = new URLSearchParams();
  if (view.range === null) {
    query.set("from", isForServer ? String(view.from) : iso(view.from));
    query.set("to", isForServer ? String(view.to) : iso(view.to));
  } else if (isForServer || view.range !== "15m") {
    query.set("range", view.range);
  }
  if (view.kind && !(isForServer && view.kind === "blocking")) query.set(view.kind, view.key);
  if (!isForServer) for (const [table, sort] of Object.entries(view.sort)) query.set(`sort-${table}`, sort);
  return query;
}

function seconds(text) {
  const number = Number(text);
  return Number.isFinite(number) && text.trim() ? number : Date.parse(text) / 1000;
}

const iso = (at_s) => (Number.isFinite(at_s) ? new Date(at_s * 1000).toISOString().replace(/\.\d+Z$/, "Z") : "");
