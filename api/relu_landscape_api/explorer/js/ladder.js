// The loss ladder: one mark per fixed point, at its loss and at its probability.

import { words } from "./contract.js";
import { h } from "./dom.js";
import { family, interval, isCertified, kindWords, plural, real, structureWords } from "./format.js";
import { axis, draw, padded } from "./plot.js";

const MARKS = { global: "circle", minimum: "circle", saddle: "diamond-open", unclassified: "circle" };
/** Diameter in pixels from which a mark has room for a tick; smaller ones bear it at their name. */
const ROOM_FOR_TICK = 18;
/** Distance of the saddles' lane from zero, as a share of the axis. */
const LANE = 0.1;
const NAMES = {
  global: "global minimum", minimum: "local minimum", saddle: "saddle", unclassified: words("findings", "unclassified"),
};

/** Diameter in pixels; the area grows with the probability. */
const diameter = (probability) => 9 + 34 * Math.sqrt(probability ?? 0);

/** The vertical range that ladder and disconnectivity graph share. */
export function lossRange(points) {
  const losses = points.map((point) => point.loss);
  return losses.length ? padded(Math.min(...losses), Math.max(...losses), 0.09) : [0, 1];
}

function hover(point, request) {
  const lines = [
    `${point.key}: ${kindWords(point, request)}`,
    `loss ${real(point.loss, 8)}`,
  ];
  if (point.structure) lines.push(`structure ${structureWords(point.structure.name)}`);
  if (point.attraction) lines.push(`probability ${interval(point.attraction)}`);
  if (!point.stability) lines.push(`${plural(point.hits, "start", "starts")} so far`);
  if (isCertified(point)) lines.push("certified");
  return lines.join("<br>");
}

function trace(points, name, theme, context) {
  const position = (point) => place(point, context.most);
  const selected = (point) => point.key === context.chosen;
  return {
    type: "scatter",
    mode: "markers",
    name: NAMES[name],
    x: points.map(position),
    y: points.map((point) => point.loss),
    customdata: points.map((point) => point.key),
    text: points.map((point) => hover(point, context.request)),
    hovertemplate: "%{text}<extra></extra>",
    cliponaxis: false,
    error_x: {
      type: "data",
      symmetric: false,
      array: points.map((p) => (p.attraction?.interval_95 ? highest(p) - position(p) : 0)),
      arrayminus: points.map((p) => (p.attraction?.interval_95 ? position(p) - 100 * p.attraction.interval_95[0] : 0)),
      visible: points.some((point) => point.attraction?.interval_95),
      color: theme.ink,
      thickness: 1.2,
      width: 5,
    },
    marker: {
      symbol: MARKS[name],
      color: theme[name],
      size: points.map((point) => diameter(point.attraction?.probability)),
      opacity: name === "saddle" ? 0.75 : 0.9,
      line: {
        color: points.map((p) => (selected(p) ? theme.ink : name === "saddle" ? theme.saddle : theme.surface)),
        width: points.map((p) => (selected(p) ? 3 : 1.5)),
      },
    },
  };
}

/** Percent up to which a point's mark and interval reach. */
const highest = ({ attraction }) =>
  attraction ? 100 * (attraction.interval_95?.[1] ?? attraction.probability) : 0;

/** Saddles keep to a lane of their own at the left: no start ends there. */
const place = (point, most) =>
  point.kind === "saddle" ? -LANE * most : 100 * (point.attraction?.probability ?? 0);

function certified(points, theme, context) {
  return {
    type: "scatter",
    mode: "text",
    x: points.map((point) => place(point, context.most)),
    y: points.map((point) => point.loss),
    text: points.map(() => "✓"),
    textfont: { color: theme.surface, size: 13, weight: 700 },
    hoverinfo: "skip",
    cliponaxis: false,
  };
}

/** Names beside the marks, left out where two would overlap. */
function labels(points, range, context, theme) {
  const gap = (range[1] - range[0]) * 0.035;
  const shown = [];
  const wanted = [...points].sort(
    (a, b) => (b.key === context.chosen) - (a.key === context.chosen) ||
      (b.attraction?.probability ?? 0) - (a.attraction?.probability ?? 0) ||
      (a.kind === "saddle") - (b.kind === "saddle") || a.loss - b.loss,
  );
  for (const point of wanted) {
    if (shown.every((other) => Math.abs(other.loss - point.loss) > gap)) shown.push(point);
  }
  return shown.map((point) => ({
    x: point.kind === "saddle" ? place(point, context.most) : highest(point),
    y: point.loss,
    text: point.key + (point.structure ? `  ${structureWords(point.structure.name)}` : "") +
      (isCertified(point) ? "  ✓" : ""),
    showarrow: false,
    xanchor: "left",
    xshift: 8 + diameter(point.attraction?.probability) / 2 * (point.attraction?.probability > 0.2 ? 0.6 : 0.9),
    font: { color: point.key === context.chosen ? theme.ink : theme.soft, size: 12 },
  }));
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
    "random start ends there, with its 95% interval.";

/** Draw the ladder; `context` is {request, chosen, choose(key)}. */
export function drawLadder(element, legend, points, context) {
  const range = lossRange(points);
  const groups = Object.groupBy
    ? Object.groupBy(points, family)
    : points.reduce((all, p) => ({ ...all, [family(p)]: [...(all[family(p)] || []), p] }), {});
  const present = ["saddle", "minimum", "unclassified", "global"].filter((name) => groups[name]?.length);
  const proven = points.filter((point) => isCertified(point) && point.kind !== "saddle" &&
    diameter(point.attraction?.probability) >= ROOM_FOR_TICK);
  context.most = Math.max(10, ...points.map(highest));

  const { most } = context;
  const lane = present.includes("saddle");
  const isProvisional = points.some((point) => !point.stability);

  const picture = draw(
    element,
    (theme) => ({
      data: [
        ...present.map((name) => trace(groups[name], name, theme, context)),
        ...(proven.length ? [certified(proven, theme, context)] : []),
      ],
      layout: {
        xaxis: axis(theme, {
          title: isProvisional ? "share of the ends so far (%)" : "probability to end here (%)", range: [-(lane ? LANE + 0.06 : 0.05) * most, 1.25 * most],
          tickvals: lane ? [-LANE * most, ...ticks(most)] : ticks(most),
          ticktext: lane ? ["saddles", ...ticks(most)] : ticks(most), showgrid: false, ticks: "outside", tickcolor: theme.line, tickangle: 0,
        }),
        yaxis: axis(theme, { title: "population loss", range, tickformat: "~g", nticks: 8 }),
        annotations: labels(points, range, context, theme),
      },
    }),
    {
      label: describe(points, context.request),
      click: (point) => point.customdata && context.choose(point.customdata),
    },
  );

  legend.replaceChildren(
    ...[...present].reverse().map((name) =>
      h("span", { class: "key" }, h("i", { class: `mark ${name}`, "aria-hidden": "true" }), NAMES[name])),
    ...(points.some(isCertified)
      ? [h("span", { class: "key" }, h("i", { class: "mark proof", "aria-hidden": "true" }, "✓"), "certified")]
      : []),
  );
  return picture;
}

function ticks(most) {
  const step = [1, 2, 5, 10, 20, 25].find((candidate) => most / candidate <= 5) ?? 25;
  return Array.from({ length: Math.floor(Math.min(most, 100) / step) + 1 }, (_, i) => i * step);
}
