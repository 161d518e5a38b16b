/**
 * The live page: what is looked at stands in its address, what is the case comes in a stream.
 *
 * Whatever comes from the service (route names, statements, messages) is set as text, never as
 * markup. If the service does not answer, the page says so, and since when its figures are old.
 */

import { address, question, RANGES, read } from "./address.js";
import { facts, parts, repeats, showCards } from "./cards.js";
import { Charts } from "./charts.js";
import { byId, element, replace, SIGNS, tell } from "./dom.js";
import { Stream } from "./stream.js";
import { section, Tables } from "./tables.js";
import { instant, lasted, show, unbroken, when } from "./units.js";
import { t } from "./words.js";

const page = { view: read(), state: null, document: null, asked: 0 };
const charts = new Charts(byId("charts"), { limits, onRange: (from, to) => go(address(page.view, { range: null, ...clamped(from, to) })) });
const tables = new Tables(byId("tables"), { go, redraw: showTables });
charts.onHole = () => load({ isQuiet: true });

const stream = new Stream({
  question: () => question(page.view),
  on: (name, data) => ({ state: showState, points: showPoints, refused: showRefusal })[name]?.(data),
  tell: showConnection,
});

// --- Going from view to view ----------------------------------------------------------------------

function go(href, { isReplacing = false } = {}) {
  const before = page.view;
  history[isReplacing ? "replaceState" : "pushState"](null, "", href);
  page.view = read();
  if (before.kind !== page.view.kind || before.key !== page.view.key) scrollTo(0, 0);
  if (question(before) === question(page.view) && before.kind === page.view.kind && before.key === page.view.key) return showTables();
  enter();
}

function enter() {
  byId("charts").hidden = byId("toolbar").hidden = false;
  page.document = null;
  showToolbar();
  showSubject();
  showNotices();
  load();
  stream.restart();
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(30_000) });
  if (answer.status === 401 || answer.status === 403) location.reload();
  if (answer.status === 422) showRefusal(await answer.json());
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

/** The points and the tables of the view; of two askings only the later one is shown. */
async function load({ isQuiet = false } = {}) {
  const { view } = page;
  const mine = (page.asked += 1);
  if (!isQuiet) byId("charts").setAttribute("aria-busy", "true");
  // Beside the points: whichever is there first is shown.
  const tabled = loadTables(mine);
  tabled.catch(() => {});
  try {
    if (view.kind !== "blocking") {
      const timeline = await ask(`timeline?${question(view)}`);
      if (mine !== page.asked) return;
      byId("charts").removeAttribute("aria-busy");
      charts.show(timeline, view);
      if (timeline.name) page.name = timeline.name;
    }
    byId("charts").hidden = view.kind === "blocking";
    page.rangeShown = true;
    if (page.state && !view.kind) showCards(byId("cards"), page.state.cards, charts.timeline.columns);
    await tabled;
  } catch {
    // The stream says whether the service answers; until it does, the page asks again.
    if (mine === page.asked) setTimeout(() => mine === page.asked && load({ isQuiet: true }), 3_000);
  } finally {
    byId("charts").removeAttribute("aria-busy");
  }
}

async function loadTables(mine = page.asked) {
  const { kind: _, key: __, ...whole } = page.view;
  page.tablesAt = Date.now();
  const document = await ask(`tables?${question({ ...whole, kind: null, key: null })}`);
  if (mine !== page.asked) return;
  page.document = document;
  showSubject();
  showTables();
}

// --- What is shown --------------------------------------------------------------------------------

function showState(state) {
  page.state = state;
  const verdict = byId("verdict");
  verdict.dataset.level = state.status;
  tell(byId("verdict-sign"), SIGNS[state.status]);
  tell(byId("verdict-text"), unbroken(state.headline));
  const since = byId("verdict-since");
  since.hidden = !state.since;
  if (state.since) tell(since, unbroken(sinceWords(state)));
  document.title = `${SIGNS[state.status]} ${byId("host").textContent || "Performance"}`;
  showNotices();
  if (!page.view.kind) showCards(byId("cards"), state.cards, charts.timeline?.columns ?? {});
  tell(byId("taken-at"), t("figuresOf", { at: instant(Date.parse(state.taken_at) / 1000) }));
  const isEmpty = !page.document?.requests;
  const everyMs = page.view.range === null ? Infinity : isEmpty ? 5_000 : Math.min(300_000, Math.max(30_000, RANGES[page.view.range] * 33));
  if (page.document && Date.now() - page.tablesAt > everyMs) loadTables().catch(() => {});
  else if (!page.view.kind) showTables();
}

function sinceWords({ since, taken_at: now }) {
  const at = Date.parse(since.at) / 1000;
  const values = { at: when(at), lasted: lasted(Date.parse(now) / 1000 - at), load: show.rate(since.load_per_s) };
  return t(since.is_older ? "sinceOlder" : "since", values);
}

function showPoints(tail) {
  if (page.view.range !== null && page.rangeShown) charts.add(tail);
}

function showRefusal({ detail }) {
  page.view.problem = detail;
  showNotices();
}

function showNotices() {
  replace(byId("notices"), [...notices(page.state)]);
}

function* notices(state) {
  if (page.view.problem) yield element("p", { class: "notice" }, [t("badAddress", { why: page.view.problem })]);
  if (!state) return;
  if (!state.is_recording) yield element("p", { class: "notice" }, [t("notRecording"), " ", element("code", {}, ["PerformanceMonitor().install(app)"])]);
  if (!state.is_store_working) yield element("p", { class: "notice" }, [t("storeBroken")]);
}

