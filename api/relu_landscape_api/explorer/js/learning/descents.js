// The same starts by several rules of learning: where each rule takes them.

import { fromZero } from "../chart/scale.js";
import { draw } from "../chart/mount.js";
import { announce, h, show } from "../dom.js";
import { pictureButtons, saveJson } from "../downloads.js";
import { interval, plural, real, structureWords } from "../format.js";
import { term } from "../glossary.js";
import { typeset } from "../typeset.js";
import { shareBar } from "./bars.js";
import { AskForm } from "./form.js";
import { Jobs } from "./jobs.js";

const RULES = {
  gradient_flow: "gradient flow", gradient_descent: "gradient descent", normalised: "normalised students",
  orthonormalised: "orthonormalised students", two_layer: "both layers",
};
const SHAPES = ["circle", "square", "triangle", "diamond", "star"];
/** Losses of one end, computed twice, agree to 1e-12; two ends differ by 1e-3. */
const SAME = 1e-7;
const KINDS = { global: "zero loss", minimum: "minimum", degenerate: "degenerate", saddle: "saddle" };
const FIELDS = [
  { name: "student_width", label: "students K", kind: "whole", value: 6 },
  { name: "teacher_width", label: "teachers M", kind: "whole", value: 6 },
  { name: "starts", label: "starts", kind: "whole", value: 200 },
  { name: "seed", label: "seed", kind: "whole", value: 0 },
  { name: "input_dimension", label: "input dimension d", kind: "whole", value: 1000 },
  ...Object.entries(RULES).map(([name, label]) => ({ name, label, kind: "check", value: name !== "gradient_descent" })),
  { name: "init_scale", label: "initial scale", kind: "number", value: 1, group: "more" },
];

/** A request for each rule that is chosen. */
export function requestsOf(values) {
  const { student_width, teacher_width, starts, seed, input_dimension, init_scale } = values;
  return Object.fromEntries(Object.keys(RULES).filter((rule) => values[rule]).map((rule) =>
    [rule, { student_width, teacher_width, rule, starts, seed, input_dimension, init_scale }]));
}

const isSame = (a, b) => a.kind === b.kind && (a.structure?.name ?? null) === (b.structure?.name ?? null) && Math.abs(a.loss - b.loss) <= SAME;

/** Rows {end or outcome, shares by rule}: ends of different rules that are one, by loss; then outcomes in words. */
export function rowsOf(answers) {
  const rows = [];
  const add = (rule, share, isOwn, row) => {
    const known = rows.find(isOwn);
    if (known) known.shares.set(rule, known.shares.get(rule) ?? share);
    else rows.push({ ...row, shares: new Map([[rule, share]]) });
  };
  for (const [rule, { ends, others }] of answers) {
    for (const end of ends) add(rule, end.attraction, (row) => row.end && !row.shares.has(rule) && isSame(row.end, end), { end });
    for (const { outcome, attraction } of others) add(rule, attraction, (row) => row.outcome === outcome, { outcome });
  }
  return rows.sort((a, b) => (a.end?.loss ?? Infinity) - (b.end?.loss ?? Infinity) || 0);
}

const nameOf = ({ end, outcome }) => (end ? `${KINDS[end.kind] ?? end.kind}${end.structure ? ` ${structureWords(end.structure.name)}` : ""}` : outcome);

function drawLadder(element, answers, rows) {
  const rules = [...answers.keys()];
  const ends = rows.filter(({ end }) => end);
  draw(element, (theme) => ({
    x: { title: "share of the starts that end here (%)", range: [-4, 106] },
    y: { title: "population loss", range: fromZero(ends.map(({ end }) => end.loss), 0.12) },
    marks: ends.flatMap((row) => [...row.shares].map(([rule, share]) => ({
      type: "point", name: `${rule} ${row.end.loss}`, x: 100 * share.probability, y: row.end.loss, r: 5.5, shape: SHAPES[rules.indexOf(rule)],
      fill: theme.series[rules.indexOf(rule)],
      lines: [RULES[rule], nameOf(row), `loss ${real(row.end.loss, 8)}`, interval(share)],
    }))),
    legend: rules.map((rule, i) => ({ text: RULES[rule], shape: SHAPES[i], fill: theme.series[i] })), inset: 24, form: "wide",
  }), { label: `Shares of each rule. ${ends.map((row) => `${nameOf(row)} at loss ${real(row.end.loss, 4)}: ${[...row.shares].map(([rule, share]) =>
    `${RULES[rule]} ${interval(share)}`).join(", ")}`).join("; ")}.` });
}

