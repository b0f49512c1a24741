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
import { asked } from "./levels.js";
import { drawLoss } from "./trajectoryplots.js";
import { RULES } from "./words.js";

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
  { name: "teacher_gram", label: "Gram matrix of the teacher", kind: "matrix", value: "", optional: true, group: "more",
    placeholder: "orthonormal; 1, 0.3; 0.3, 1" },
  { name: "structured", label: "also search by symmetry", kind: "check", value: false, group: "more" },
  { name: "curve", label: "curves of one start", kind: "check", value: true, group: "more" },
  { name: "start", label: "number of that start", kind: "whole", value: 0, group: "more", shown: ({ curve }) => curve === "true" },
  { name: "until", label: "curves until time", kind: "number", value: 100, group: "more", shown: ({ curve }) => curve === "true" },
];
const CURVE_POINTS = 101;
const DASHES = [null, "7 4", null, "2 3", "9 3 2 3"];

/** A request for each rule that is chosen. */
export function requestsOf(values) {
  const { starts, structured } = values;
  return byRule(values, (common) => ({ ...common, starts, ...(structured && { structured }) }));
}

/** The trajectory of one start for each rule that is chosen. */
export function curvesOf(values) {
  const { start, until, curve } = values;
  return curve ? byRule(values, (common) => ({ ...common, start, until, points: CURVE_POINTS, attractors: false })) : {};
}

function byRule(values, request) {
  const { student_width, teacher_width, seed, input_dimension, init_scale, teacher_gram } = values;
  const common = { student_width, teacher_width, seed, input_dimension, init_scale, ...(teacher_gram && { teacher_gram }) };
  return Object.fromEntries(Object.keys(RULES).filter((rule) => values[rule]).map((rule) => [rule, request({ ...common, rule })]));
}

/** {name: id} of "name:id,name:id" in an address. */
const idsOf = (text) => Object.fromEntries((text ?? "").split(",").map((part) => part.split(":")).filter(([rule, id]) => rule in RULES && id));
const textOf = (ids) => Object.entries(ids).map(([rule, id]) => `${rule}:${id}`).join(",");
const askedOf = (requests) => Object.fromEntries(Object.entries(requests).map(([rule, request]) => [rule, { request, words: RULES[rule] }]));
const knownOf = (ids) => Object.fromEntries(Object.entries(ids).map(([rule, id]) => [rule, { id, words: RULES[rule] }]));
/** Answers by rule, in the order of the rules. */
const sorted = (answers) => new Map(Object.keys(RULES).filter((rule) => answers.has(rule)).map((rule) => [rule, answers.get(rule)]));

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

/** What the searches by symmetry covered, a sentence for each rule that made one. */
export function searchesOf(answers) {
  const found = [...answers].filter(([, { request, searched }]) => searched && asked(request, "structured", false));
  return found.map(([rule, { ends, searched: { patterns, not_searched: left } }]) => {
    const unreached = ends.filter(({ attraction }) => attraction.hits === 0).length;
    return `${RULES[rule]}: ${plural(patterns.length, "pattern", "patterns")} searched${left ? `, ${left} left out for their work` : ""}; ` +
      `${unreached ? plural(unreached, "end", "ends") : "no end"} that no start came to.`;
  });
}

const nameOf = ({ end, outcome }) => (end ? `${KINDS[end.kind] ?? end.kind}${end.structure ? ` ${structureWords(end.structure.name)}` : ""}` : outcome);

function drawLadder(element, answers, rows, places) {
  const ends = rows.filter(({ end }) => end);
  draw(element, (theme) => ({
    x: { title: "share of the starts that end here (%)", range: [-4, 106] },
    y: { title: "population loss", range: fromZero(ends.map(({ end }) => end.loss), 0.12) },
    marks: ends.flatMap((row) => [...row.shares].map(([rule, share]) => ({
      type: "point", name: `${rule} ${row.end.loss}`, x: 100 * share.probability, y: row.end.loss, r: 5.5, shape: SHAPES[places[rule]],
      fill: theme.series[places[rule]],
      lines: [RULES[rule], nameOf(row), `loss ${real(row.end.loss, 8)}`, interval(share)],
    }))),
    legend: [...answers.keys()].map((rule) => ({ text: RULES[rule], shape: SHAPES[places[rule]], fill: theme.series[places[rule]] })), inset: 24, form: "wide",
  }), { label: `Shares of each rule. ${ends.map((row) => `${nameOf(row)} at loss ${real(row.end.loss, 4)}: ${[...row.shares].map(([rule, share]) =>
    `${RULES[rule]} ${interval(share)}`).join(", ")}`).join("; ")}.` });
}

