// A picture from its description: axes, marks and names as one SVG element of a given size and
// theme. The screen and a saved file are drawn by the same code, in other sizes and colours.
//
// A description is {x, y, marks, labels, legend, equal}:
//   x, y    {range, kind: "linear" | "log", title, ticks: [{at, text}], hidden, grid, zero}
//   marks   {type: "path", points: [[x, y] | null], stroke, width, dash, opacity}
//           {type: "area", points: [[x, low, high] | null], name, fill, opacity}
//           {type: "band", x0, x1, fill, opacity}
//           {type: "point", x, y, r, shape, fill, stroke, width, opacity, key, name, lines, whisker, above, sign}
//           {type: "cells", ...} (see cells.js)
//   labels  {key, text, strong, rank, side}: what is written beside the point of that name (or key)
//   legend  {shape, fill, stroke, text}: drawn in saved files, beside the picture on the page
//   equal   one unit is as long on either axis

import { cells } from "./cells.js";
import { placed } from "./labels.js";
import { scale, ticks } from "./scale.js";
import { point, s, shape, text, textWidth } from "./svg.js";

const TICK = 4;
/** Distance of a whisker below its disc, which would hide it. */
const WHISKER_GAP = 5;
/** A shorter one, in pixels, would be a speck; the hover text has its numbers. */
const SHORTEST_WHISKER = 3;
let count = 0;

const isInside = ([low, high], value) => value >= Math.min(low, high) && value <= Math.max(low, high);

/** Room around the picture for what stands beside its axes. */
function margins(spec, axes, size, top) {
  if (spec.margin) return { ...spec.margin, t: spec.margin.t + top };
  const widest = axes.y.hidden ? 0 : Math.max(0, ...axes.y.ticks.map((tick) => textWidth(tick.text, size)));
  return {
    l: axes.y.hidden ? 8 : widest + TICK + 8 + (axes.y.title ? 1.7 * size : 0), r: 14, t: 12 + top,
    b: axes.x.hidden ? 12 : TICK + 1.6 * size + (axes.x.title ? 1.7 * size : 4),
  };
}

function axisOf(given, range, most) {
  const kind = given.kind ?? "linear";
  const marks = (given.ticks ?? ticks(kind, range, most)).filter((tick) => isInside(range, tick.at));
  return { ...given, kind, range, ticks: marks };
}

/** Where the numbers along an axis stand: a first one that has no room moves aside, others are left out. */
function along(axis, x, size) {
  const placed = axis.ticks.map((tick) => ({ tick, at: x.at(tick.at), half: textWidth(tick.text, size) / 2 }));
  const [first, second] = placed;
  if (second) first.at = Math.max(first.half, Math.min(first.at, second.at - second.half - 4 - first.half));
  let end = -Infinity;
  return placed.filter(({ at, half }) => {
    const isFree = at - half > end + 3;
    if (isFree) end = at + half;
    return isFree;
  });
}

function xAxis(axis, x, area, size, theme) {
  const base = { "font-size": size, fill: theme.soft, "text-anchor": "middle" };
  const lines = axis.ticks.map(({ at }) => s("line", { x1: x.at(at), x2: x.at(at), y1: area.y1, y2: area.y1 + TICK, stroke: theme.faint }));
  const texts = along(axis, x, size).map(({ tick, at }) =>
    text(tick.text, { ...base, class: "tick", x: at, y: area.y1 + TICK + 1.15 * size }));
  const title = axis.title && text(axis.title, { ...base, class: "title", x: (area.x0 + area.x1) / 2, y: area.y1 + TICK + 2.75 * size });
  return [...lines, ...texts, title];
}

function yAxis(axis, y, area, size, theme) {
  const base = { "font-size": size, fill: theme.soft };
  const widest = Math.max(0, ...axis.ticks.map((tick) => textWidth(tick.text, size)));
  const at = area.x0 - TICK - 12 - widest;
  const middle = (area.y0 + area.y1) / 2;
  return axis.ticks.flatMap((tick) => [
    axis.grid !== false && s("line", { x1: area.x0, x2: area.x1, y1: y.at(tick.at), y2: y.at(tick.at), stroke: theme.line }),
    text(tick.text, { ...base, class: "tick", x: area.x0 - TICK - 3, y: y.at(tick.at) + 0.35 * size, "text-anchor": "end" }),
  ]).concat(axis.title ? [text(axis.title, { ...base, class: "title", x: at, y: middle, "text-anchor": "middle",
    transform: `rotate(-90 ${Math.round(at)} ${Math.round(middle)})` })] : []);
}