function showConnection(state, lastAt) {
  const connection = byId("connection");
  const isStill = state === "live" && page.view.range === null;
  connection.dataset.state = isStill ? "still" : state;
  tell(byId("connection-text"), isStill ? t("still") : t(state, { at: lastAt ? instant(lastAt / 1000) : "" }));
  document.body.classList.toggle("is-stale", state === "stale");
}

function showSubject() {
  const { view } = page;
  byId("cards").hidden = Boolean(view.kind) || !page.state;
  byId("verdict").hidden = false;
  const host = byId("subject");
  host.hidden = !view.kind;
  if (!view.kind) return replace(host, []);
  const back = tables.link(address(view, { kind: null, key: null, sort: {} }), `← ${t("all")}`, "back");
  const list = { endpoint: "endpoints", task: "tasks", statement: "statements", blocking: "blocking" }[view.kind];
  const row = page.document?.[list]?.find((one) => (one.key ?? one.place) === view.key);
  const name = view.kind === "statement" ? row?.name ?? page.name ?? view.key : view.key;
  const what = t({ endpoint: "endpoint", task: "task", statement: "statement", blocking: "place" }[view.kind]);
  replace(host, [
    element("p", {}, [back]), element("p", { class: "aside" }, [what]),
    view.kind === "statement" ? tables.sql(name, "whole") : element("h2", { class: "code" }, [name]),
    row && view.kind !== "blocking" ? facts(row) : null,
    row?.parts ? section("parts", t("whereTimeWent"), [parts(row)]) : null,
    row?.repeats ? section("repeats", t("askedAgain"), [repeats(row)]) : null,
    row && view.kind === "blocking" ? stack(row) : null,
    page.document && !row ? element("p", { class: "nothing" }, [t("subjectGone")]) : null,
  ].filter(Boolean));
}

function stack(call) {
  const facts = [[t("count"), show.count(call.count)], [t("longest"), show.duration(call.longest)], [t("total"), show.duration(call.total)]];
  return element("div", {}, [
    element("dl", { class: "facts" }, facts.map(([name, value]) => element("div", {}, [element("dt", {}, [name]), element("dd", {}, [value])]))),
    section("stack", t("stack"), [element("ol", { class: "stack panel" }, call.stack.map((one) => element("li", { class: one === call.place ? "is-place" : "" }, [element("code", {}, [one])])))]),
  ]);
}

function showTables() {
  replace(byId("tables"), page.view.kind ? [] : [...tables.all(page.state, page.document, page.view)]);
}

function limits(column, kind) {
  const check = { p95: "api_response_time", errors: "error_rate", pool: "database_connections" }[column];
  const checks = page.state?.checks ?? {};
  if (kind === "endpoint") return checks[`${check}[${page.view.key}]`]?.limit ?? checks[check]?.limit ?? null;
  return kind ? null : checks[check]?.limit ?? null;
}

function clamped(from, to) {
  const [least, now] = [10, Date.now() / 1000];
  const middle = (from + to) / 2;
  const half = Math.max(least, to - from) / 2;
  return { from: Math.round(middle - half), to: Math.round(Math.min(middle + half, Math.max(now, middle + least))) };
}

// --- The toolbar ----------------------------------------------------------------------------------

function showToolbar() {
  const { view } = page;
  const ranges = Object.keys(RANGES).map((range) => {
    const link = tables.link(address(view, { range, from: null, to: null }), t(`range${range}`), `range-${range}`);
    if (view.range === range) link.setAttribute("aria-current", "true");
    link.dataset.range = range;
    return link;
  });
  const isFree = view.range === null;
  const free = element("details", { class: "free" }, [
    element("summary", { "data-focus": "free", "aria-current": isFree ? "true" : null }, [isFree ? `${when(view.from)} – ${when(view.to)}` : t("free")]), form(view),
  ]);
  replace(byId("toolbar"), [
    element("div", { class: "ranges", role: "group", "aria-label": t("ranges") }, [...ranges, free]),
    isFree ? element("span", { class: "back" }, [
      tables.link(address(view, clamped(view.from - (view.to - view.from) / 2, view.to + (view.to - view.from) / 2)), t("zoomOut"), "zoom-out"),
      tables.link(address(view, { range: page.lastLive ?? "15m", from: null, to: null }), t("backToLive"), "back-to-live"),
    ]) : null,
    view.kind ? null : element("div", { class: "jumps", "aria-label": t("sections"), role: "group" }, ["alerts", "endpoints", "findings", "statements", "tasks", "blocking", "changes"].map((name) => element("a", { href: `#${name}`, "data-focus": `jump-${name}` }, [t(name)]))),
  ].filter(Boolean));
  if (!isFree) page.lastLive = view.range;
}

function form(view) {
  const end = view.to ?? Date.now() / 1000;
  const field = (name, at_s) => element("label", {}, [t(name), element("input", { type: "datetime-local", name, step: "1", required: true, value: local(at_s) })]);
  const made = element("form", {}, [field("from", view.from ?? end - RANGES[view.range]), field("to", end), element("button", { type: "submit" }, [t("apply")])]);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    const [from, to] = ["from", "to"].map((name) => new Date(made.elements[name].value).getTime() / 1000);
    go(address(page.view, { range: null, from: Math.min(from, to), to: Math.max(from, to) }));
  });
  return made;
}

/** An instant as a field for local times takes it. */
function local(at_s) {
  const at = new Date(at_s * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

addEventListener("popstate", () => { page.view = read(); enter(); });
if (!byId("host").textContent) byId("host").textContent = location.host;
enter();
