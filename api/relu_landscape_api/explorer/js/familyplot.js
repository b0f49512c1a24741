// The two pictures of families along the width: loss and smallest eigenvalue.

import { colours } from "./chart/colours.js";
import { draw } from "./chart/mount.js";
import { fromZero, padded } from "./chart/scale.js";
import { h } from "./dom.js";
import { plural, real } from "./format.js";

/** One in so many points is drawn large enough to tell the families apart by shape; all of them
 * would hide whether the line beneath is solid or dotted. */
const SHOWN = 10;
const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "hexagon"];

const lowest = (point) => Math.min(...Object.values(point.smallest));

/** Line segments between neighbouring widths, split by whether both ends are minima. */
function segments(points, value) {
  const parts = { true: [], false: [] };
  for (let i = 1; i < points.length; i += 1) {
    const [a, b] = [points[i - 1], points[i]];
    parts[a.is_stable && b.is_stable].push([a.width, value(a)], [b.width, value(b)], null);
  }
  return parts;
}

/** The value at a width between two reported ones, linear in the logarithm: places a mark only. */
function between(points, width, value) {
  const at = points.findIndex((point, i) => i > 0 && (point.width - width) * (points[i - 1].width - width) <= 0);
  if (at < 1) return null;
  const [a, b] = [points[at - 1], points[at]];
  const share = Math.log(width / a.width) / Math.log(b.width / a.width);
  return value(a) + share * (value(b) - value(a));
}

function traces(name, answer, value, colour, shape) {
  const parts = segments(answer.points, value);
  const lines = [true, false].filter((stable) => parts[stable].length).map((stable) => ({
    type: "path", name: stable ? "stable" : "unstable", points: parts[stable], stroke: colour, width: stable ? 2.4 : 2,
    dash: stable ? null : "2 4",
  }));
  const marks = answer.points.map((point, i) => ({
    type: "point", x: point.width, y: value(point), r: i % SHOWN ? 1.2 : 3.5, shape, fill: colour, opacity: 0.9,
    lines: [name, `width ${real(point.width, 6)}`, `loss ${real(point.loss, 8)}`,
      `smallest eigenvalue ${real(lowest(point), 6)}`, point.is_stable ? "minimum" : "saddle"],
  }));
  return [...lines, ...marks];
}

const crossings = (name, { changes, points }, value, theme) => changes.map((change) => ({
  type: "point", x: change.width, y: between(points, change.width, value), r: 5.5, shape: "cross", stroke: theme.ink, width: 2.4,
  lines: [name, `width ${change.width.toFixed(10)}`, `${change.component}, ${change.space}`],
})).filter((mark) => mark.y != null);

function picture(answers, words, value, theme, y) {
  const entries = [...answers];
  const points = entries.flatMap(([, answer]) => answer.points);
  const widths = points.map((point) => point.width);
  const values = points.map(value);
  const isBare = y.fromZero && Math.min(...values) >= 0;
  return {
    x: { title: "teacher width", kind: "log", range: [Math.min(...widths) / 1.04, Math.max(...widths) * 1.04] },
    y: { ...y, range: isBare ? fromZero(values, 0.08) : padded(Math.min(0, ...values), Math.max(0, ...values), 0.08) },
    marks: [
      ...entries.flatMap(([name, answer], i) =>
        traces(words(name), answer, value, theme.series[i % theme.series.length], SYMBOLS[i % SYMBOLS.length])),
      ...entries.flatMap(([name, answer]) => crossings(words(name), answer, value, theme)),
    ],
    legend: entries.map(([name], i) => ({
      shape: SYMBOLS[i % SYMBOLS.length], fill: theme.series[i % theme.series.length], text: words(name) })),
    along: "x",
    form: "wide",
  };
}

function describe(answers, words) {
  return [...answers].map(([name, { points, changes }]) => {
    const last = points[points.length - 1];
    return `${words(name)}: loss from ${real(points[0].loss)} at width ${real(points[0].width)} to ` +
      `${real(last.loss)} at width ${real(last.width)}, ${plural(changes.length, "stability change", "stability changes")}.`;
  }).join(" ");
}

/** Draw both pictures and the legend. */
export function drawFamilies(lossPlot, eigenPlot, legend, answers, words) {
  const label = describe(answers, words);
  draw(lossPlot, (theme) => picture(answers, words, (point) => point.loss, theme,
    { title: "population loss", fromZero: true }), { label: `Loss along the width. ${label}` });
  draw(eigenPlot, (theme) => picture(answers, words, lowest, theme,
    { title: "smallest eigenvalue", zero: true }),
  { label: `Smallest eigenvalue along the width. ${label}` });
  const { series } = colours();
  legend.replaceChildren(...[...answers.keys()].map((name, i) =>
    h("span", { class: "key" }, h("i", { class: `mark series-${i % series.length}`, "aria-hidden": "true" }), words(name))));
}