export class View {
  constructor(element, on) {
    Object.assign(this, { element, on, asked: {}, ids: {}, answers: new Map() });
    this.form = new AskForm(FIELDS, { button: "Compare", submit: () => this.submit(), label: "One start, several rules" });
    this.note = h("p", { class: "address-note", role: "status", hidden: true });
    this.progress = h("div", { class: "runs" });
    this.jobs = new Jobs(this.progress, "descents", {
      done: (rule, answer) => this.take(rule, answer), settled: () => this.form.busy(false),
      problem: (sentence) => this.form.complain(sentence), report: (error) => on.report(error),
      found: ([{ ended, starts }]) => `${ended} of ${plural(starts, "start", "starts")} ended`,
    });
    this.plot = h("div", { class: "plot wide", id: "descents-ladder" });
    this.legend = h("div", { class: "legend" });
    this.table = h("div", {});
    this.files = h("div", { class: "reproduce" });
    this.results = h("div", { class: "results", hidden: true },
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "On the ladder"),
        h("p", {}, "Every end at its loss, and the share of the starts that each rule takes there; the table has the intervals.")), this.legend, this.plot),
      h("section", { class: "card", "aria-labelledby": "rules-title" }, h("h2", { id: "rules-title" }, "Shares by rule"), this.table),
      h("section", { class: "card", "aria-labelledby": "rules-files" }, h("h2", { id: "rules-files" }, "Download"), this.files));
    element.replaceChildren(
      h("header", { class: "headline" }, h("h1", {}, "One start, several rules"),
        h("p", { class: "lead" }, "The same random starts, learned by gradient flow, with students kept at norm one, kept orthonormal, or with both layers learned.")),
      this.note, h("section", { class: "card", "aria-label": "What to compute" }, this.form.element), this.progress, this.results);
  }

  show(asked) {
    if (JSON.stringify(asked) === this.shown) return this.redraw();
    this.shown = JSON.stringify(asked);
    this.asked = asked;
    const { jobs, ...texts } = asked;
    const known = FIELDS.map(({ name }) => name);
    const said = [...this.form.write(texts), ...Object.keys(texts).filter((name) => !known.includes(name)).map((name) => `The page knows no ${name}.`)];
    this.note.textContent = said.join(" ");
    show(this.note, said.length > 0);
    const ids = Object.fromEntries((jobs ?? "").split(",").map((part) => part.split(":")).filter(([rule, id]) => rule in RULES && id));
    if (JSON.stringify(ids) === JSON.stringify(this.ids)) return this.redraw();
    this.clear();
    this.ids = ids;
    if (jobs) this.jobs.open(Object.fromEntries(Object.entries(ids).map(([rule, id]) => [rule, { id, words: RULES[rule] }])));
  }

  clear() {
    this.jobs.leave();
    this.answers = new Map();
    this.ids = {};
    show(this.results, false);
    this.form.complain(null);
  }

  async submit() {
    try {
      const requests = requestsOf(this.form.read());
      if (!Object.keys(requests).length) throw new Error("Choose at least one rule.");
      this.clear();
      this.form.busy(true);
      const ids = await this.jobs.ask(Object.fromEntries(Object.entries(requests).map(([rule, request]) => [rule, { request, words: RULES[rule] }])));
      if (!ids) return;
      this.ids = Object.fromEntries(Object.keys(requests).filter((rule) => ids[rule]).map((rule) => [rule, ids[rule]]));
      const jobs = Object.entries(this.ids).map(([rule, id]) => `${rule}:${id}`).join(",");
      this.asked = { ...this.form.asked(), ...(jobs && { jobs }) };
      this.shown = JSON.stringify(this.asked);
      this.on.changed(this.asked, true);
    } catch (error) {
      this.form.busy(false);
      this.form.complain(error.message);
    }
  }

  take(rule, answer) {
    const all = new Map([...this.answers, [rule, answer]]);
    this.answers = new Map(Object.keys(RULES).filter((name) => all.has(name)).map((name) => [name, all.get(name)]));
    show(this.results, true);
    this.redraw();
    announce(`${RULES[rule]} is shown.`);
  }

  redraw() {
    if (!this.answers.size) return;
    const rows = rowsOf(this.answers);
    const rules = [...this.answers.keys()];
    drawLadder(this.plot, this.answers, rows);
    this.legend.replaceChildren(...rules.map((rule, i) => h("span", { class: "key" }, h("i", { class: `mark series-${i}`, "aria-hidden": "true" }), RULES[rule])));
    this.table.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of rules" }, h("table", {},
      h("thead", {}, h("tr", {}, ["end", "loss", ...rules.map((rule) => RULES[rule])].map((name, at) =>
        h("th", { scope: "col", class: at === 1 ? "number" : null }, term(name))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, nameOf(row)),
        h("td", { class: "number" }, typeset(row.end ? real(row.end.loss, 8) : "–")),
        rules.map((rule) => h("td", {}, row.shares.has(rule) ? shareBar(row.shares.get(rule), "by-flow") : "never"))))))));
    const { student_width: students, teacher_width: teachers, seed } = this.answers.get(rules[0]).request;
    const stem = `rules-K${students}-M${teachers}-seed${seed}`;
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(this.answers), `${stem}.json`) }, "Rules, JSON")),
    pictureButtons([["rules", this.plot, stem]], (sentence) => this.form.complain(sentence)));
  }
}