function path(mark, { x, y, clip }) {
  let pen = "M";
  let d = "";
  for (const each of mark.points) {
    if (!each) pen = "M";
    else {
      d += pen + point(x.at(each[0]), y.at(each[1]));
      pen = "L";
    }
  }
  return s("path", { class: mark.name, d, fill: "none", stroke: mark.stroke, "stroke-width": mark.width ?? 1.6,
    "stroke-dasharray": mark.dash, opacity: mark.opacity, "clip-path": clip, "stroke-linejoin": "round",
    "data-points": mark.name && JSON.stringify(mark.points) });
}

/** What lies between two lines, piece by piece. */
function between(mark, { x, y, clip }) {
  const pieces = [[]];
  for (const each of mark.points) each ? pieces.at(-1).push(each) : pieces.push([]);
  const d = pieces.filter((piece) => piece.length > 1).map((piece) => {
    const there = piece.map(([at, , high]) => point(x.at(at), y.at(high)));
    const back = piece.map(([at, low]) => point(x.at(at), y.at(low))).reverse();
    return `M${[...there, ...back].join("L")}Z`;
  }).join("");
  return s("path", { class: mark.name, d, fill: mark.fill, opacity: mark.opacity, "clip-path": clip,
    "data-points": mark.name && JSON.stringify(mark.points) });
}

/** The interval beneath a disc (or above it), with its ends; a bar through the disc would not be seen. */
function whisker(mark, at, { x }, theme) {
  const [low, high] = mark.whisker.map((value) => x.at(value));
  if (high - low < SHORTEST_WHISKER) return null;
  const y = at.y + (mark.above ? -1 : 1) * (mark.r + WHISKER_GAP);
  const ends = high - low < 5 ? "" : [low, high].map((at) => `M${point(at, y - 3)}L${point(at, y + 3)}`).join("");
  const d = `M${point(low, y)}L${point(high, y)}${ends}`;
  return s("path", { class: "whisker", d, fill: "none", stroke: theme.ink, "stroke-width": 1.2 });
}

function mark(each, frame, theme, size) {
  const at = { x: frame.x.at(each.x), y: frame.y.at(each.y) };
  const drawn = shape(each.shape, at.x, at.y, each.r, {
    fill: each.fill ?? "none", stroke: each.stroke, "stroke-width": each.width, opacity: each.opacity });
  const group = s("g", { class: each.choosable ? "mark-point choosable" : "mark-point", "data-key": each.key, "data-name": each.name,
    "data-x": String(each.x), "data-y": String(each.y), "data-size": String(2 * each.r),
    "data-low": each.whisker && String(each.whisker[0]), "data-high": each.whisker && String(each.whisker[1]) },
  each.whisker && whisker(each, at, frame, theme), drawn,
  each.sign && text(each.sign, { x: at.x, y: at.y + 0.36 * size, "font-size": size, "font-weight": 700, fill: theme.surface,
    "text-anchor": "middle" }));
  return { group, hit: { x: at.x, y: at.y, r: each.r, key: each.key, name: each.name ?? each.key, lines: each.lines } };
}

function legendRow(items, width, size, theme) {
  let x = 4;
  let y = size;
  const drawn = [];
  for (const item of items) {
    const needed = 22 + textWidth(item.text, size);
    if (x > 4 && x + needed > width) [x, y] = [4, y + 1.5 * size];
    drawn.push(shape(item.shape, x + 6, y - 0.35 * size, 4.5, { fill: item.fill ?? "none", stroke: item.stroke, "stroke-width": item.stroke ? 1.6 : null }),
      item.sign && text(item.sign, { x: x + 6, y, "font-size": 0.8 * size, "font-weight": 700, fill: theme.surface, "text-anchor": "middle" }),
      text(item.text, { x: x + 16, y, "font-size": size, fill: theme.soft }));
    x += needed + 12;
  }
  return { drawn, height: items.length ? y + 0.6 * size : 0 };
}

