// Which minima SGD reaches beside gradient flow from the same starts.

import { fromZero } from "../chart/scale.js";
import { draw } from "../chart/mount.js";
import { h } from "../dom.js";
import { pictureButtons, saveJson } from "../downloads.js";
import { family, interval, kindWords, percent, plural, real, structureWords } from "../format.js";
import { term } from "../glossary.js";
import { markOf } from "../ladder.js";
import { typeset } from "../typeset.js";
import { countBar, shareBar } from "./bars.js";
import { JobView } from "./jobview.js";
import { isOf, levelOf } from "./levels.js";

const FIELDS = [
  { name: "student_width", label: "students K", kind: "whole", value: 7 },
  { name: "teacher_width", label: "teachers M", kind: "whole", value: 7 },
  { name: "learning_rates", label: "learning rates γ", kind: "numbers", value: "0.1, 0.3" },
  { name: "relative", label: "in multiples of the largest stable one", kind: "check", value: false },
  { name: "starts", label: "starts", kind: "whole", value: 200 },
  { name: "until", label: "until time", kind: "number", value: 100 },
  { name: "input_dimension", label: "input dimension d", kind: "whole", value: 100 },
  { name: "seed", label: "seed", kind: "whole", value: 0 },
  { name: "checks", label: "looks on the way", kind: "whole", value: 8, group: "more" },
  { name: "first_check", label: "the first at time", kind: "number", value: 1, group: "more" },
  { name: "batch_size", label: "batch size", kind: "whole", value: 1, group: "more" },
  { name: "label_noise", label: "noise of the labels", kind: "number", value: 0, group: "more" },
  { name: "init_scale", label: "initial scale", kind: "number", value: 1, group: "more" },
  { name: "leak", label: "leak, the slope below zero", kind: "number", value: 0, group: "more" },
];

/** The request of what the form says. */
export function requestOf({ relative, learning_rates: rates, leak, ...values }) {
  return { ...values, [relative ? "relative_learning_rates" : "learning_rates"]: rates, ...(leak && { leak }) };
}

const shareLines = (name, { probability, interval_95, hits }) =>
  `${name}: ${interval({ probability, interval_95 })}, ${plural(hits, "start", "starts")}`;

/** Two marks for an end: gradient flow as a ring, SGD as a full square, joined by a line. */
function marksOf(point, row, theme, request) {
  const { fill } = markOf({ ...point, kind: point.kind === "saddle" ? "minimum" : point.kind }, theme);
  const lines = [`${point.key}: ${kindWords(point, request)}`, `loss ${real(point.loss, 8)}`,
    shareLines("gradient flow", row.by_flow), shareLines("SGD", row.by_sgd)];
  const at = (share) => 100 * share.probability;
  const whisker = (share) => share.interval_95.map((value) => 100 * value);
  return [
    { type: "path", name: "shift", points: [[at(row.by_flow), point.loss], [at(row.by_sgd), point.loss]], stroke: fill, width: 1.6, opacity: 0.7 },
    { type: "point", name: `${point.key} by flow`, x: at(row.by_flow), y: point.loss, r: 7, shape: "circle", fill: theme.surface, stroke: fill, width: 2.2,
      whisker: whisker(row.by_flow), above: true, lines },
    { type: "point", name: `${point.key} by SGD`, x: at(row.by_sgd), y: point.loss, r: 5, shape: "square", fill, whisker: whisker(row.by_sgd), lines },
  ];
}

function drawShares(element, answer, rate) {
  const rows = rate.reached.filter(({ is_fixed_point: isPoint }) => isPoint)
    .map((row) => ({ row, point: answer.fixed_points.find(({ key }) => key === row.end) }));
  const ends = rows.flatMap(({ row }) => [row.by_flow, row.by_sgd]).map(({ interval_95: [, high] }) => 100 * high);
  const most = [2, 5, 10, 20, 50].find((end) => Math.max(0, ...ends) <= 0.9 * end) ?? 100;
  const told = rows.filter(({ row }) => row.by_flow.hits || row.by_sgd.hits)
    .map(({ row }) => `${row.end}: gradient flow ${percent(row.by_flow.probability)}, SGD ${percent(row.by_sgd.probability)}`).join("; ");
  draw(element, (theme) => ({
    x: { title: "share of the starts that end here (%)", range: [-0.04 * most, 1.06 * most] },
    y: { title: "population loss", range: fromZero(rows.map(({ point }) => point.loss), 0.12) },
    marks: rows.flatMap(({ row, point }) => marksOf(point, row, theme, answer.request)),
    labels: rows.map(({ row, point }) => ({ key: `${point.key} by SGD`, rank: -row.by_sgd.probability,
      text: `${point.key}${point.structure ? `  ${structureWords(point.structure.name)}` : ""}` })),
    legend: [{ text: "gradient flow", shape: "circle", fill: theme.surface, stroke: theme.soft }, { text: "SGD", shape: "square", fill: theme.soft }],
    inset: 26,
  }), { label: `Shares of gradient flow and SGD at learning rate ${real(rate.learning_rate, 4)}. ${told}. The table below lists all.` });
}

