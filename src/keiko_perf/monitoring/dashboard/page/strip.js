/**
 * A strip: one chart over time among several that share their axis, cursor and selection.
 *
 * uPlot draws the lines. Beneath them lie the heat map of all durations and the bands of alerts,
 * above them the limit and the markers. A line is broken where nothing was measured; a point
 * that stands alone is drawn as one.
 */

import { element } from "./dom.js";
import { NONE, show, ticks, timeTick } from "./units.js";
import { t } from "./words.js";

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 432000, 864000];
const ROWS_PER_OCTAVE = 4;
const AXIS_PX = 68;

/** The colours of now: they follow the light or dark of the page. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--${name}`).trim() });
}

export class Strip {
  /**
   * @param {HTMLElement} host  where it is put
   * @param {object} definition  `title`, `format`, `height`, `lines` (`name`, `title`, `colour`, `fill`, `dash`, `values`),
   *   `isLog`, `most`, `hasTimes`, `hasHeat`, `limit`
   * @param {object} shared  what all strips share: `frame`, `data`, `sync`, `onPoint`, `onSelect`
   */
  constructor(host, definition, shared) {
    Object.assign(this, { definition, shared });
    this.readout = element("p", { class: "readout" });
    this.holder = element("div", { class: "plot", tabindex: "0", role: "img", "data-focus": `strip-${definition.name}` });
    this.holder.addEventListener("keydown", (event) => shared.onKey(event));
    host.append(element("div", { class: "strip-head" }, [element("h3", {}, [definition.title]), this.readout]), this.holder);
  }

  /** Draws what `shared` holds now; a change of size or of colours needs a new plot. */
  draw({ isNew = false } = {}) {
    const width = this.holder.clientWidth;
    if (!width) return;
    const data = this.#data();
    if (isNew || !this.plot) {
      this.plot?.destroy();
      this.plot = new uPlot(this.#options(width), data, this.holder);
    } else {
      if (this.plot.width !== width) this.plot.setSize({ width, height: this.definition.height });
      this.plot.setData(data);
    }
    this.#read(this.plot.cursor.idx ?? null);
  }

  destroy() {
    this.plot?.destroy();
  }

  #data() {
    const { times, columns } = this.shared.data;
    return [times, ...this.definition.lines.map((line) => line.values(columns))];
  }

  #options(width) {
    const paint = colours();
    const { definition, shared } = this;
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const grid = { stroke: paint.edge, width: 1 };
    return {
      width,
      height: definition.height,
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: shared.sync },
        drag: { x: true, y: false, setScale: false, dist: 6 },
        points: { size: 7, width: 2, stroke: paint.panel },
        y: false,
      },
      scales: {
        x: { time: true, range: () => [shared.frame.start, shared.frame.end] },
        y: { distr: definition.isLog ? 3 : 1, range: (_, least, most) => this.#range(least, most) },
      },
      axes: [
        {
          stroke: paint.soft, font, grid, ticks: { show: false },
          size: definition.hasTimes ? 26 : 6,
          splits: (u) => timeSplits(u, shared.frame),
          values: (u, splits) => (definition.hasTimes ? splits.map((at) => timeTick(at, spacing(splits))) : splits.map(() => "")),
        },
        {
          stroke: paint.soft, font, grid, ticks: { show: false }, size: AXIS_PX, gap: 8,
          splits: (u, _, least, most) => (definition.isLog ? logSplits(least, most, definition.height) : niceSplits(most, definition.height)),
          filter: (u, splits) => splits,
          values: (u, splits) => ticks(splits, definition.format, definition.isLog),
        },
      ],
      series: [{}, ...definition.lines.map((line) => ({
        label: line.title,
        stroke: paint[line.colour],
        width: line.width ?? 1.6,
        dash: line.dash,
        fill: line.fill ? paint[line.fill] : undefined,
        spanGaps: false,
        points: { show: true, size: 5, fill: paint[line.colour], filter: (u, index) => lone(u.data[index]) },
      }))],
      hooks: {
        drawClear: [(u) => this.#drawBeneath(u, paint)],
        draw: [(u) => this.#drawAbove(u, paint, font)],
        setCursor: [(u) => this.#read(u.cursor.idx ?? null)],
        setSelect: [(u) => this.#select(u)],
      },
    };
  }

  #range(least, most) {
    const { definition, shared } = this;
    const limit = definition.limit?.() ?? null;
    if (definition.isLog) {
      const heat = definition.hasHeat ? shared.data.heatRange : null;
      const low = heat ? 2 ** (heat[0] / ROWS_PER_OCTAVE) : least ?? 0.001;
      let high = Math.max(most ?? 0, heat ? 2 ** ((heat[1] + 1) / ROWS_PER_OCTAVE) : 0, low * 10);
      if (limit !== null && limit < high * 4) high = Math.max(high, limit * 1.3);
      return [low * 0.85, high * 1.15];
    }
    if (definition.most) return [0, definition.most];
    // The limit is shown where a line is near it, but never squeezes the line flat.
    const shown = limit !== null && limit <= (most ?? 0) * 3 ? limit : 0;
    const splits = niceSplits(Math.max(most ?? 0, shown) * 1.04 || (definition.format === "ratio" ? 0.01 : 1), definition.height);
    return [0, splits[splits.length - 1]];
  }

  #drawBeneath(u, paint) {
    const { ctx, bbox } = u;
    const { bands, data } = this.shared;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const band of bands) {
      const left = u.valToPos(band.from, "x", true);
      const right = u.valToPos(Math.min(band.to, u.scales.x.max), "x", true);
      ctx.fillStyle = paint[`${band.level}-band`];
      ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
    }
    if (this.definition.hasHeat) {
      ctx.fillStyle = paint.heat;
      for (const [index, ...cells] of data.heat) {
        const left = Math.round(u.valToPos(data.times[index] - data.step / 2, "x", true));
        const right = Math.round(u.valToPos(data.times[index] + data.step / 2, "x", true));
        for (let at = 0; at < cells.length; at += 2) {
          const top = Math.round(u.valToPos(2 ** ((cells[at] + 1) / ROWS_PER_OCTAVE), "y", true));
          const bottom = Math.round(u.valToPos(2 ** (cells[at] / ROWS_PER_OCTAVE), "y", true));
          ctx.globalAlpha = 0.07 + 0.6 * Math.sqrt(cells[at + 1] / data.heatMost);
          ctx.fillRect(left, top, Math.max(right - left, 1), bottom - top);
        }
      }
    }
    ctx.restore();
  }

  #drawAbove(u, paint, font) {
    const { ctx, bbox } = u;
    const ratio = devicePixelRatio;
    const limit = this.definition.limit?.() ?? null;
    ctx.save();
    ctx.font = font.replace(/^\d+/, (px) => Number(px) * ratio);
    if (limit !== null && limit >= u.scales.y.min && limit <= u.scales.y.max) {
      const y = Math.round(u.valToPos(limit, "y", true)) + 0.5;
      const words = t("limit", { value: show[this.definition.format](limit) });
      line(ctx, paint.critical, [bbox.left, y], [bbox.left + bbox.width, y], [5 * ratio, 4 * ratio], ratio);
      ctx.textAlign = "left";
      ctx.textBaseline = y - bbox.top > 18 * ratio ? "bottom" : "top";
      const at = [bbox.left + 6 * ratio, y + (ctx.textBaseline === "bottom" ? -3 : 4) * ratio];
      ctx.lineWidth = 4 * ratio;
      ctx.strokeStyle = paint.panel;
      ctx.lineJoin = "round";
      ctx.strokeText(words, ...at);
      ctx.fillStyle = paint.critical;
      ctx.fillText(words, ...at);
    }
    // The flag of a deploy hides that of a change, which it may have caused.
    for (const marker of [...this.shared.markers].sort((a, b) => (a.kind === "change" ? 0 : 1) - (b.kind === "change" ? 0 : 1))) {
      const x = Math.round(u.valToPos(marker.at, "x", true)) + 0.5;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      line(ctx, paint.marker, [x, bbox.top], [x, bbox.top + bbox.height], [], 1.4 * ratio);
      if (!this.definition.hasHeat) continue;
      ctx.textAlign = "left";
      ctx.textBaseline = "top";
      const words = marker.text.length > 26 ? `${marker.text.slice(0, 25)}…` : marker.text;
      const room = ctx.measureText(words).width + 10 * ratio;
      const left = x + room > bbox.left + bbox.width ? x - room : x;
      ctx.fillStyle = paint.marker;
      ctx.fillRect(left, bbox.top, room, 17 * ratio);
      ctx.fillStyle = paint.panel;
      ctx.fillText(words, left + 5 * ratio, bbox.top + 3 * ratio);
    }
    ctx.restore();
  }

  /** The values at a point, or those of now. */
  #read(index) {
    const { data } = this.shared;
    const at = index ?? latest(this.plot?.data ?? [[]]);
    const parts = this.definition.lines.map((one) => {
      const value = at === null ? null : one.raw(data.columns)[at];
      const shownValue = value === null || value === undefined ? NONE : show[this.definition.format](value);
      return element("span", { class: "key" }, [
        element("i", { class: `swatch swatch-${one.colour}${one.dash ? " dashed" : ""}`, "aria-hidden": "true" }),
        `${one.title} `, element("b", {}, [shownValue]),
      ]);
    });
    this.readout.replaceChildren(...parts);
    this.holder.setAttribute("aria-label", `${this.definition.title}: ${this.readout.textContent.trim() || NONE}`);
    this.shared.onPoint(this, index);
  }

  #select(u) {
    const { left, width } = u.select;
    // The other strips are told of the selection as well, without an event of their own.
    if (width < 6 || !u.cursor.event) return;
    const from = u.posToVal(left, "x");
    const to = u.posToVal(left + width, "x");
    u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.shared.onSelect(from, to);
  }
}

