// A picture on the page: drawn again when its place or the theme changes, with what pointer and
// keyboard do. Drag to enlarge a part, double-click or 0 for the whole; the arrow keys go from mark
// to mark, Enter chooses, + and - enlarge.

import { announce, h, show } from "../dom.js";
import { typeset } from "../typeset.js";
import { colours } from "./colours.js";
import { render } from "./render.js";
import { FONT, s } from "./svg.js";

/** Pixels from which a drag is meant as one, and within which a mark is meant. */
const DRAG = 6;
const REACH = 12;
/** Pixels below which a place has no room for axes; it has some when the page is laid out. */
const LEAST = 60;

class Picture {
  constructor(element) {
    this.element = element;
    this.view = {};
    this.tip = h("div", { class: "tip", hidden: true });
    this.whole = h("button", { type: "button", class: "quiet whole", hidden: true, onclick: () => this.zoom({}) }, "Whole picture");
    this.canvas = h("div", {
      class: "canvas", tabindex: "0", role: "img",
      onpointermove: (event) => this.move(event), onpointerdown: (event) => this.press(event),
      onpointerup: (event) => this.release(event), onpointerleave: () => this.leave(),
      ondblclick: () => this.zoom({}), onkeydown: (event) => this.key(event), onblur: () => this.point(null),
    });
    element.replaceChildren(this.canvas, this.tip, this.whole);
    new ResizeObserver(() => this.paint()).observe(element);
  }

  set(make, { label, click, plain }) {
    this.make = make;
    this.click = click;
    // A picture without marks has nothing for the keyboard: it is no stop of its own.
    if (plain) this.canvas.removeAttribute("tabindex");
    if (label) this.canvas.setAttribute("aria-label", label);
    const next = this.extent();
    // Another landscape has other axes; a chosen point alone leaves an enlarged part as it is.
    if (next !== this.ranges) this.view = {};
    this.ranges = next;
    return this.paint(true);
  }

  extent() {
    const { x, y } = this.make(colours());
    return JSON.stringify([x.range, y.range]);
  }