export class View extends JobView {
  constructor(element, on) {
    super(element, on, {
      kind: "frequencies", words: "frequencies", title: "Which minima SGD reaches", button: "Count", fields: FIELDS, own: ["rate"],
      lead: "From the same random starts: where gradient flow ends, and beneath which minimum one-pass SGD stands at each learning rate.",
      request: requestOf, found: ([{ followed, steps, of_steps: all }]) =>
        `gradient flow of ${plural(followed, "start", "starts")} followed, ${Math.round((100 * steps) / (all || 1))}% of the steps of SGD done`,
    });
    this.chooser = h("select", { name: "rate", onchange: () => this.showBy("rate", this.chooser.value) });
    this.plot = h("div", { class: "plot wide", id: "frequencies-ladder" });
    this.table = h("div", {});
    this.moves = h("div", { class: "columns" });
    this.summary = h("p", { class: "note" });
    this.files = h("div", { class: "reproduce" });
    this.results.append(
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "On the ladder"),
        h("p", {}, "Each end at its loss: a ring for gradient flow with its 95% interval above, a square for SGD with its interval beneath.")),
      h("label", { class: "choice" }, "learning rate", this.chooser), this.summary,
      h("div", { class: "legend" }, h("span", { class: "key" }, h("i", { class: "mark ring", "aria-hidden": "true" }), "gradient flow"),
        h("span", { class: "key" }, h("i", { class: "mark as-square", "aria-hidden": "true" }), "SGD")), this.plot),
      h("section", { class: "card", "aria-labelledby": "shares-title" }, h("h2", { id: "shares-title" }, "Shares"), this.table),
      h("section", { class: "card", "aria-labelledby": "moves-title" }, h("h2", { id: "moves-title" }, "Moves"), this.moves),
      h("section", { class: "card", "aria-labelledby": "frequencies-files" }, h("h2", { id: "frequencies-files" }, "Download"), this.files));
  }

  get rate() {
    const { rates } = this.answer;
    return rates.find(({ learning_rate: rate }) => String(rate) === this.shownBy.rate) ?? rates[0];
  }

  draw() {
    const { answer, rate } = this;
    this.chooser.replaceChildren(...answer.rates.map(({ learning_rate: value, relative_learning_rate: relative }) =>
      h("option", { value: String(value), selected: value === rate.learning_rate },
        `${real(value, 4)}${relative == null ? "" : `, ${real(relative, 3)} of the largest`}`)));
    this.summary.textContent = `${plural(rate.starts.length, "start", "starts")}, SGD until time ${real(rate.times.at(-1), 4)}` +
      `${answer.critical_learning_rate == null ? "" : `; the global minimum is stable up to γ = ${real(answer.critical_learning_rate, 5)}`}.`;
    drawShares(this.plot, answer, rate);
    this.drawTable(rate);
    this.drawMoves(rate);
    const stem = `frequencies-K${answer.request.student_width}-M${answer.request.teacher_width}-seed${answer.request.seed}`;
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(answer, `${stem}.json`) }, "Frequencies, JSON")),
    pictureButtons([["frequencies", this.plot, `${stem}-rate${rate.learning_rate}`]], (text) => this.form.complain(text)));
  }

  /** An end by its key, with a way to its place in the landscape shown. */
  nameOf(end) {
    const point = this.answer.fixed_points.find(({ key }) => key === end);
    if (!point) return end;
    const landscape = this.on.landscape();
    const level = isOf(landscape, this.answer.request) &&
      levelOf(landscape, { ...point.overlaps, isContinuum: point.kind === "global_continuum" });
    const mark = h("i", { class: `mark ${family(point)}`, "aria-hidden": "true" });
    const words = [mark, ` ${end} `, h("small", {}, point.structure ? structureWords(point.structure.name) : kindWords(point, this.answer.request))];
    if (!level) return h("span", { class: "key" }, words);
    return h("button", { type: "button", class: "pick",
      onclick: () => this.on.open(this.on.onServer() ? landscape.id : null, level.key) },
    words, h("span", { class: "unseen" }, `, ${level.key} of the landscape shown`));
  }

  drawTable({ reached }) {
    const lossOf = (end) => this.answer.fixed_points.find(({ key }) => key === end)?.loss;
    const signed = (value) => `${value > 0 ? "+" : ""}${(100 * value).toFixed(1).replace("-", "−")}`;
    this.table.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of shares" }, h("table", {},
      h("thead", {}, h("tr", {}, [["end"], ["loss", 1], ["gradient flow"], ["SGD"], ["difference in points (95%)", 1], ["mean loss of SGD there", 1]].map(
        ([name, isNumber]) => h("th", { scope: "col", class: isNumber ? "number" : null }, term(name))))),
      h("tbody", {}, reached.map((row) => h("tr", {},
        h("th", { scope: "row" }, this.nameOf(row.end)),
        h("td", { class: "number" }, typeset(row.is_fixed_point ? real(lossOf(row.end), 8) : "–")),
        h("td", {}, shareBar(row.by_flow, "by-flow")),
        h("td", {}, shareBar(row.by_sgd, "by-sgd")),
        h("td", { class: "number" }, `${signed(row.difference)} (${row.difference_interval_95.map(signed).join(" to ")})`),
        h("td", { class: "number" }, typeset(real(row.mean_loss, 5)))))))));
  }

  drawMoves({ transitions, moved, starts }) {
    const rows = [...transitions].sort((a, b) => b.starts - a.starts);
    const table = (label, headings, body) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
      h("thead", {}, h("tr", {}, headings.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, body)));
    this.moves.replaceChildren(
      h("div", {}, h("h3", {}, "From gradient flow's end to SGD's"),
        table("Table of transitions", ["gradient flow", "SGD", "starts"], rows.map(({ flow, sgd, starts: count }) => h("tr", {},
          h("th", { scope: "row" }, this.nameOf(flow)), h("td", {}, flow === sgd ? "the same" : this.nameOf(sgd)),
          h("td", {}, countBar(count, starts.length, flow === sgd ? "by-flow" : "by-sgd")))))),
      h("div", {}, h("h3", {}, "How often a start changed its minimum"),
        table("Table of moves", ["moves", "starts"], moved.map((count, times) => h("tr", {},
          h("th", { scope: "row" }, String(times)), h("td", {}, countBar(count, starts.length, "by-sgd")))))));
  }
}