function line(ctx, colour, from, to, dash, width) {
  ctx.beginPath();
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.setLineDash(dash);
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Points without a neighbour, which make no line. */
function lone(values) {
  const found = [];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] != null && values[at - 1] == null && values[at + 1] == null) found.push(at);
  }
  return found;
}

function latest([times, ...lines]) {
  for (let at = times.length - 1; at >= 0; at -= 1) if (lines.some((one) => one[at] != null)) return at;
  return null;
}

function timeSplits(u, { start, end }) {
  const most = Math.max(2, Math.floor(u.bbox.width / devicePixelRatio / 92));
  const step = STEPS_S.find((one) => (end - start) / one <= most) ?? (end - start) / most;
  // Full hours of the reader's own time zone, not of UTC.
  const offset = new Date(start * 1000).getTimezoneOffset() * 60;
  const splits = [];
  for (let at = Math.ceil((start - offset) / step) * step + offset; at <= end; at += step) splits.push(at);
  return splits;
}

const spacing = (splits) => (splits.length > 1 ? splits[1] - splits[0] : 60);

/** From 0 in a few equal steps of 1, 2 or 5 times a power of ten. */
function niceSplits(most, height) {
  const rough = most / (height > 160 ? 4 : 2);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
}

function logSplits(least, most, height) {
  const decades = Math.log10(most / least);
  const factors = decades < 1.6 && height > 120 ? [1, 2, 5] : decades < 3 ? [1, 3] : [1];
  const splits = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (value >= least && value <= most) splits.push(value);
    }
  }
  return splits;
}

