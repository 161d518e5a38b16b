/** The cards: a figure, how good it is, how far from its limit, and how it came to be there. */

import { element, grade, replace, svg } from "./dom.js";
import { changed, digits, NONE, show, shown } from "./units.js";
import { t } from "./words.js";

/** Which values of the timeline a card's sparkline shows. */
const COLUMNS = {
  api_response_time: (c) => c.p95, api_response_time_p99: (c) => c.p99, cpu_usage: (c) => c.cpu, memory_usage: (c) => c.memory,
  error_rate: (c) => c.errors, database_connections: (c) => c.pool,
  throughput: (c) => c.ok?.map((ok, at) => (ok === null ? null : ok + (c.redirected[at] ?? 0) + (c.refused[at] ?? 0) + (c.failed[at] ?? 0))),
  tasks_per_minute: (c) => c.tasks?.map((ok, at) => (ok === null ? null : ok + (c.task_failures[at] ?? 0))),
  task_failure_rate: (c) => c.tasks?.map((ok, at) => (ok === null || !(ok + c.task_failures[at]) ? null : c.task_failures[at] / (ok + c.task_failures[at]))),
};
const PART = 60;

export function showCards(host, cards, columns) {
  const primary = cards.filter((one) => one.is_primary).map((one) => card(one, columns));
  const further = cards.filter((one) => !one.is_primary).map((one) => card(one, columns));
  host.hidden = false;
  host.setAttribute("aria-label", t("keyFigures"));
  replace(host, [element("div", { class: "cards-first" }, primary), element("div", { class: "cards-further" }, further)]);
}

function card(one, columns) {
  const { level, value } = one;
  // A throughput below its limit is good while nobody asks for more: the note says so.
  const head = [element("h2", {}, [one.title]), grade(level, t(level))];
  const figure = element("p", { class: value === null ? "value none" : "value" }, [value === null ? t("noData") : show[one.format]?.(value) ?? one.value_text]);
  const values = COLUMNS[one.check]?.(columns);
  return element("article", { class: "card", "data-level": level, "data-check": one.check }, [
    element("div", { class: "card-head" }, head),
    element("div", { class: "card-main" }, [figure, values ? sparkline(values, one.limit) : null]),
    one.headroom === null ? null : headroom(one.headroom),
    element("p", { class: "note" }, [element("span", {}, [one.note]), ...against(one)]),
  ]);
}

/** How much of the limit is used: a full bar is the limit. */
function headroom(left) {
  const used = Math.max(0, Math.min(1, 1 - left));
  const words = left >= 0 ? t("headroom", { share: show.ratio(Math.round(left * 100) / 100) }) : t("overLimit", { factor: `${digits(1 - left)} ×` });
  const bar = svg("svg", { class: "headroom", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, [
    svg("rect", { class: "all", width: 100, height: 4, rx: 1 }), svg("rect", { class: "used", width: used * 100, height: 4, rx: 1 }),
  ]);
  return element("div", { class: "room" }, [bar, element("span", {}, [words])]);
}

function against({ against_last_week: change }) {
  if (change === null) return [];
  const words = Math.abs(change) < 0.05 ? t("asLastWeek") : t(change > 0 ? "moreThanLastWeek" : "lessThanLastWeek", { change: changed(change) });
  return [element("span", { class: "against" }, [words])];
}

/** The shape of the last while, without an axis; gaps are gaps. */
export function sparkline(values, limit = null) {
  const shownValues = values.length > PART * 2 ? thinned(values, PART * 2) : values;
  const known = shownValues.filter((one) => one !== null && one !== undefined);
  const box = svg("svg", { class: "spark", viewBox: "0 0 120 34", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (known.length < 2) return box;
  const peak = Math.max(...known);
  const top = Math.max(peak, limit !== null && limit <= peak * 1.6 ? limit : 0) * 1.05 || 1;
  const x = (at) => (at / (shownValues.length - 1)) * 120;
  const y = (value) => 33 - (value / top) * 31;
  let path = "";
  let isDown = false;
  shownValues.forEach((value, at) => {
    if (value === null || value === undefined) { isDown = false; return; }
    path += `${isDown ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    isDown = true;
  });
  if (limit !== null && limit <= top) box.append(svg("line", { class: "limit", x1: 0, x2: 120, y1: y(limit), y2: y(limit) }));
  box.append(svg("path", { d: path }));
  return box;
}

function thinned(values, most) {
  const size = values.length / most;
  return Array.from({ length: most }, (_, at) => {
    const part = values.slice(Math.floor(at * size), Math.floor((at + 1) * size)).filter((one) => one !== null);
    return part.length ? Math.max(...part) : null;
  });
}

/** The figures of one endpoint, task or statement. */
export function facts(row) {
  const all = [
    [t("requests"), shown(row.count, "count")], [t("rate"), shown(row.rate, "rate")], [t("errors"), shown(row.error_ratio, "ratio")],
    [t("p50"), shown(row.p50, "duration")], [t("p95"), shown(row.p95, "duration")], [t("p99"), shown(row.p99, "duration")],
    [t("share"), shown(row.share, "ratio")], [t("trend"), trendWords(row.trend)],
  ];
  return element("dl", { class: "facts" }, all.map(([name, value]) => element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])])));
}

/** Where the time of an endpoint's requests went, that which took the most of it first. */
export function parts(row) {
  if (!row.parts) return null;
  let left = 0;
  const bar = svg("svg", { class: "parts-bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, row.parts.map((one) => {
    const made = svg("rect", { class: `part-${one.part}`, x: left, width: one.share * 100, height: 10 });
    left += one.share * 100;
    return made;
  }));
  const list = row.parts.map((one) => element("div", {}, [
    element("dt", {}, [element("i", { class: `dot-of part-${one.part}`, "aria-hidden": "true" }), t(`part_${one.part}`)]),
    element("dd", {}, [show.ratio(one.share), element("span", { class: "each" }, [t("each", { time: show.duration(one.mean) })])]),
  ]));
  return element("div", { class: "panel parts" }, [bar, element("dl", {}, list)]);
}

/** What caches would have answered, by how long they keep an answer. */
export function repeats({ repeats: { calls, kept } }) {
  const list = kept.map((one) => element("div", {}, [
    element("dt", {}, [t("kept", { time: `${show.count(one.ttl)} s` })]),
    element("dd", {}, [show.ratio(one.hits), one.stale === null ? null : element("span", { class: "each" }, [t("outOfDate", { share: show.ratio(one.stale) })])].filter(Boolean)),
  ]));
  return element("div", { class: "panel parts" }, [element("p", { class: "aside" }, [t("askedAgainHelp", { count: show.count(calls) })]), element("dl", {}, list)]);
}

/** The part that most of an endpoint's time went to. */
export function mostOf(row) {
  const [first] = row.parts ?? [];
  return first ? `${t(`part_${first.part}`)} ${show.ratio(first.share)}` : NONE;
}

/** How the later half of the range was against the earlier one. */
export function trendWords(trend) {
  if (trend === null) return NONE;
  return Math.abs(trend) < 0.1 ? "≈" : `${changed(trend)} ${t(trend > 0 ? "slower" : "faster")}`;
}