  /** Draw; false where there is no place for it now (it is drawn when there is). */
  paint(force = false) {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!this.make || width < LEAST || height < LEAST) return false;
    const size = `${width} ${height}`;
    if (!force && size === this.size) return true;
    this.size = size;
    const theme = colours();
    this.spec = this.make(theme);
    if (this.click) for (const mark of this.spec.marks) mark.choosable = Boolean(mark.key);
    this.drawn = render(this.spec, { width, height, theme, view: this.view });
    this.drawn.svg.setAttribute("class", "picture");
    this.drawn.svg.setAttribute("font-family", FONT);
    this.drawn.svg.setAttribute("aria-hidden", "true");
    this.at = null;
    this.tip.hidden = true;
    this.canvas.replaceChildren(this.drawn.svg);
    show(this.whole, Boolean(this.view.x));
    return true;
  }

  place(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** The mark at a place: the nearest of those in reach, cells where there are any. */
  hit({ x, y }) {
    let best = null;
    let least = Infinity;
    for (const each of this.drawn?.hits ?? []) {
      if (each.find) best ??= each.find(x, y);
      else {
        const distance = Math.hypot(each.x - x, each.y - y);
        if (distance <= Math.max(each.r, REACH) && distance - each.r < least) [best, least] = [each, distance - each.r];
      }
    }
    return best?.lines ? best : null;
  }

  move(event) {
    const at = this.place(event);
    if (this.from && event.pointerType === "mouse" && !this.spec.still) {
      this.to = at;
      this.drawFrame();
      if (this.frame) return this.point(null);
    }
    return this.point(this.hit(at));
  }

  press(event) {
    if (event.button === 0) this.from = this.place(event);
  }

  release(event) {
    const { from, frame } = this;
    this.leaveFrame();
    if (!from) return;
    const to = this.place(event);
    if (frame) return this.enlarge(from, to);
    const hit = this.hit(to);
    if (event.pointerType !== "mouse") this.point(hit);
    if (hit?.key && this.click) this.click(hit.key);
  }

  leave() {
    this.leaveFrame();
    if (document.activeElement !== this.canvas) this.point(null);
  }

  leaveFrame() {
    this.frame?.remove();
    this.frame = this.from = this.to = null;
  }

  drawFrame() {
    const { from, to, drawn } = this;
    if (!this.frame && Math.hypot(to.x - from.x, to.y - from.y) < DRAG) return;
    this.frame?.remove();
    this.frame = s("rect", { class: "frame-box", x: Math.min(from.x, to.x), y: Math.min(from.y, to.y),
      width: Math.abs(to.x - from.x), height: Math.abs(to.y - from.y) });
    drawn.svg.append(this.frame);
  }

  enlarge(a, b) {
    const { x, y, area } = this.drawn;
    const within = (value, low, high) => Math.min(high, Math.max(low, value));
    const xs = [a.x, b.x].map((px) => x.value(within(px, area.x0, area.x1))).sort((p, q) => p - q);
    const ys = [a.y, b.y].map((py) => y.value(within(py, area.y0, area.y1))).sort((p, q) => p - q);
    const isWide = Math.abs(a.x - b.x) > DRAG && !this.spec.x.hidden;
    const isHigh = Math.abs(a.y - b.y) > DRAG;
    this.zoom({ x: isWide ? xs : x.range, y: isHigh ? ys : y.range });
  }

  zoom(view) {
    if (this.spec?.still) return;
    this.view = view;
    this.paint(true);
  }

  /** Enlarge around the middle, or around the mark that is pointed at. */
  scaleBy(factor) {
    const { x, y, area } = this.drawn;
    const centre = this.at ?? { x: (area.x0 + area.x1) / 2, y: (area.y0 + area.y1) / 2 };
    const span = (scale, middle, from, to) => [from, to].map((px) => scale.value(middle + (px - middle) * factor));
    this.zoom({ x: this.spec.x.hidden ? x.range : span(x, centre.x, area.x0, area.x1), y: span(y, centre.y, area.y1, area.y0) });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
    const marks = (this.drawn?.hits ?? []).filter((hit) => hit.lines)
      .sort((a, b) => (this.spec.along === "x" ? a.x - b.x : b.y - a.y || a.x - b.x));
    if (event.key in steps && marks.length) {
      const now = marks.indexOf(this.at);
      const next = now < 0 ? 0 : (now + steps[event.key] + marks.length) % marks.length;
      this.point(marks[next]);
      announce(marks[next].lines.join(", "));
    } else if (event.key === "Enter" && this.at?.key && this.click) this.click(this.at.key);
    else if (event.key === "+" || event.key === "=") this.scaleBy(0.6);
    else if (event.key === "-") this.scaleBy(1 / 0.6);
    else if (event.key === "0") this.zoom({});
    else if (event.key === "Escape") this.point(null);
    else return;
    event.preventDefault();
  }

  /** Show what a mark is, or nothing. */
  point(hit) {
    this.at = hit;
    this.tip.hidden = !hit;
    this.canvas.classList.toggle("on-mark", Boolean(hit?.key && this.click));
    if (!hit) return;
    this.tip.replaceChildren(...hit.lines.map((line, i) => h(i ? "div" : "strong", {}, typeset(line))));
    const { offsetWidth: width, offsetHeight: height } = this.tip;
    const left = Math.min(Math.max(0, hit.x - width / 2), this.element.clientWidth - width);
    const above = hit.y - Math.min(hit.r, 30) - height - 8;
    // The policy forbids style attributes in markup, not what a script sets.
    this.tip.style.left = `${Math.max(0, left)}px`;
    this.tip.style.top = `${above < -20 ? hit.y + Math.min(hit.r, 30) + 8 : above}px`;
  }
}

const pictures = new Map();

/**
 * Draw into `element`; true if there is a place for it now. `make(theme)` returns the description
 * (see render.js), and is called again when the theme changes; `label` says in words what the
 * picture shows; `click(key)` gets a chosen mark; `plain`: there are no marks to go to.
 */
export function draw(element, make, { label, click, plain } = {}) {
  if (!pictures.has(element)) pictures.set(element, new Picture(element));
  return pictures.get(element).set(make, { label, click, plain });
}

/** Draw everything again, in the colours that hold now. */
export function redraw() {
  for (const [element, picture] of pictures) {
    if (element.isConnected) picture.paint(true);
    else pictures.delete(element);
  }
}

/** How the picture in `element` is made, for whoever saves it. */
export const description = (element) => pictures.get(element)?.make;
