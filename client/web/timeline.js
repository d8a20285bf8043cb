/** Draws a burst of requests: a bar for each, and the one refresh across all who wait for it. */

/**
 * @typedef {object} Part  Times in milliseconds of `performance.now()`; `to` is null while it lasts.
 * @property {"waiting" | "queued" | "ok" | "refused" | "failed"} kind  `waiting` for a token, `queued` for a connection
 * @property {number} from
 * @property {number | null} to
 */
/** @typedef {{parts: Part[], done: boolean}} Call */
/** @typedef {{from: number, to: number | null}} Refresh */
/** @typedef {{began: number, calls: Call[], refreshes: Refresh[]}} Burst */

const SVG = "http://www.w3.org/2000/svg";
const TOP = 34;
const BOTTOM = 24;
const MIN_SPAN_MS = 40;
const SIDE = 8;

/** @param {SVGElement} svg */
export class Timeline {
  constructor(svg) {
    this.svg = svg;
    /** @type {Burst | null} */ this.burst = null;
    /** @type {import("./words.js").Words | null} */ this.words = null;
    this.animated = !matchMedia("(prefers-reduced-motion: reduce)").matches;
    new ResizeObserver(() => this.draw()).observe(svg.parentElement);
  }

  /** Draw a burst from now on until it is over. @param {Burst} burst */
  show(burst) {
    this.burst = burst;
    this.svg.removeAttribute("hidden");
    const frame = () => {
      if (this.burst !== burst) return;
      const over = isOver(burst);
      if (over || this.animated) this.draw();
      if (!over) requestAnimationFrame(frame);
    };
    frame();
  }

  draw() {
    if (!this.burst || !this.words) return;
    const { began, calls, refreshes } = this.burst;
    const now = performance.now();
    const width = this.svg.parentElement.clientWidth - 2 * padding(this.svg.parentElement);
    const row = Math.max(5, Math.min(20, 320 / calls.length));
    const height = TOP + row * calls.length + BOTTOM;
    const end = isOver(this.burst) ? lastMoment(this.burst) : now;
    const span = Math.max(MIN_SPAN_MS, (end - began) * 1.03);
    const x = (/** @type {number} */ at) => SIDE + ((at - began) / span) * (width - 2 * SIDE);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", String(height));
    this.svg.replaceChildren(
      ...grid(span, width, height, (ms) => x(began + ms), this.words),
      ...refreshes.flatMap((refresh) => this.#refresh(refresh, calls, x, now, width, height)),
      ...calls.flatMap((call, index) => call.parts.map((part) => bar(part, TOP + index * row, row, x, now))),
    );
  }

  #refresh({ from, to }, calls, x, now, width, height) {
    const [left, right] = [x(from), x(to ?? now)];
    const waiting = calls.filter((call) => call.parts.some((part) => part.kind === "waiting" && overlap(part, from, to ?? now, now)));
    const label = to === null ? "" : this.words.refreshLabel(Math.round(to - from), waiting.length);
    const leans = left > width * 0.55;
    return [
      element("rect", { class: "band", x: left, y: 20, width: Math.max(2, right - left), height: height - BOTTOM - 20 }),
      ...[left, right].map((at) => element("line", { class: "edge", x1: at, x2: at, y1: 20, y2: height - BOTTOM })),
      element("rect", { class: "refresh", x: left, y: 20, width: Math.max(3, right - left), height: 9, rx: 3 }),
      element("text", { class: "refresh", x: leans ? right : left, y: 13, "text-anchor": leans ? "end" : "start" }, label),
    ];
  }
}

/** @param {Burst} burst */
export function isOver({ calls, refreshes }) {
  return calls.every((call) => call.done) && refreshes.every((refresh) => refresh.to !== null);
}

/** @param {Burst} burst */
function lastMoment({ began, calls, refreshes }) {
  return Math.max(began, ...calls.flatMap(({ parts }) => parts.map(({ to }) => to ?? began)), ...refreshes.map(({ to }) => to ?? began));
}

function overlap(part, from, to, now) {
  return part.from < to && (part.to ?? now) > from;
}

function bar({ kind, from, to }, y, row, x, now) {
  const idle = kind === "waiting" || kind === "queued";
  const thick = idle ? Math.max(1.5, row * 0.22) : Math.max(3, row * 0.72);
  const [left, right] = [x(from), x(to ?? now)];
  const width = Math.max(idle ? 0 : 2, right - left);
  return element("rect", { class: kind, x: left, y: y + (row - thick) / 2, width, height: thick, rx: Math.min(3, thick / 2) });
}

function* grid(span, width, height, x, words) {
  const step = niceStep(span / Math.max(2, width / 110));
  for (let ms = 0; ms < span; ms += step) {
    const at = x(ms);
    yield element("line", { class: "grid", x1: at, x2: at, y1: TOP - 4, y2: height - BOTTOM + 4 });
    if (at < width - 50) yield element("text", { x: at, y: height - 6 }, words.milliseconds(ms));
  }
}

function niceStep(ms) {
  const magnitude = 10 ** Math.floor(Math.log10(ms));
  return magnitude * ([1, 2, 5, 10].find((factor) => factor * magnitude >= ms) ?? 10);
}

function padding(node) {
  return Number.parseFloat(getComputedStyle(node).paddingLeft);
}

function element(tag, attributes, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  if (text) node.textContent = text;
  return node;
}
