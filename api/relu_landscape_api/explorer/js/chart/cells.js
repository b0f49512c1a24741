// Matrices as coloured cells with lines between their blocks.

import { s, text } from "./svg.js";

/** From so many cells on a side a picture of pixels is drawn: as elements they would be thousands. */
const MOST_ELEMENTS_ASIDE = 40;

export const channels = (colour) => {
  const [, hex] = /^#([0-9a-f]{6})$/i.exec(colour);
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
};

/** The colour of `value` among `stops` [[share, colour]], mixed linearly. */
function colourAt(stops, value, limit) {
  const share = Math.min(1, Math.max(0, (value / limit + 1) / 2));
  const above = Math.max(1, stops.findIndex(([at]) => at >= share));
  const [[a, low], [b, high]] = [stops[above - 1], stops[above]];
  const [from, to] = [channels(low), channels(high)];
  return from.map((each, i) => Math.round(each + ((share - a) / (b - a)) * (to[i] - each)));
}

/** Black or white, whichever is read better on a colour (luminance as WCAG defines it). */
export function inkOn(rgb) {
  const [r, g, b] = rgb.map((each) => (each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

/** Two decimals, and no sign on what is zero to two decimals. */
const rounded = (value) => value.toFixed(2).replace(/^-(?=.*[1-9])/, "−").replace("-", "");

function pixels({ matrix, stops, limit }, [x, y, width, height]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [matrix[0].length, matrix.length];
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  matrix.flat().forEach((value, i) => image.data.set([...colourAt(stops, value, limit), 255], 4 * i));
  context.putImageData(image, 0, 0);
  return [s("image", { href: canvas.toDataURL(), x, y, width, height, preserveAspectRatio: "none", "image-rendering": "pixelated" })];
}

function elements({ matrix, stops, limit, words }, x, y, unit) {
  const gap = matrix.length > 20 ? 0.25 : 0.75;
  return matrix.flatMap((row, i) => row.flatMap((value, j) => {
    const rgb = colourAt(stops, value, limit);
    const [left, top] = [x.at(j - 0.5), y.at(i - 0.5)];
    return [
      s("rect", { class: "cell", x: left + gap, y: top + gap, width: unit - 2 * gap, height: unit - 2 * gap, fill: `rgb(${rgb})`,
        "data-value": String(value) }),
      words && text(rounded(value), { x: left + unit / 2, y: top + unit / 2 + 4, "text-anchor": "middle",
        "font-size": Math.min(11, 0.3 * unit), fill: inkOn(rgb) }),
    ];
  }));
}

/** Cells with their lines, and which cell is at a place: {group, find(x, y)}. */
export function cells(mark, { x, y }, theme) {
  const { matrix, rows, columns, name } = mark;
  const [height, width] = [matrix.length, matrix[0].length];
  const unit = x.at(1) - x.at(0);
  const [left, right, top, bottom] = [x.at(-0.5), x.at(width - 0.5), y.at(-0.5), y.at(height - 0.5)];
  const isFine = Math.max(width, height) > MOST_ELEMENTS_ASIDE;
  const line = { class: "block-line", stroke: theme.ink, "stroke-width": 1.4 };
  const group = s("g", { class: "cells" },
    isFine ? pixels(mark, [left, top, right - left, bottom - top]) : elements(mark, x, y, unit),
    rows.map((at) => s("line", { ...line, x1: left, x2: right, y1: y.at(at), y2: y.at(at), "data-row": String(at) })),
    columns.map((at) => s("line", { ...line, x1: x.at(at), x2: x.at(at), y1: top, y2: bottom, "data-column": String(at) })),
    s("rect", { x: left, y: top, width: right - left, height: bottom - top, fill: "none", stroke: theme.faint }));
  const find = (px, py) => {
    const [i, j] = [Math.round(y.value(py)), Math.round(x.value(px))];
    const value = matrix[i]?.[j];
    return value == null ? null
      : { x: x.at(j), y: y.at(i), r: unit / 2, lines: [`${name}[${i + 1}, ${j + 1}] = ${mark.exact(value)}`] };
  };
  return { group, find };
}
