/**
 * A line chart over time, drawn as SVG: one line, its limit, gaps where nothing was measured.
 *
 * The pointer, or the arrow keys once it has the focus, move a cursor that reads values off.
 */

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { top: 12, right: 10, bottom: 24, left: 58 };
const STEPS_S = [1, 2, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];

export class Chart {
  /**
   * @param {HTMLElement} host  where it is drawn; its size is the chart's
   * @param {{label: string, show: (value: number) => string}} options  what it shows, for people
   */
  constructor(host, { label, show }) {
    this.host = host;
    this.label = label;
    this.show = show;
    this.points = [];
    this.cursor = null;
    host.tabIndex = 0;
    host.setAttribute("role", "img");
    host.addEventListener("pointermove", (event) => this.#follow(event));
    host.addEventListener("pointerleave", () => this.#point(null));
    host.addEventListener("blur", () => this.#point(null));
    host.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(host);
  }

  /**
   * @param {{at: number, value: number | null}[]} points  in order; `at` in ms since 1970
   * @param {{start: number, end: number, limit: number | null, empty: string}} frame
   */
  update(points, frame) {
    this.points = points;
    this.frame = frame;
    if (this.cursor !== null && this.cursor >= points.length) this.cursor = null;
    this.draw();
  }

  draw() {
    const { host, frame } = this;
    const width = host.clientWidth;
    const height = host.clientHeight;
    if (!frame || width < 120) return;
    const known = this.points.filter((point) => point.value !== null);
    host.replaceChildren();
    if (!known.length) {
      host.setAttribute("aria-label", `${this.label}: ${frame.empty}`);
      const empty = document.createElement("p");
      empty.className = "empty";
      empty.textContent = frame.empty;
      host.append(empty);
      return;
    }
    const peak = known.reduce((most, point) => Math.max(most, point.value), 0);
    const last = known[known.length - 1].value;
    host.setAttribute("aria-label", `${this.label}: last ${this.show(last)}, at most ${this.show(peak)}`);

    // The limit is shown where the line is near it, but never squeezes the line flat.
    const limit = frame.limit !== null && frame.limit <= peak * 3 ? frame.limit : null;
    const ticks = niceTicks(Math.max(peak, limit ?? 0) * 1.05);
    const top = ticks[ticks.length - 1];
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const x = (at) => MARGIN.left + ((at - frame.start) / (frame.end - frame.start)) * (right - MARGIN.left);
    const y = (value) => bottom - (value / top) * (bottom - MARGIN.top);
    this.scale = { x, y, right, bottom };

    const svg = node("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    for (const tick of ticks) {
      svg.append(node("line", { class: "grid", x1: MARGIN.left, x2: right, y1: y(tick), y2: y(tick) }));
      svg.append(text(this.show(tick), { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }));
    }
    for (const tick of timeTicks(frame.start, frame.end, Math.max(2, Math.floor(width / 90)))) {
      svg.append(text(clock(tick, frame.end - frame.start < 300_000), { x: x(tick), y: height - 6, "text-anchor": "middle" }));
    }
    for (const run of runs(this.points, frame.start)) {
      const path = run.map((point) => `${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("L");
      if (run.length === 1) {
        svg.append(node("circle", { class: "lone", r: 2.5, cx: x(run[0].at), cy: y(run[0].value) }));
        continue;
      }
      const from = x(run[0].at).toFixed(1);
      const to = x(run[run.length - 1].at).toFixed(1);
      svg.append(node("path", { class: "area", d: `M${from} ${bottom}L${path}L${to} ${bottom}Z` }));
      svg.append(node("path", { class: "series", d: `M${path}` }));
    }
    if (limit !== null) {
      svg.append(node("line", { class: "limit", x1: MARGIN.left, x2: right, y1: y(limit), y2: y(limit) }));
      svg.append(text(`limit ${this.show(limit)}`, { class: "limit-text", x: MARGIN.left + 4, y: y(limit) - 5 }));
    }
    host.append(svg);
    this.svg = svg;
    this.#drawCursor();
  }

  #drawCursor() {
    this.host.querySelectorAll(".cursor, .cursor-dot, .readout").forEach((old) => old.remove());
    const point = this.cursor === null ? null : this.points[this.cursor];
    if (!point || !this.svg?.isConnected) return;
    const { x, y, bottom } = this.scale;
    const at = x(point.at);
    this.svg.append(node("line", { class: "cursor", x1: at, x2: at, y1: MARGIN.top, y2: bottom }));
    if (point.value !== null) {
      this.svg.append(node("circle", { class: "cursor-dot", r: 4.5, cx: at, cy: y(point.value) }));
    }
    const readout = document.createElement("div");
    readout.className = "readout";
    readout.setAttribute("role", "status");
    readout.textContent = `${clock(point.at, true)}  ${point.value === null ? "no data" : this.show(point.value)}`;
    this.host.append(readout);
    const half = readout.offsetWidth / 2;
    readout.style.left = `${Math.max(0, Math.min(this.host.clientWidth - 2 * half, at - half))}px`;
  }

  #point(index) {
    if (this.cursor === index) return;
    this.cursor = index;
    this.#drawCursor();
  }

  #follow(event) {
    if (!this.scale || !this.points.length) return;
    const at = event.clientX - this.host.getBoundingClientRect().left;
    let nearest = 0;
    this.points.forEach((point, index) => {
      const distance = Math.abs(this.scale.x(point.at) - at);
      if (distance < Math.abs(this.scale.x(this.points[nearest].at) - at)) nearest = index;
    });
    this.#point(nearest);
  }

  #key(event) {
    const last = this.points.length - 1;
    if (last < 0) return;
    const from = this.cursor ?? last + (event.key === "ArrowLeft" ? 1 : 0);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last, Escape: null }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#point(to === null ? null : Math.max(0, Math.min(last, to)));
  }
}

/** The stretches of points that have a value; a point before the frame starts is left out. */
function* runs(points, start) {
  let run = [];
  for (const point of points) {
    if (point.value !== null && point.at >= start) {
      run.push(point);
    } else if (run.length) {
      yield run;
      run = [];
    }
  }
  if (run.length) yield run;
}

/** From 0 in three to five equal steps of 1, 2 or 5 times a power of ten. */
function niceTicks(most) {
  if (!most) return [0, 1]; // a line at 0 needs room above it
  const rough = most / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

function timeTicks(start, end, most) {
  const step = 1000 * (STEPS_S.find((size_s) => (end - start) / 1000 / size_s <= most) ?? 86400);
  // Full hours of the reader's own time zone, not of UTC.
  const offset = new Date(start).getTimezoneOffset() * 60_000;
  const ticks = [];
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step) ticks.push(at);
  return ticks.filter((at) => at - start > (end - start) * 0.02 && end - at > (end - start) * 0.04);
}

export function clock(at, withSeconds) {
  return new Date(at).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(withSeconds ? { second: "2-digit" } : {}),
  });
}

function node(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function text(content, attributes) {
  const made = node("text", attributes);
  made.textContent = content;
  return made;
}
