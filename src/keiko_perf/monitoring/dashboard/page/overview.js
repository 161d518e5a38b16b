/** The overview: how each of several services is, the worst first. */

import { byId, element, replace, SIGNS, tell } from "./dom.js";
import { instant, lasted, unbroken, when } from "./units.js";
import { t } from "./words.js";

const EVERY_MS = 5_000;
const ORDER = ["critical", "warning", "unknown", "good"];
let lastAt = null;

async function refresh() {
  try {
    const answer = await fetch("services", { cache: "no-store", signal: AbortSignal.timeout(20_000) });
    if (answer.status === 401 || answer.status === 403) location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const { services } = await answer.json();
    services.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || a.name.localeCompare(b.name));
    replace(byId("services"), services.map(service));
    document.title = `${SIGNS[services[0].status]} ${services.length}`;
    lastAt = Date.now() / 1000;
    show("live");
  } catch {
    show(lastAt !== null && Date.now() / 1000 - lastAt > 15 ? "stale" : "reconnecting");
  }
  setTimeout(refresh, EVERY_MS);
}

function show(state) {
  byId("connection").dataset.state = state;
  tell(byId("connection-text"), t(state, { at: lastAt ? instant(lastAt) : "" }));
}

function service({ name, href, status, headline, since, taken_at: now, cards }) {
  const at = since ? Date.parse(since.at) / 1000 : null;
  return element("li", { class: "card", "data-level": status }, [
    element("div", { class: "level", "data-level": status }, [
      element("span", { class: "sign", "aria-hidden": "true" }, [SIGNS[status]]), element("a", { href, "data-focus": name }, [name]),
    ]),
    element("p", {}, [unbroken(headline)]),
    at === null ? null : element("p", { class: "aside" }, [t("sinceShort", { at: when(at), lasted: lasted(Date.parse(now) / 1000 - at) })]),
    element("dl", { class: "figures" }, cards.map((one) => element("div", { "data-level": one.level }, [element("dt", {}, [one.title]), element("dd", {}, [one.value_text ?? t("noData")])]))),
  ]);
}

refresh();
