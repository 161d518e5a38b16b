/**
 * The live page: asks for the state every two seconds, and shows it.
 *
 * Whatever comes from the service (route names, messages) is set as text, never as markup. If the
 * service does not answer, the page says so, and since when its figures are old.
 */

import { Chart, clock } from "./chart.js";

const EVERY_MS = 2_000;
const STALE_MS = 15_000;
const YOUNGEST_MS = 60_000;
const LONGEST_PAUSE_MS = 15_000;
const SIGNS = { good: "✓", warning: "!", critical: "✗", unknown: "?" };
const WORDS = { good: "good", warning: "warning", critical: "critical", unknown: "not known" };

const byId = (id) => document.getElementById(id);
const view = { hours: 0.25, failures: 0, lastAnswer: null, limits: {} };
const charts = {
  responseTime: new Chart(byId("chart-response-time"), { label: "Response time p95", show: milliseconds }),
  throughput: new Chart(byId("chart-throughput"), { label: "Requests per second", show: perSecond }),
};

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(8_000) });
  if (answer.status === 401 || answer.status === 403) location.reload();
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  try {
    const hours = view.hours;
    const [state, past] = await Promise.all([ask("metrics"), ask(`history?hours=${hours}`)]);
    view.failures = 0;
    view.lastAnswer = Date.now();
    showState(state);
    if (hours === view.hours) showHistory(past);
  } catch {
    view.failures += 1;
  }
  showConnection();
}

async function keepRefreshing() {
  for (;;) {
    if (!document.hidden) await refresh();
    const pause = Math.min(EVERY_MS * 2 ** view.failures, LONGEST_PAUSE_MS);
    await new Promise((resolve) => { view.wake = resolve; setTimeout(resolve, pause); });
  }
}

function showConnection() {
  const age = view.lastAnswer === null ? null : Date.now() - view.lastAnswer;
  let state = "live";
  let words = "live";
  if (view.failures) {
    state = age === null || age > STALE_MS ? "stale" : "reconnecting";
    words = age === null ? "no answer yet" : state === "stale" ? `no answer since ${clock(view.lastAnswer, true)}` : "reconnecting";
  }
  const connection = byId("connection");
  if (connection.dataset.state !== state || byId("connection-text").textContent !== words) {
    connection.dataset.state = state;
    byId("connection-text").textContent = words;
  }
  document.body.classList.toggle("is-stale", state === "stale");
}

function showState(state) {
  const verdict = byId("verdict");
  verdict.dataset.level = state.status;
  byId("verdict-sign").textContent = SIGNS[state.status];
  // Set only when it changes: a screen reader speaks whatever is set.
  if (byId("verdict-text").textContent !== state.headline) byId("verdict-text").textContent = state.headline;
  document.title = `${SIGNS[state.status]} Performance`;
  byId("notices").replaceChildren(...notices(state));
  byId("cards").replaceChildren(...state.cards.map(card));
  byId("targets").replaceChildren(...Object.values(state.checks).map(target));
  byId("alerts").replaceChildren(...alerts(state.alerts));
  byId("routes-body").replaceChildren(...routes(state.routes));
  byId("routes-note").textContent = state.routes_left_out ? `and ${state.routes_left_out} more` : "";
  byId("judged-over").textContent = `over the last ${state.judged_over_text}`;
  byId("taken-at").textContent = `Figures of ${clock(Date.parse(state.taken_at), true)}`;
  view.limits = {
    responseTime: state.checks.api_response_time.limit === null ? null : state.checks.api_response_time.limit * 1000,
    throughput: state.checks.throughput.limit,
  };
}

function showHistory(past) {
  const times = past.timestamps.map((at) => Date.parse(at));
  const end = Date.parse(past.end_at);
  // A service that is younger than the range fills the chart nevertheless.
  const start = Math.max(Date.parse(past.start_at), Math.min(times[0] ?? end, end - YOUNGEST_MS));
  const frame = { start, end, empty: "no data" };
  const points = (values) => times.map((at, index) => ({ at, value: values[index] }));
  charts.responseTime.update(points(past.response_times), { ...frame, limit: view.limits.responseTime });
  charts.throughput.update(points(past.throughput), { ...frame, limit: view.limits.throughput });
}

