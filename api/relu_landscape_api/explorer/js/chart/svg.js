// SVG elements, texts with true superscripts, and the shapes of marks. Attributes only: the content
// security policy refuses style attributes.

import { pieces } from "../typeset.js";

const SVG = "http://www.w3.org/2000/svg";
export const FONT = '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** An SVG element; attributes that are null are left out. */
export function s(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value != null && value !== false) element.setAttribute(name, typeof value === "number" ? round(value) : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** A hundredth of a pixel is invisible, and seventeen digits fill a file. */
const round = (value) => String(Math.round(100 * value) / 100);
export const point = (x, y) => `${round(x)},${round(y)}`;

/** A text; powers of ten get raised exponents. */
export function text(content, attributes) {
  const size = attributes["font-size"];
  let raised = false;
  const parts = pieces(content).map(({ kind, text: words }) => {
    const isPower = kind === "power";
    if (!isPower && !raised) return words;
    const part = s("tspan", { dy: isPower ? -0.38 * size : 0.38 * size, "font-size": isPower ? 0.74 * size : size }, words);
    raised = isPower;
    return part;
  });
  return s("text", attributes, parts);
}

let ruler = null;

/** Width of a text in pixels. */
export function textWidth(content, size, weight = 400) {
  ruler ??= document.createElement("canvas").getContext("2d");
  ruler.font = `${weight} ${size}px ${FONT}`;
  return ruler.measureText(content).width;
}

const polygon = (x, y, r, corners, turn, inner = 1) => {
  const count = inner === 1 ? corners : 2 * corners;
  const at = Array.from({ length: count }, (_, i) => {
    const angle = turn + (2 * Math.PI * i) / count;
    const radius = inner !== 1 && i % 2 ? r * inner : r;
    return point(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  });
  return `M${at.join("L")}Z`;
};

const UP = -Math.PI / 2;
const SHAPES = {
  square: (x, y, r) => polygon(x, y, 1.25 * r, 4, Math.PI / 4),
  diamond: (x, y, r) => polygon(x, y, 1.25 * r, 4, 0),
  triangle: (x, y, r) => polygon(x, y, 1.3 * r, 3, UP),
  star: (x, y, r) => polygon(x, y, 1.5 * r, 5, UP, 0.45),
  hexagon: (x, y, r) => polygon(x, y, 1.15 * r, 6, 0),
  cross: (x, y, r) => `M${point(x - r, y - r)}L${point(x + r, y + r)}M${point(x - r, y + r)}L${point(x + r, y - r)}`,
};

/** A mark of radius `r` in the middle of (x, y). */
export function shape(name, x, y, r, attributes) {
  const own = SHAPES[name];
  return own ? s("path", { d: own(x, y, r), ...attributes }) : s("circle", { cx: x, cy: y, r, ...attributes });
}
