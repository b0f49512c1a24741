// The pictures of trajectories: loss, overlaps and norms against time.

import { colours } from "../chart/colours.js";
import { draw } from "../chart/mount.js";
import { fromZero, padded } from "../chart/scale.js";
import { h } from "../dom.js";
import { markOf } from "../ladder.js";
import { kindWords, plural, real } from "../format.js";
import { asked } from "./levels.js";
import { methodWords } from "./words.js";

/** Colour, dash and shape of each method. */
const STYLES = { flow: [1, null, "square"], ode: [0, "7 4", "circle"], sgd: [2, null, "triangle"] };
const BAND = ["0.05", "0.95"];
const MARKS = 12;

const isShown = (value, isLog) => value != null && (!isLog || value > 0);

/** Corners of a line; broken where there is no value, or none that a logarithm has. */
const corners = (times, values, axes) => times.map((time, i) =>
  (isShown(values[i], axes.loss) && isShown(time, axes.time) ? [time, values[i]] : null));

function band({ times, loss }, axes) {
  const [low, high] = BAND.map((name) => loss.quantiles[name]);
  return times.map((time, i) => (isShown(low[i], axes.loss) && isShown(time, axes.time) ? [time, low[i], high[i]] : null));
}

function range(values, isLog) {
  if (!isLog) return fromZero(values, 0.06);
  const positive = values.filter((value) => value > 0);
  if (!positive.length) return [0.1, 1];
  return [Math.min(...positive) / 1.4, Math.max(...positive) * 1.4];
}

function timeRange(answers, isLog) {
  const times = answers.flatMap(({ times }) => times).filter((time) => !isLog || time > 0);
  return isLog ? [Math.min(...times), Math.max(...times) * 1.02] : [0, Math.max(...times) * 1.02];
}

function curve(name, answer, theme, { axes, styles, words }) {
  const [series, dash, shape] = styles[name];
  const isEnsemble = answer.runs.length > 1;
  const { times, loss } = answer;
  const stride = Math.max(1, Math.round(times.length / MARKS));
  const marks = times.map((time, i) => ({ time, i })).filter(({ time, i }) =>
    (i % stride === 0 || i === times.length - 1) && isShown(loss.mean[i], axes.loss) && isShown(time, axes.time));
  return [
    isEnsemble && { type: "area", name: "spread", points: band(answer, axes), fill: theme.series[series], opacity: 0.22 },
    { type: "path", name: `loss-${name}`, points: corners(times, loss.mean, axes), stroke: theme.series[series], width: 2.2, dash },
    ...marks.map(({ time, i }) => ({
      type: "point", x: time, y: loss.mean[i], r: 3.4, shape, fill: theme.series[series], name: `${name} at ${real(time, 4)}`,
      lines: [words(name), `time ${real(time, 5)}`, `loss ${real(loss.mean[i], 6)}`,
        ...(isEnsemble
          ? [`90% of ${plural(loss.running[i], "run", "runs")}: ${BAND.map((q) => real(loss.quantiles[q][i], 4)).join(" to ")}`] : [])],
    })),
  ].filter(Boolean);
}

/** The losses of the landscape's minima as levels across, with a mark at the right that opens the point. */
function levels(points, request, xs, ys, theme) {
  return points.filter(({ loss }) => loss >= ys[0] && loss <= ys[1]).flatMap((point) => [
    { type: "path", name: "level", points: xs.map((x) => [x, point.loss]), stroke: theme.faint, width: 1, dash: "2 4" },
    { ...markOf(point, theme), type: "point", x: xs[1], y: point.loss, r: 5,
      lines: [`${point.key}: ${kindWords(point, request)}`, `loss ${real(point.loss, 8)}`, "Enter or a click shows it in its landscape"] },
  ]);
}

/** {series, shape, text} of the answers that there are. */
const legendOf = (answers, theme, { styles, words }) => [...answers.keys()].map((name) => ({
  text: words(name), shape: styles[name][2], fill: theme.series[styles[name][0]] }));

/**
 * Loss against time; `minima`: fixed points of the landscape, `choose(key)` opens one. `styles` and `words` of the
 * answers by name: methods, where nothing else is said.
 */