function* notices(state) {
  if (!state.is_recording) {
    yield element("p", { class: "notice" }, [
      "Requests are not recorded yet: this page shows the process alone. To record them, add ",
      element("code", {}, ["PerformanceMonitor().install(app)"]),
      " where the application is made.",
    ]);
  }
  if (!state.is_store_working) {
    yield element("p", { class: "notice" }, [
      "The store cannot be written; windows are held back until it works again. The log says why.",
    ]);
  }
}

function card({ title, value_text: value, level, note }) {
  return element("article", { class: "card", "data-level": level }, [
    element("h2", {}, [title]),
    element("p", { class: value === null ? "value none" : "value" }, [value ?? "no data"]),
    grade(level, WORDS[level]),
    element("p", { class: "note" }, [note]),
  ]);
}

function target(check) {
  const level = { met: "good", missed: check.severity, unknown: "unknown" }[check.outcome];
  const why = check.outcome === "met" && check.value !== null ? [] : [element("span", { class: "why" }, [check.reason])];
  const figure = check.value === null ? "quiet" : check.outcome === "missed" ? `is-${level}` : "";
  return element("tr", {}, [
    element("td", {}, [grade(level, element("span", {}, [check.label, ...why]), check.outcome)]),
    element("td", { class: `number ${figure}` }, [check.value_text]),
    element("td", { class: "number" }, [check.limit_text]),
  ]);
}

function* alerts(all) {
  if (!all.length) yield element("li", { class: "quiet" }, ["No alert"]);
  for (const alert of all) {
    const level = alert.state === "firing" ? alert.severity : alert.state === "resolved" ? "good" : "unknown";
    const ended = alert.ended_at === null ? "" : ` until ${clock(Date.parse(alert.ended_at), true)}`;
    yield element("li", {}, [
      grade(level, alert.state, null, alert.state === "pending" ? "…" : SIGNS[level]),
      element("p", {}, [alert.message]),
      element("p", { class: "when" }, [`${alert.metric} · since ${clock(Date.parse(alert.since), true)}${ended}`]),
    ]);
  }
}

function* routes(all) {
  if (!all.length) {
    yield element("tr", {}, [element("td", { class: "quiet", colspan: "8" }, ["no data"])]);
  }
  for (const route of all) {
    const duration = (label, shown) => number(label, [shown], shown === "–" ? "quiet" : "");
    yield element("tr", {}, [
      element("td", {}, [route.name]),
      number("Requests", [route.count_text]),
      number("Rate", [route.rate_text]),
      number("Errors", [route.errors ? route.error_text : "0"], route.errors ? "is-critical" : "quiet"),
      duration("p50", route.p50_text),
      duration("p95", route.p95_text),
      duration("p99", route.p99_text),
      number("Time", [share(route.share), route.share_text]),
    ]);
  }
}

/** A cell with a figure; on a phone its label stands with it, in place of the column's head. */
function number(label, children, kind = "") {
  return element("td", { class: `number ${kind}`, "data-label": label }, children);
}

function share(ratio) {
  const bar = element("i", {}, []);
  bar.style.width = `${Math.round((ratio ?? 0) * 100)}%`;
  return element("span", { class: "share", "aria-hidden": "true" }, [bar]);
}

/** A sign and a word: nothing is told by colour alone. */
function grade(level, words, spoken = null, sign = SIGNS[level]) {
  const told = spoken === null ? { "aria-hidden": "true" } : { role: "img", "aria-label": spoken };
  const shape = element("span", { class: "sign", ...told }, [sign]);
  return element("div", { class: "level", "data-level": level }, [shape, words]);
}

/** An element with children that are elements or text; text stays text. */
function element(name, attributes, children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function milliseconds(value) {
  return value >= 1_000 ? `${digits(value / 1_000)} s` : `${digits(value)} ms`;
}

function perSecond(value) {
  return `${digits(value)}/s`;
}

function digits(value) {
  return value.toLocaleString("en-US", { maximumSignificantDigits: value >= 1_000 ? 5 : 3 });
}

for (const button of document.querySelectorAll("[data-hours]")) {
  button.addEventListener("click", () => {
    view.hours = Number(button.dataset.hours);
    document.querySelectorAll("[data-hours]").forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    view.wake?.();
  });
}
document.addEventListener("visibilitychange", () => { if (!document.hidden) view.wake?.(); });
setInterval(showConnection, 1_000);
keepRefreshing();