/** The part of the frame that is left when one unit is as long on either axis. */
function squared(area, xs, ys) {
  const [columns, rows] = [Math.abs(xs[1] - xs[0]), Math.abs(ys[1] - ys[0])];
  const unit = Math.min((area.x1 - area.x0) / columns, (area.y1 - area.y0) / rows);
  return { x0: area.x0, x1: area.x0 + unit * columns, y0: area.y0, y1: area.y0 + unit * rows };
}

/** Boxes that a name must not cover. */
const boxes = (hits) => hits.map(({ x, y, r }) => ({ x0: x - r - 1, x1: x + r + 1, y0: y - r - 1, y1: y + r + 1 }));

/**
 * Draw `spec` at `width` and `height` pixels in `theme`. `view` ({x, y}) replaces the ranges when
 * zoomed; `marksBy` shrinks the marks of a small file. Returns {svg, area, x, y, hits}: the element, where its axes are, and its marks in pixels.
 */
export function render(spec, { width, height, theme, view = {}, size = 12, marksBy = 1, withLegend = false }) {
  const legend = legendRow(withLegend ? spec.legend ?? [] : [], width, size, theme);
  const [xRange, yRange] = [view.x ?? spec.x.range, view.y ?? spec.y.range];
  const axes = { x: axisOf(spec.x, xRange, width / (5 * size)), y: axisOf(spec.y, yRange, height / (4 * size)) };
  const room = margins(spec, axes, size, legend.height);
  let area = { x0: room.l, x1: width - room.r, y0: room.t, y1: height - room.b };
  if (spec.equal) area = squared(area, xRange, yRange);
  const x = scale(axes.x.kind, xRange, [area.x0, area.x1]);
  // Room beneath the lowest value for its disc and whisker, which no axis has numbers for.
  const y = scale(axes.y.kind, yRange, [area.y1 - (spec.inset ?? 0), area.y0]);
  const id = `clip-${(count += 1)}`;
  const frame = { x, y, area, clip: `url(#${id})`, size };
  const svg = s("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${Math.round(width)} ${Math.round(height)}` },
    s("defs", {}, s("clipPath", { id }, s("rect", { x: area.x0 - 1, y: area.y0 - 1, width: area.x1 - area.x0 + 2, height: area.y1 - area.y0 + 2 }))),
    legend.drawn.length ? s("g", { class: "legend" }, legend.drawn) : null,
    axes.y.hidden ? null : s("g", { class: "y-axis" }, yAxis(axes.y, y, area, size, theme)),
    axes.x.hidden ? null : s("g", { class: "x-axis" }, xAxis(axes.x, x, area, size, theme)),
    axes.x.zero && isInside(xRange, 0) ? s("line", { x1: x.at(0), x2: x.at(0), y1: area.y0, y2: area.y1, stroke: theme.faint, "stroke-width": 1.5 }) : null,
    axes.y.zero && isInside(yRange, 0) ? s("line", { x1: area.x0, x2: area.x1, y1: y.at(0), y2: y.at(0), stroke: theme.faint, "stroke-width": 1.5 }) : null);
  const hits = [];
  for (const each of spec.marks) {
    if (each.type === "path") svg.append(path(each, frame));
    else if (each.type === "area") svg.append(between(each, frame));
    else if (each.type === "band") {
      svg.append(s("rect", { class: "band", x: x.at(each.x0), y: area.y0, width: x.at(each.x1) - x.at(each.x0),
        height: area.y1 - area.y0, fill: each.fill, opacity: each.opacity, "clip-path": frame.clip }));
    } else if (each.type === "cells") {
      const { group, find } = cells(each, frame, theme);
      svg.append(group);
      hits.push({ find });
    } else if (isInside(xRange, each.x) && isInside(yRange, each.y)) {
      const { group, hit } = mark({ ...each, r: marksBy * each.r }, frame, theme, size);
      svg.append(group);
      hits.push(hit);
    }
  }
  const points = hits.filter((hit) => hit.r != null);
  const named = (spec.labels ?? []).flatMap((label) => {
    const hit = points.find((each) => each.name === label.key);
    return hit ? [{ ...hit, ...label }] : [];
  });
  const whole = { x0: area.x0, x1: width - 2, y0: 0, y1: area.y1 };
  svg.append(s("g", { class: "labels" }, placed(named, boxes(points), whole, size, theme)));
  return { svg, area, x, y, hits };
}
