// The loss ladder: one mark per fixed point, at its loss and at its probability.

import { fromZero, padded } from "./chart/scale.js";
import { draw } from "./chart/mount.js";
import { words } from "./contract.js";
import { h } from "./dom.js";
import { family, interval, isCertified, kindWords, loss, plural, real, structureWords } from "./format.js";
import { term } from "./glossary.js";

/** Radius in pixels from which a mark has room for a tick; smaller ones bear it at their name. */
const ROOM_FOR_TICK = 9;
/** Distance of the saddles' lane from zero, as a share of the axis. */
const LANE = 0.1;
const NAMES = {
  global: "global minimum", minimum: "local minimum", saddle: "saddle", unclassified: words("findings", "unclassified"),
};
const ORDER = ["saddle", "minimum", "unclassified", "global"];

/** Radius in pixels; the area grows with the probability. */
export const radius = (probability) => 4.5 + 14 * Math.sqrt(probability ?? 0);

/** The vertical range that ladder and disconnectivity graph share; no loss is below zero. */
export function lossRange(points) {
  const losses = points.map((point) => point.loss);
  if (!losses.length) return [0, 1];
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  // Far above zero the axis begins near the lowest loss, as the steps between them are what counts.
  return low > 0 && low > 0.5 * high ? padded(low, high, 0.09) : fromZero(losses, 0.09);
}

/** What a point is, line by line. */
export function hoverLines(point, request) {
  const lines = [`${point.key}: ${kindWords(point, request)}`, `loss ${loss(point, 8)}`];
  if (point.structure) lines.push(`structure ${structureWords(point.structure.name)}`);
  if (point.attraction) lines.push(`probability ${interval(point.attraction)}`);
  if (!point.stability) lines.push(`${plural(point.hits, "start", "starts")} so far`);
  if (isCertified(point)) lines.push("certified");
  return lines;
}

/** How a point is drawn in any picture, by what it is. */
export function markOf(point, theme, chosen) {
  const group = family(point);
  const isSaddle = group === "saddle";
  return {
    key: point.key, shape: isSaddle ? "diamond" : "circle", fill: isSaddle ? theme.surface : theme[group],
    stroke: chosen ? theme.ink : isSaddle ? theme.saddle : theme.surface, width: chosen ? 3 : isSaddle ? 2 : 1.5,
  };
}

/** Saddles keep to a lane of their own at the left: no start ends there. */
const place = (point, most) => (point.kind === "saddle" ? -LANE * most : 100 * (point.attraction?.probability ?? 0));

/** Percent up to which a point's mark and interval reach. */
const highest = ({ attraction }) => (attraction ? 100 * (attraction.interval_95?.[1] ?? attraction.probability) : 0);

/** Percent at the end of the axis: 100, or less where every point is rare. */
function endOf(points) {
  const most = Math.max(0, ...points.map(highest));
  return [1, 2, 5, 10, 20, 50].find((end) => most <= 0.9 * end) ?? 100;
}

function mark(point, theme, context) {
  const { probability, interval_95: bounds } = point.attraction ?? {};
  const r = radius(probability);
  return {
    type: "point", x: place(point, context.most), y: point.loss, r, ...markOf(point, theme, point.key === context.chosen),
    lines: hoverLines(point, context.request), whisker: bounds?.map((share) => 100 * share),
    sign: isCertified(point) && point.kind !== "saddle" && r >= ROOM_FOR_TICK ? "✓" : null,
  };
}

function nameOf(point, context) {
  const strong = point.key === context.chosen;
  return {
    key: point.key, strong, rank: (point.kind === "saddle" ? 1 : 0) - (point.attraction?.probability ?? 0),
    text: point.key + (point.structure ? `  ${structureWords(point.structure.name)}` : "") + (isCertified(point) ? "  ✓" : ""),
  };
}

function describe(points, request) {
  const saddles = points.filter((point) => point.kind === "saddle").length;
  const minima = points.filter((point) => point.kind !== "saddle");
  const likely = [...minima].sort((a, b) => (b.attraction?.probability ?? 0) - (a.attraction?.probability ?? 0))[0];
  const text = points.every((point) => point.stability)
    ? `Loss ladder with ${plural(minima.length, "minimum", "minima")} and ${plural(saddles, "saddle", "saddles")}.`
    : `Loss ladder with ${plural(points.length, "fixed point", "fixed points")} so far.`;
  return likely?.attraction
    ? `${text} Gradient flow ends most often at ${likely.key}, ${kindWords(likely, request)}, ` +
      `loss ${real(likely.loss)}, probability ${interval(likely.attraction)}. The table below lists all.`
    : `${text} The table below lists all.`;
}

/** What place and size say, in a sentence. */
export const ladderNote = (isProvisional) => isProvisional
  ? "Every end so far at its loss; size and position give the share of the starts that have ended there."
  : "Every fixed point at its loss; size and position give the probability that gradient flow from a " +
    "random start ends there, with its 95% interval as a bar beneath.";

const percents = (most) => [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => ({ at: share * most, text: real(share * most, 3) }));

/** The marks of a legend in a theme, for the page and for saved files. */
export const legendOf = (names, theme, labels = NAMES) => names.map((name) => ({
  text: labels[name], shape: name === "saddle" ? "diamond" : "circle", fill: name === "saddle" ? theme.surface : theme[name],
  stroke: name === "saddle" ? theme.saddle : null,
}));

/** The same as elements. */
export const legendElements = (names, labels = NAMES) => names.map((name) =>
  h("span", { class: "key" }, h("i", { class: `mark ${name}`, "aria-hidden": "true" }), term(labels[name])));

/** Draw the ladder; `context` is {request, chosen, choose(key)}. */
export function drawLadder(element, legend, points, context) {
  const present = ORDER.filter((name) => points.some((point) => family(point) === name));
  const lane = present.includes("saddle");
  const isProvisional = points.some((point) => !point.stability);
  // The rarest last, so that no large disc hides a small one.
  const ordered = [...points].sort((a, b) => ORDER.indexOf(family(a)) - ORDER.indexOf(family(b)) ||
    (b.attraction?.probability ?? 0) - (a.attraction?.probability ?? 0));
  const shown = [...present].reverse();
  const labels = isProvisional ? { ...NAMES, global: "at zero loss" } : NAMES;
  const most = endOf(points);
  context.most = most;
  const isDrawn = draw(
    element,
    (theme) => ({
      x: {
        title: isProvisional ? "share of the ends so far (%)" : "probability to end here (%)",
        range: [-most * (lane ? LANE + 0.05 : 0.04), 1.06 * most],
        ticks: [...(lane ? [{ at: -LANE * most, text: "saddles" }] : []), ...percents(most)],
      },
      y: { title: "population loss", range: lossRange(points) },
      marks: ordered.map((point) => mark(point, theme, context)),
      labels: points.map((point) => nameOf(point, context)),
      legend: legendOf(shown, theme, labels),
      inset: 26,
    }),
    { label: describe(points, context.request), click: isProvisional ? undefined : context.choose },
  );
  legend.replaceChildren(
    ...legendElements(shown, labels),
    ...(points.some(isCertified)
      ? [h("span", { class: "key" }, h("i", { class: "mark proof", "aria-hidden": "true" }, "✓"), term("certified"))]
      : []),
  );
  return isDrawn;
}
