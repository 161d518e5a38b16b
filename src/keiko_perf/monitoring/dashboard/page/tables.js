/** The tables: alerts, endpoints, tasks, statements with what to do, open connections, limiters, blocking calls, changes. */

import { address } from "./address.js";
import { mostOf, trendWords } from "./cards.js";
import { element, grade, SIGNS } from "./dom.js";
import { lasted, NONE, show, shown, when } from "./units.js";
import { t } from "./words.js";

const FEW = 10;

const number = (name, title, format) => ({ name, title, isNumber: true, cell: (row) => shown(row[name], format) });
const durations = () => [number("p50", t("p50"), "duration"), number("p95", t("p95"), "duration"), number("p99", t("p99"), "duration")];
const errors = () => ({
  name: "error_ratio", title: t("errors"), isNumber: true,
  cell: (row) => (row.errors ? element("span", { class: "bad" }, [`${SIGNS.critical} ${shown(row.error_ratio, "ratio")}`]) : "0"),
});
const trend = () => ({
  name: "trend", title: t("trend"), isNumber: true, help: t("trendHelp"),
  cell: (row) => trendWords(row.trend),
});
const share = () => ({ name: "share", title: t("share"), isNumber: true, cell: (row) => bar(row.share) });

/** What most of the time went to, where that is recorded. */
const most = ({ endpoints }) => (endpoints.some((one) => one.parts) ? [{ name: "most", title: t("most"), cell: mostOf, isFixed: true }] : []);

function bar(ratio) {
  const meter = element("meter", { min: 0, max: 1, value: ratio ?? 0, "aria-hidden": "true" });
  return element("span", { class: "share" }, [meter, shown(ratio, "ratio")]);
}

/** A row's name, which leads to the page of its own. */
const linked = (kind, title, go) => ({
  name: "name", title, isName: true,
  cell: (row, view) => go(address(view, { kind, key: row.key, sort: {} }), row.name, `${kind}-${row.key}`),
});

export class Tables {
  /** @param {{go: (href: string) => void, redraw: () => void}} options */
  constructor(host, { go, redraw }) {
    Object.assign(this, { host, redraw, open: new Set(), copied: null });
    this.link = (href, text, focus) => {
      const made = element("a", { href, "data-focus": focus }, [text]);
      made.addEventListener("click", (event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        go(href);
      });
      return made;
    };
  }