export function drawLoss(element, legend, answers, { axes, minima = [], request, choose, styles = STYLES,
  words = (name) => methodWords(name, asked(request, "rule", "gradient_flow")), below = " The table below says where each ends." }) {
  const look = { axes, styles, words };
  const all = [...answers.values()];
  const values = all.flatMap(({ loss }) => [...loss.mean, ...BAND.flatMap((q) => loss.quantiles[q])]).filter((value) => value != null);
  // What runs away would press everything else to the bottom of a linear axis.
  const most = axes.loss ? Infinity : 1.5 * Math.max(...all.map(({ loss }) => loss.mean[0]));
  const xs = timeRange(all, axes.time);
  const known = axes.loss ? minima.filter(({ loss, is_global: isGlobal }) => !isGlobal && loss > 0) : minima;
  const ys = range([...values.filter((value) => value <= most), ...(axes.loss ? [] : known.map(({ loss }) => loss))], axes.loss);
  const label = [...answers].map(([name, { times, loss }]) => {
    const last = loss.mean.findLastIndex((value) => value != null);
    return `${words(name)}: loss from ${real(loss.mean[0])} to ${real(loss.mean[last])} at time ${real(times[last])}.`;
  }).join(" ");
  draw(element, (theme) => ({
    x: { title: "time", kind: axes.time ? "log" : "linear", range: xs },
    y: { title: "population loss", kind: axes.loss ? "log" : "linear", range: ys },
    marks: [...levels(known, request, xs, ys, theme), ...[...answers].flatMap(([name, answer]) => curve(name, answer, theme, look))],
    labels: known.map(({ key }) => ({ key, text: key, rank: 0 })),
    legend: legendOf(answers, theme, look), along: "x", form: "wide",
  }), { label: `Loss against time. ${label}${below}`, click: choose });
  const names = [...answers.keys()];
  legend.replaceChildren(...legendOf(answers, colours(), look).map(({ text, shape }, i) =>
    h("span", { class: "key" }, h("i", { class: `mark series-${styles[names[i]][0]} as-${shape}`, "aria-hidden": "true" }), text)));
}

/** Entries of row i of a matrix that changes with time, as lines. */
function rowLines(times, matrices, i, main, theme) {
  const width = matrices.find(Boolean)?.[i].length ?? 0;
  const order = [...Array(width).keys()].sort((a, b) => (a === main) - (b === main));
  return order.map((j) => ({
    type: "path", name: j === main ? "main" : "other", stroke: j === main ? theme.accent : theme.faint, width: j === main ? 2.2 : 1.1,
    points: times.map((time, at) => (matrices[at] ? [time, matrices[at][i][j]] : null)),
  }));
}

const spread = (matrices) => {
  const values = matrices.filter(Boolean).flat(2);
  return values.length ? padded(Math.min(0, ...values), Math.max(0, ...values), 0.08) : [0, 1];
};

/** Small multiples: for each of the first `most` students its row of R and of Q against time. */
export function drawOverlaps(grid, run, most) {
  const { overlap_times: times } = run;
  const students = Math.min(most, run.norms.find(Boolean)?.length ?? 0);
  const last = run.matched_teacher.findLast(Boolean);
  const figures = ["R", "Q"].flatMap((name) => Array.from({ length: students }, (_, i) => {
    const main = name === "Q" ? i : last[i];
    const place = h("div", { class: "plot small" });
    return { place, name, i, main, figure: h("figure", {}, h("figcaption", {}, name === "R"
      ? `R: student ${i + 1}, nearest teacher ${main + 1}` : `Q: student ${i + 1}`), place) };
  }));
  grid.replaceChildren(...figures.map(({ figure }) => figure));
  const ranges = { R: spread(run.R), Q: spread(run.Q) };
  for (const { place, name, i, main } of figures) {
    const ends = run[name].findLast(Boolean)?.[i] ?? [];
    draw(place, (theme) => ({
      x: { range: [0, times.at(-1) || 1] }, y: { range: ranges[name], zero: true },
      marks: rowLines(times, run[name], i, main, theme), still: true, form: "tall",
    }), { plain: true, label: `Row ${i + 1} of ${name} against time: ${ends.map((value) => real(value, 3)).join(", ")} at the end.` });
  }
}

/** A number of each student against time, `rows` by time: called `title` on its axis, `words` at length. */
export function drawLines(element, times, rows, title, words) {
  const known = rows.filter(Boolean);
  const count = known[0]?.length ?? 0;
  draw(element, (theme) => ({
    x: { title: "time", range: [0, times.at(-1) || 1] },
    y: { title, range: fromZero(known.flat(), 0.08) },
    marks: Array.from({ length: count }, (_, i) => ({
      type: "path", name: `${title}-${i + 1}`, stroke: theme.series[i % theme.series.length], width: 1.8,
      dash: i >= theme.series.length ? "5 3" : null,
      points: times.map((time, at) => (rows[at] ? [time, rows[at][i]] : null)),
    })),
    form: "wide",
  }), { plain: true, label: `${words} against time: ${(known.at(-1) ?? []).map((value) => real(value, 4)).join(", ")} at the end.` });
}
