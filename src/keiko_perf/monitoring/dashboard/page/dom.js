/** Elements: made from names, attributes and children. A child that is text stays text. */

export const SIGNS = { good: "✓", warning: "!", critical: "✗", unknown: "?" };

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, children = []) {
  return filled(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, children = []) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

/** A sign and a word: nothing is told by colour alone. */
export function grade(level, words, sign = SIGNS[level]) {
  const shape = element("span", { class: "sign", "aria-hidden": "true" }, [sign]);
  return element("div", { class: "level", "data-level": level }, [shape, words]);
}

/** Sets a text only when it changes: a screen reader speaks whatever is set. */
export function tell(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

/** What is pressed, if anything, and what is to be put somewhere once it is let go. */
let pressed = null;
const later = new Map();

addEventListener("pointerdown", (event) => { pressed = event.target; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => setTimeout(released), true);
// A menu may have taken the end.
addEventListener("pointermove", (event) => { if (pressed && !event.buttons) released(); }, true);

function released() {
  pressed = null;
  for (const [host, children] of [...later]) replace(host, children);
}

/**
 * Puts children in place of the old ones; what had the focus keeps it, by its data-focus.
 *
 * A link that goes while it is pressed is never clicked: then they come once it is let go.
 */
export function replace(host, children) {
  if (pressed && host.contains(pressed)) return void later.set(host, children);
  later.delete(host);
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  host.replaceChildren(...children);
  if (focused === undefined) return;
  const again = [...host.querySelectorAll("[data-focus]")].find((one) => one.dataset.focus === focused);
  again?.focus({ preventScroll: true });
}

function filled(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