  /** The sections of the whole service; a part that is not known yet is left out. */
  *all(state, document, view) {
    // What waits or fires is as new as the state, what is over belongs to the range.
    const now = (state?.alerts ?? []).filter((one) => !document || one.state !== "resolved");
    if (state) yield this.alerts([...now, ...(document?.alerts ?? []).filter((one) => one.state === "resolved")], view);
    if (!document) return;
    const ordered = this.#sorted.bind(this);
    yield this.#table("endpoints", t("endpoints"), ordered("endpoints", document.endpoints, view), view, [
      linked("endpoint", t("endpoint"), this.link), number("rate", t("rate"), "rate"), errors(), ...durations(), share(), ...most(document), trend(),
    ], { none: t("noEndpoint"), leftOut: document.endpoints_left_out, aside: t("overRange") });
    yield this.#findings(document);
    yield this.#table("statements", t("statements"), ordered("statements", document.statements, view), view, [
      linked("statement", t("statement"), this.link), number("count", t("calls"), "count"), number("mean", t("mean"), "duration"), ...durations().slice(1), share(), this.#copying(),
    ], { none: t("noStatement"), leftOut: document.statements_left_out, isCode: true });
    yield this.#table("tasks", t("tasks"), ordered("tasks", document.tasks, view), view, [
      linked("task", t("task"), this.link), number("count", t("runs"), "count"), errors(), ...durations(), share(), trend(),
    ], { none: t("noTask"), leftOut: document.tasks_left_out });
    const lasting = [...(document.websockets ?? []), ...(document.streams ?? [])];
    if (lasting.length) {
      yield this.#table("connections", t("connections"), ordered("connections", lasting, view), view, [
        { name: "name", title: t("endpoint"), isName: true, cell: (row) => row.name }, number("count", t("count"), "count"), errors(), ...durations(),
      ], { none: "", leftOut: document.websockets_left_out + document.streams_left_out, aside: t("connectionsHelp") });
    }
    if (document.limiters?.length) {
      yield this.#table("limiters", t("limiters"), ordered("limiters", document.limiters, view), view, [
        { name: "name", title: t("limiter"), isName: true, cell: (row) => row.name }, number("limit", t("concurrencyLimit"), "amount"), number("in_use", t("concurrencyInUse"), "amount"),
        number("waiting", t("concurrencyWaiting"), "amount"), number("most_waiting", t("mostWaiting"), "count"), number("turned_away", t("turnedAway"), "count"),
      ], { none: "", aside: t("limitersHelp") });
    }
    if (document.blocking) yield this.#blocking(document, view);
    if (document.changes) yield this.#changes(document.changes, view);
  }

  alerts(all, view) {
    const rows = all.map((alert) => {
      const ended = alert.state === "resolved" && !alert.unknown_since; // else nothing tells that all is well
      const level = alert.state === "firing" ? alert.severity : ended ? "good" : "unknown";
      const since = Date.parse(alert.since) / 1000;
      const until = alert.ended_at ? Date.parse(alert.ended_at) / 1000 : null;
      const around = address(view, { range: null, from: since - 600, to: (until ?? Date.now() / 1000) + 300 });
      return element("tr", {}, [
        cell(t("state"), [grade(level, t(alert.state), alert.state === "pending" ? "…" : SIGNS[level])]),
        cell(t("message"), [alert.message, element("span", { class: "why" }, [alert.is_silenced ? `${alert.metric} · ${t("silenced")}` : alert.metric])]),
        cell(t("began"), [when(since)], "number"), cell(t("ended"), [until === null ? NONE : `${when(until)} (${lasted(until - since)})`], "number"),
        cell("", [this.link(around, t("look"), `alert-${alert.metric}`)], "number"),
      ]);
    });
    const heads = [t("state"), t("message"), t("began"), t("ended"), ""].map((one, at) => head(one, at > 1));
    return section("alerts", t("alerts"), rows.length ? [frame(heads, rows)] : [nothing(t("noAlert"))]);
  }

  #findings(document) {
    const all = document.findings;
    if (!all.length) return section("findings", t("findings"), [nothing(t(document.measured_s ? "noFinding" : "empty"))]);
    return section("findings", t("findings"), [element("ul", { class: "findings panel" }, all.map((one, at) => element("li", {}, [
      grade(one.severity === "note" ? "unknown" : one.severity, element("p", { class: "summary" }, [one.summary]), one.severity === "note" ? "i" : SIGNS[one.severity]),
      element("p", { class: "subject-of" }, [element("code", {}, [one.subject])]),
      one.explanation ? element("p", {}, [one.explanation]) : null,
      one.cure ? this.sql(one.cure, `finding-${at}`) : null,
      one.verified_by ? element("p", { class: "why" }, [`${t("verified")}: ${one.verified_by}`]) : null,
    ])))]);
  }

  /** A statement to be copied. */
  sql(text, focus) {
    return element("div", { class: "sql" }, [element("pre", { tabindex: "0", "data-focus": `sql-${focus}` }, [element("code", {}, [text])]), this.#copy(text, focus)]);
  }

  #copying() {
    return { name: "copy", title: "", isNumber: true, isFixed: true, cell: (row) => this.#copy(row.name, `copy-${row.key}`) };
  }

  #copy(text, focus) {
    const button = element("button", { type: "button", class: "quiet-button", "data-focus": focus }, [t(this.copied === focus ? "copied" : "copy")]);
    button.addEventListener("click", async () => {
      await copyText(text);
      this.copied = focus;
      button.textContent = t("copied");
      setTimeout(() => { if (this.copied === focus) { this.copied = null; button.textContent = t("copy"); } }, 2_000);
    });
    return button;
  }

  #blocking({ blocking: all, measured_s: measured }, view) {
    if (!all.length) return section("blocking", t("blocking"), [nothing(t(measured ? "noBlocking" : "empty"))]);
    const rows = all.map((one) => element("tr", {}, [
      cell(t("place"), [this.link(address(view, { kind: "blocking", key: one.place, sort: {} }), one.place, `blocking-${one.place}`)], "name code"),
      cell(t("count"), [shown(one.count, "count")], "number"), cell(t("longest"), [shown(one.longest, "duration")], "number"),
      cell(t("total"), [shown(one.total, "duration")], "number"), cell(t("lastSeen"), [when(Date.parse(one.last_at) / 1000)], "number"),
    ]));
    const heads = [t("place"), t("count"), t("longest"), t("total"), t("lastSeen")].map((one, at) => head(one, at > 0));
    return section("blocking", t("blocking"), [frame(heads, rows)]);
  }

  #changes(all, view) {
    if (!all.length) return section("changes", t("changes"), [nothing(t("noChange"))]);
    const rows = all.map((one) => {
      const at = Date.parse(one.at) / 1000;
      return element("tr", {}, [
        cell(t("when"), [this.link(address(view, { range: null, from: at - 1800, to: Math.min(at + 1800, Date.now() / 1000) }), when(at), `change-${one.at}-${one.text}`)]),
        cell(t("kind"), [t(one.kind)]), cell(t("message"), [one.text]), cell(t("sure"), [one.confidence ? show.ratio(one.confidence) : NONE], "number"),
      ]);
    });
    return section("changes", t("changes"), [frame([t("when"), t("kind"), t("message"), t("sure")].map((one, at) => head(one, at > 2)), rows)]);
  }

  #sorted(table, rows, view) {
    const [name, direction] = (view.sort[table] ?? "").split(".");
    if (!name) return rows;
    const sign = direction === "asc" ? 1 : -1;
    const value = (row) => row[name] ?? -Infinity;
    return [...rows].sort((a, b) => (typeof value(a) === "string" ? String(a[name]).localeCompare(b[name]) : value(a) - value(b)) * sign);
  }

  #table(name, title, rows, view, columns, { none, leftOut = 0, isCode = false, aside = "" }) {
    if (!rows.length) return section(name, title, [nothing(none)]);
    const isOpen = this.open.has(name);
    const shownRows = isOpen ? rows : rows.slice(0, FEW);
    const heads = columns.map((column) => this.#head(name, column, view));
    const body = shownRows.map((row) => element("tr", {}, columns.map((column) => {
      const made = column.cell(row, view);
      return cell(column.title, [made], column.isName ? "name code" : column.isNumber ? `number${made === NONE ? " quiet" : ""}` : "");
    })));
    const more = rows.length - shownRows.length + leftOut;
    return section(name, title, [
      frame(heads, body, isCode),
      more ? this.#more(name, more, isOpen) : null,
    ], aside);
  }

  #more(name, count, isOpen) {
    if (isOpen) return element("p", { class: "aside" }, [t("leftOut", { count })]);
    const button = element("button", { type: "button", class: "quiet-button", "data-focus": `more-${name}` }, [t("leftOut", { count })]);
    button.addEventListener("click", () => { this.open.add(name); this.redraw(); });
    return button;
  }

  #head(table, column, view) {
    if (column.isFixed) return head(column.title, column.isNumber);
    const [name, direction] = (view.sort[table] ?? "").split(".");
    const isSorted = name === column.name;
    const next = isSorted && direction === "desc" ? "asc" : isSorted ? "desc" : column.isName ? "asc" : "desc";
    const href = address(view, { sort: { ...view.sort, [table]: `${column.name}.${next}` } });
    const link = this.link(href, column.title, `sort-${table}-${column.name}`);
    link.title = column.help ?? t("sortBy", { column: column.title });
    const made = head(link, column.isNumber);
    made.setAttribute("aria-sort", isSorted ? `${direction}ending` : "none");
    return made;
  }
}

const head = (content, isNumber = false) => element(content ? "th" : "td", { scope: content ? "col" : null, class: isNumber ? "number" : "" }, [content]);
const cell = (label, children, kind = "") => element("td", { class: kind, "data-label": label }, children);
const nothing = (words) => element("p", { class: "nothing" }, [words]);

function frame(heads, rows, isCode = false) {
  return element("div", { class: `panel table-panel${isCode ? " is-code" : ""}`, tabindex: "-1" }, [element("table", {}, [element("thead", {}, [element("tr", {}, heads)]), element("tbody", {}, rows)])]);
}

export function section(name, title, children, aside = "") {
  return element("section", { id: name, class: "part", "aria-labelledby": `${name}-title` }, [
    element("div", { class: "section-head" }, [element("h2", { id: `${name}-title` }, [title]), aside ? element("p", { class: "aside" }, [aside]) : null]), ...children,
  ]);
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Only pages over https, or of this machine, may use the clipboard; the old way works everywhere.
    const area = element("textarea", { class: "hidden" }, []);
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
