/**
 * The charts: strips on one axis of time. What is pointed at in one is read in all, and what is
 * selected in one becomes the range of all, of the tables, and of the address.
 */

import { byId, element, tell } from "./dom.js";
import { Strip } from "./strip.js";
import { instant } from "./units.js";
import { t } from "./words.js";

const sum = (...lists) => lists[0].map((_, at) => (lists[0][at] === null ? null : lists.reduce((all, one) => all + (one[at] ?? 0), 0)));

/** A line that is read as it is drawn. */
const plain = (name, title, colour, more = {}) => ({ title, colour, values: (c) => c[name], raw: (c) => c[name], ...more });

/** Areas on top of each other: the topmost is drawn first, and each is read on its own. */
const stacked = (parts) => parts.map((part, at) => ({
  title: part.title, colour: part.colour, fill: `${part.colour}-fill`, width: 1,
  values: (c) => sum(...parts.slice(at).map((one) => c[one.name])), raw: (c) => c[part.name],
}));

function definitions({ isSubject, kind }, limits, columns) {
  const isSeen = (name) => columns[name]?.some((value) => value > 0);
  const percentiles = [plain("p99", t("p99"), "p99"), plain("p95", t("p95"), "p95", { width: 2.2 }), plain("p50", t("p50"), "p50")];
  const answers = [
    { name: "failed", title: t(kind === "endpoint" || !isSubject ? "failed" : "failedRuns"), colour: "failed" },
    { name: "refused", title: t("refused"), colour: "refused" },
    { name: "redirected", title: t("redirected"), colour: "redirected" },
    { name: "ok", title: t(kind === "endpoint" || !isSubject ? "ok" : "succeeded"), colour: "ok" },
  ].filter(({ name }) => (kind === "endpoint" || !isSubject ? name !== "redirected" || isSeen(name) : name === "ok" || name === "failed"));
  const durationTitle = t(kind === "endpoint" || !isSubject ? "responseTime" : "duration");
  const countTitle = t({ task: "runs", statement: "executions" }[kind] ?? "throughput");
  const subject = [
    { name: "durations", title: durationTitle, format: "duration", height: 250, isLog: true, hasHeat: true, hasTimes: true, lines: percentiles, limit: () => limits("p95", kind) },
    { name: "throughput", title: countTitle, format: "rate", height: 130, lines: stacked(answers) },
    { name: "errors", title: t("errors"), format: "ratio", height: 90, lines: [plain("errors", t("errorRate"), "failed")], limit: () => limits("errors", kind) },
  ];
  if (isSubject) return subject;
  return [
    ...subject,
    { name: "cpu", title: t("cpuMemory"), format: "ratio", height: 110, most: 1, lines: [plain("cpu", t("cpu"), "p95", { width: 2 }), plain("memory", t("memory"), "second", { dash: [7, 4] })] },
    { name: "lag", title: t("lag"), format: "duration", height: 90, lines: [plain("lag", t("lagMax"), "p95"), plain("gc", t("gc"), "second", { dash: [7, 4] })] },
    { name: "pool", title: t("pool"), format: "ratio", height: 90, most: 1, lines: [plain("pool", t("inUse"), "p95")], limit: () => limits("pool", kind) },
    { name: "wait", title: t("wait"), format: "duration", height: 90, lines: [plain("wait", t("waitP95"), "p95")] },
    { name: "waiting", title: t("waiting"), format: "count", height: 90, lines: [plain("waiting", t("waitingMost"), "p95")] },
    { name: "concurrency", title: t("concurrency"), format: "count", height: 110, lines: [
      plain("concurrency_in_use", t("concurrencyInUse"), "p95"), plain("concurrency_waiting", t("concurrencyWaiting"), "p99"), plain("concurrency_limit", t("concurrencyLimit"), "second", { dash: [7, 4] }),
    ] },
    { name: "tasks", title: t("tasks"), format: "per_minute", height: 110, lines: stacked([
      { name: "task_failures", title: t("failedRuns"), colour: "failed" }, { name: "tasks", title: t("succeeded"), colour: "ok" },
    ]) },
  ];
}