export class View {
  constructor(element, on) {
    Object.assign(this, { element, on, asked: {}, ids: {}, answers: new Map(), curves: new Map(), wanted: new Set(), problems: {} });
    this.form = new AskForm(FIELDS, { button: "Compare", submit: () => this.submit(), label: "One start, several rules" });
    this.note = h("p", { class: "address-note", role: "status", hidden: true });
    const calls = (kind, take) => ({
      done: take, settled: () => this.settled(), problem: (sentence) => this.complain(kind, sentence), report: (error) => on.report(error),
    });
    const ends = h("div", { class: "runs" });
    const ways = h("div", { class: "runs" });
    this.jobs = new Jobs(ends, "descents", { ...calls("ends", (rule, answer) => this.take(rule, answer)),
      found: ([{ ended, starts }]) => `${ended} of ${plural(starts, "start", "starts")} ended` });
    this.ways = new Jobs(ways, "trajectories", { ...calls("curves", (rule, answer) => this.takeCurve(rule, answer)),
      found: ([{ time, loss }]) => `time ${real(time, 4)}, loss ${real(loss, 4)}` });
    this.curvePlot = h("div", { class: "plot wide", id: "descents-curves" });
    this.curveLegend = h("div", { class: "legend" });
    this.curveWords = h("p", {});
    this.curveBox = h("figure", { class: "card", hidden: true }, h("figcaption", {}, h("h2", {}, "One start along each rule"), this.curveWords),
      this.curveLegend, this.curvePlot);
    this.plot = h("div", { class: "plot wide", id: "descents-ladder" });
    this.legend = h("div", { class: "legend" });
    this.table = h("div", {});
    this.searches = h("div", { class: "searches" });
    this.files = h("div", { class: "reproduce" });
    this.results = h("div", { class: "results", hidden: true },
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "On the ladder"),
        h("p", {}, "Every end at its loss, and the share of the starts that each rule takes there; the table has the intervals.")), this.legend, this.plot),
      h("section", { class: "card", "aria-labelledby": "rules-title" }, h("h2", { id: "rules-title" }, "Shares by rule"), this.table, this.searches),
      h("section", { class: "card", "aria-labelledby": "rules-files" }, h("h2", { id: "rules-files" }, "Download"), this.files));
    element.replaceChildren(
      h("header", { class: "headline" }, h("h1", {}, "One start, several rules"),
        h("p", { class: "lead" }, "The same random starts, learned by gradient flow, with students kept at norm one, kept orthonormal, or with both layers learned.")),
      this.note, h("section", { class: "card", "aria-label": "What to compute" }, this.form.element), ends, ways, this.curveBox, this.results);
  }

  show(asked) {
    if (JSON.stringify(asked) === this.shown) return this.redraw();
    this.shown = JSON.stringify(asked);
    this.asked = asked;
    const { jobs, curves, ...texts } = asked;
    const known = FIELDS.map(({ name }) => name);
    const said = [...this.form.write(texts), ...Object.keys(texts).filter((name) => !known.includes(name)).map((name) => `The page knows no ${name}.`)];
    this.note.textContent = said.join(" ");
    show(this.note, said.length > 0);
    const ids = idsOf(jobs);
    if (JSON.stringify(ids) === JSON.stringify(this.ids)) return this.redraw();
    this.clear();
    this.ids = ids;
    this.wanted = new Set(Object.keys({ ...ids, ...idsOf(curves) }));
    if (jobs) this.jobs.open(knownOf(ids));
    if (curves) this.ways.open(knownOf(idsOf(curves)));
  }

  clear() {
    this.jobs.leave();
    this.ways.leave();
    this.answers = new Map();
    this.curves = new Map();
    this.ids = {};
    this.problems = {};
    show(this.results, false);
    show(this.curveBox, false);
    this.form.complain(null);
  }

  /** Ends and curves each have their sentence; both are said, each once. */
  complain(kind, sentence) {
    this.problems[kind] = sentence;
    this.form.complain([...new Set(Object.values(this.problems).filter(Boolean))].join(" ") || null);
  }

  /** Which colour and shape each rule has, in both pictures: its place among those that are asked for. */
  get places() {
    const known = Object.keys(RULES).filter((rule) => this.wanted.has(rule) || this.answers.has(rule) || this.curves.has(rule));
    return Object.fromEntries(known.map((rule, i) => [rule, i]));
  }

  settled() {
    if (!this.asking && !this.jobs.running.size && !this.ways.running.size) this.form.busy(false);
  }

  async submit() {
    try {
      const values = this.form.read();
      const requests = requestsOf(values);
      if (!Object.keys(requests).length) throw new Error("Choose at least one rule.");
      this.clear();
      this.wanted = new Set(Object.keys(requests));
      this.form.busy(true);
      this.asking = true;
      const [ids, ways] = await Promise.all([this.jobs.ask(askedOf(requests)), this.ways.ask(askedOf(curvesOf(values)))]);
      this.asking = false;
      this.settled();
      if (!ids || !ways) return;
      this.ids = Object.fromEntries(Object.keys(requests).filter((rule) => ids[rule]).map((rule) => [rule, ids[rule]]));
      const [jobs, curves] = [textOf(this.ids), textOf(Object.fromEntries([...sorted(new Map(Object.entries(ways)))]))];
      this.asked = { ...this.form.asked(), ...(jobs && { jobs }), ...(curves && { curves }) };
      this.shown = JSON.stringify(this.asked);
      this.on.changed(this.asked, true);
    } catch (error) {
      this.asking = false;
      this.form.busy(false);
      this.form.complain(error.message);
    }
  }

  take(rule, answer) {
    this.answers = sorted(new Map([...this.answers, [rule, answer]]));
    show(this.results, true);
    this.redraw();
    announce(`${RULES[rule]} is shown.`);
  }

  takeCurve(rule, answer) {
    this.curves = sorted(new Map([...this.curves, [rule, answer]]));
    show(this.curveBox, true);
    this.redraw();
  }

  drawCurves() {
    const { request } = [...this.curves.values()][0];
    this.curveWords.textContent = `Loss against time of start number ${request.start}, where it is above zero; constrained rules begin at its projection.`;
    const styles = Object.fromEntries(Object.entries(this.places).map(([rule, i]) => [rule, [i, DASHES[i], SHAPES[i]]]));
    drawLoss(this.curvePlot, this.curveLegend, this.curves, { axes: { loss: true, time: false }, request, styles,
      words: (rule) => RULES[rule], below: "" });
  }

  redraw() {
    if (this.curves.size) this.drawCurves();
    if (!this.answers.size) return;
    const rows = rowsOf(this.answers);
    const rules = [...this.answers.keys()];
    const { places } = this;
    drawLadder(this.plot, this.answers, rows, places);
    this.legend.replaceChildren(...rules.map((rule) => h("span", { class: "key" },
      h("i", { class: `mark series-${places[rule]} as-${SHAPES[places[rule]]}`, "aria-hidden": "true" }), RULES[rule])));
    this.table.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of rules" }, h("table", {},
      h("thead", {}, h("tr", {}, ["end", "loss", ...rules.map((rule) => RULES[rule])].map((name, at) =>
        h("th", { scope: "col", class: at === 1 ? "number" : null }, term(name))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, nameOf(row)),
        h("td", { class: "number" }, typeset(row.end ? real(row.end.loss, 8) : "–")),
        rules.map((rule) => h("td", {}, row.shares.has(rule) ? shareBar(row.shares.get(rule), "by-flow") : "never"))))))));
    const searches = searchesOf(this.answers);
    this.searches.replaceChildren(...(searches.length ? [h("p", { class: "note" },
      "Searched by symmetry too: points that some relabellings leave as they are, saddles among them, whether a start comes to them or not."),
    ...searches.map((sentence) => h("p", { class: "note" }, sentence))] : []));
    const { student_width: students, teacher_width: teachers, seed } = this.answers.get(rules[0]).request;
    const stem = `rules-K${students}-M${teachers}-seed${seed}`;
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(this.answers), `${stem}.json`) }, "Rules, JSON"),
      this.curves.size ? h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(this.curves), `${stem}-curves.json`) }, "Curves, JSON") : null),
    pictureButtons([["rules", this.plot, stem], ...(this.curves.size ? [["curves", this.curvePlot, `${stem}-curves`]] : [])], (sentence) => this.form.complain(sentence)));
  }
}
