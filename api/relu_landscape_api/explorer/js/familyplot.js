// The two pictures of families along the width: loss and smallest eigenvalue.

import { h } from "./dom.js";
import { plural, real } from "./format.js";
import { axis, colours, draw } from "./plot.js";

const DASHES = { true: "solid", false: "dot" };
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "star", "hexagon"];

const lowest = (point) => Math.min(...Object.values(point.smallest));

/** Line segments between neighbouring widths, split by whether both ends are minima. */
function segments(points, value) {
  const parts = { true: { x: [], y: [] }, false: { x: [], y: [] } };
  for (let i = 1; i < points.length; i += 1) {
    const [a, b] = [points[i - 1], points[i]];
    const part = parts[a.is_stable && b.is_stable];
    part.x.push(a.width, b.width, null);
    part.y.push(value(a), value(b), null);
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

function traces(name, answer, value, colour, symbol) {
  const parts = segments(answer.points, value);
  const lines = [true, false].filter((stable) => parts[stable].x.length).map((stable) => ({
    type: "scatter", mode: "lines", ...parts[stable], hoverinfo: "skip",
    line: { color: colour, width: stable ? 2.4 : 2, dash: DASHES[stable] },
  }));
  const hover = {
    type: "scatter", mode: "markers", x: answer.points.map((point) => point.width), y: answer.points.map(value),
    marker: { size: 5, symbol, color: colour, opacity: 0.9 },
    text: answer.points.map((point) => `${name}<br>width ${real(point.width, 6)}<br>loss ${real(point.loss, 8)}` +
      `<br>smallest eigenvalue ${real(lowest(point), 6)}<br>${point.is_stable ? "minimum" : "saddle"}`),
    hovertemplate: "%{text}<extra></extra>",
  };
  return [...lines, hover];
}

function crossings(name, answer, value, theme) {
  const { changes, points } = answer;
  return {
    type: "scatter", mode: "markers", x: changes.map((change) => change.width),
    y: changes.map((change) => between(points, change.width, value)),
    marker: { symbol: "x-thin-open", size: 12, color: theme.ink, line: { width: 2.4, color: theme.ink } },
    text: changes.map((change) => `${name}<br>width ${change.width.toFixed(10)}<br>${change.component}, ${change.space}`),
    hovertemplate: "%{text}<extra></extra>", cliponaxis: false,
  };
}

/** Readable widths: 1, 2, 3, 5 times powers of ten where they fit, else powers alone. */
function ticks(widths) {
  const [low, high] = [Math.min(...widths), Math.max(...widths)];
  const decades = Math.log10(high / low);
  const steps = decades < 1 ? [1, 1.5, 2, 3, 4, 5, 6, 8] : decades < 2.5 ? [1, 2, 3, 5] : decades < 4 ? [1, 3] : [1];
  const at = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const step of steps) {
      const width = step * 10 ** power;
      if (width >= 0.999 * low && width <= 1.001 * high) at.push(width);
    }
  }
  return { tickvals: at, ticktext: at.map((width) => real(width, 3)), tickangle: 0 };
}

function picture(answers, words, value, theme, y) {
  const entries = [...answers];
  return {
    data: [
      ...entries.flatMap(([name, answer], i) =>
        traces(words(name), answer, value, theme.series[i % theme.series.length], SYMBOLS[i % SYMBOLS.length])),
      ...entries.filter(([, answer]) => answer.changes.length).map(([name, answer]) =>
        crossings(words(name), answer, value, theme)),
    ],
    layout: {
      xaxis: axis(theme, { title: "teacher width", type: "log", showgrid: false, ticks: "outside", tickcolor: theme.line,
        ...ticks(entries.flatMap(([, answer]) => answer.points.map((point) => point.width))) }),
      yaxis: axis(theme, y),
    },
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
    { title: "population loss", rangemode: "tozero" }), { label: `Loss along the width. ${label}` });
  draw(eigenPlot, (theme) => picture(answers, words, lowest, theme,
    { title: "smallest eigenvalue", zeroline: true, zerolinewidth: 1.5 }),
  { label: `Smallest eigenvalue along the width. ${label}` });
  const { series } = colours();
  legend.replaceChildren(...[...answers.keys()].map((name, i) =>
    h("span", { class: "key" }, h("i", { class: `mark series-${i % series.length}`, "aria-hidden": "true" }), words(name))));
}