/** The times of alerts; several of one kind at once are one band. */
function joined(alerts, end) {
  const bands = alerts.map((one) => ({
    level: one.state === "pending" ? "pending" : one.severity, from: Date.parse(one.since) / 1000, to: one.ended_at ? Date.parse(one.ended_at) / 1000 : end,
  }));
  const made = [];
  for (const band of bands.sort((a, b) => a.from - b.from)) {
    const open = made.find((one) => one.level === band.level && one.to >= band.from);
    if (open) open.to = Math.max(open.to, band.to);
    else made.push(band);
  }
  return made;
}

export class Charts {
  /** @param {{limits: (column: string) => number | null, onRange: (from: number, to: number) => void}} options */
  constructor(host, { limits, onRange }) {
    Object.assign(this, { host, limits, onRange, strips: [], index: null });
    let width = 0;
    new ResizeObserver(() => {
      if (this.host.clientWidth !== width) { width = this.host.clientWidth; this.draw(); }
    }).observe(host);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) {
      matchMedia(query).addEventListener("change", () => requestAnimationFrame(() => this.draw({ isNew: true })));
    }
  }

  /** All points of a view: what the server's timeline says. */
  show(timeline, view) {
    this.timeline = timeline;
    this.view = view;
    this.#prepare();
    this.#build();
  }

  /** The newest points, which take the place of those of the same time, or come after them. */
  add(tail) {
    const { timeline } = this;
    if (!timeline) return;
    if (tail.step_s !== timeline.step_s) return this.onHole?.();
    const offset = tail.first - timeline.first;
    if (offset > timeline.count || offset < 0) return this.onHole?.();
    for (const [name, values] of Object.entries(timeline.columns)) values.splice(offset, values.length, ...tail.columns[name]);
    timeline.heat = [...timeline.heat.filter(([index]) => index < offset), ...tail.heat.map(([index, ...cells]) => [index + offset, ...cells])];
    timeline.count = offset + tail.count;
    Object.assign(timeline, { start: tail.start, end: tail.end, bands: tail.bands, markers: tail.markers });
    this.#dropOld();
    this.#prepare();
    if (this.#names() === this.built) this.draw();
    else this.#build();
  }

  draw(options) {
    for (const strip of this.strips) strip.draw(options);
  }

  /** The values of a column, for a sparkline. */
  column(name) {
    return this.timeline?.columns[name] ?? [];
  }

  #dropOld() {
    const { timeline } = this;
    const old = Math.max(0, Math.floor(timeline.start / timeline.step_s) - timeline.first);
    if (!old) return;
    for (const values of Object.values(timeline.columns)) values.splice(0, old);
    timeline.heat = timeline.heat.filter(([index]) => index >= old).map(([index, ...cells]) => [index - old, ...cells]);
    timeline.first += old;
    timeline.count -= old;
  }

  #prepare() {
    const { timeline } = this;
    const times = Array.from({ length: timeline.count }, (_, at) => (timeline.first + at + 0.5) * timeline.step_s);
    let [low, high, most] = [Infinity, -Infinity, 1];
    for (const [, ...cells] of timeline.heat) {
      low = Math.min(low, cells[0]);
      high = Math.max(high, cells[cells.length - 2]);
      for (let at = 1; at < cells.length; at += 2) most = Math.max(most, cells[at]);
    }
    const bands = joined(timeline.bands ?? [], timeline.end);
    this.shared ??= { sync: "keiko-perf", onPoint: (strip, index) => this.#point(strip, index), onKey: (event) => this.#key(event), onSelect: (from, to) => this.onRange(from, to) };
    Object.assign(this.shared, {
      frame: this.#frame(), bands, markers: (timeline.markers ?? []).map((one) => ({ ...one, at: Date.parse(one.at) / 1000 })),
      data: { times, columns: timeline.columns, heat: timeline.heat, heatRange: low < high + 1 ? [low, high] : null, heatMost: most, step: timeline.step_s },
    });
  }

  /** A service that is younger than the range fills the charts nevertheless. */
  #frame() {
    const { timeline } = this;
    const { start, end } = timeline;
    const known = timeline.columns.ok.findIndex((_, at) => Object.values(timeline.columns).some((values) => values[at] !== null));
    if (this.view.range === null || known < 0) return { start, end };
    const youngest = end - Math.max(60, 12 * timeline.step_s);
    const first = (timeline.first + known) * timeline.step_s;
    // A gap of some points at the start is history of its own; most of the range without any is youth.
    return first - start > (end - start) / 2 ? { start: Math.min(first, youngest), end } : { start, end };
  }

  #wanted() {
    const isKnown = (values) => values?.some((value) => value !== null);
    const all = definitions({ isSubject: Boolean(this.view.kind), kind: this.view.kind }, this.limits, this.timeline.columns);
    return [all, all.filter((one) => one.lines.some((line) => isKnown(line.raw(this.timeline.columns))))];
  }

  #names() {
    return this.#wanted()[1].map((one) => `${one.name} ${one.lines.length}`).join();
  }

  #build() {
    const [all, measured] = this.#wanted();
    for (const strip of this.strips) strip.destroy();
    const head = element("div", { class: "charts-head" }, [
      element("h2", {}, [t("overTime")]), element("p", { class: "aside", id: "charts-at" }, [t("chartsHelp")]),
    ]);
    this.host.replaceChildren(head);
    this.strips = measured.map((definition, at) => {
      const isLast = at === measured.length - 1;
      const section = element("div", { class: "strip", id: `chart-${definition.name}` });
      this.host.append(section);
      const hasTimes = at === 0 || isLast;
      return new Strip(section, { ...definition, hasTimes, height: definition.height + (isLast && at ? 20 : 0) }, this.shared);
    });
    if (!measured.length) this.host.append(element("p", { class: "empty" }, [t("empty")]));
    const missing = all.filter((one) => !measured.includes(one)).map((one) => one.title);
    if (measured.length && missing.length) {
      this.host.append(element("p", { class: "aside missing" }, [t("notMeasured", { what: missing.join(" · ") })]));
    }
    this.built = this.#names();
    this.draw({ isNew: true });
  }

  #point(strip, index) {
    if (strip !== this.strips[0]) return;
    this.index = index;
    const { times, step } = this.shared.data;
    const span = this.shared.frame.end - this.shared.frame.start;
    const help = byId("charts-at");
    if (help) tell(help, index === null || times[index] === undefined ? t("chartsHelp") : `${instant(times[index] - step / 2, span)} – ${instant(times[index] + step / 2, span)}`);
  }

  #key(event) {
    const { times } = this.shared.data;
    const { start, end } = this.shared.frame;
    const last = times.length - 1;
    const from = this.index ?? last + (event.key === "ArrowLeft" ? 1 : 0);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    const strip = this.strips.find((one) => one.holder === event.currentTarget) ?? this.strips[0];
    if (event.key === "+" || event.key === "-") {
      const middle = this.index === null ? (start + end) / 2 : times[this.index];
      const half = ((end - start) / 2) * (event.key === "+" ? 0.5 : 2);
      this.onRange(middle - half, Math.min(middle + half, this.timeline.end));
    } else if (event.key === "Escape") {
      strip.plot.setCursor({ left: -10, top: -10 }, true, true);
    } else if (to !== undefined && last >= 0) {
      const at = Math.max(0, Math.min(last, to));
      strip.plot.setCursor({ left: strip.plot.valToPos(times[at], "x"), top: 10 }, true, true);
      tell(byId("spoken"), `${byId("charts-at").textContent}: ${strip.holder.getAttribute("aria-label")}`);
    } else {
      return;
    }
    event.preventDefault();
  }
}
