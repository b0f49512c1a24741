// Trajectories: one start followed by gradient flow, by the equations of SGD and by SGD itself.

import * as api from "../api.js";
import { announce, h, show } from "../dom.js";
import { pictureButtons, saveJson } from "../downloads.js";
import { plural, real } from "../format.js";
import { term } from "../glossary.js";
import { typeset } from "../typeset.js";
import { AskForm } from "./form.js";
import { Jobs, sentenceOf } from "./jobs.js";
import { kicked } from "./kick.js";
import { asked, hasLeak, hasLayers, isOf, levelOf } from "./levels.js";
import { drawLines, drawLoss, drawOverlaps } from "./trajectoryplots.js";
import { LEARNED, methodWords, RULES } from "./words.js";

const METHODS = Object.keys(LEARNED.methods);
const POINTS = 101;
/** Students whose overlaps are drawn one by one. */
const MOST_STUDENTS = 8;
const isStart = ({ from }) => from === "start";
const isKick = ({ from }) => from === "point";
/** Methods that a rule has beside flow; the service says why not the others. */
const METHODS_OF = {
  gradient_flow: ["ode", "sgd"], gradient_descent: [], normalised: ["ode", "sgd"], orthonormalised: ["ode", "sgd"], two_layer: ["sgd"],
};
/** Rules whose ends are no points of a landscape: students have norm one there. */
const CONSTRAINED = ["normalised", "orthonormalised"];
const isFollowed = (method, rule) => method === "flow" || Boolean(METHODS_OF[rule]?.includes(method));
const needsRate = ({ ode, sgd, rule }) => (ode === "true" && isFollowed("ode", rule)) || (sgd === "true" && isFollowed("sgd", rule));
// A rule has neither a leak nor second layers of its own.
const isFree = ({ from, rule }) => isStart({ from }) && (rule ?? "gradient_flow") === "gradient_flow";
const AXES = { linear: "linear", logarithmic: "logarithmic" };

function fields(landscape) {
  return [
    { name: "from", label: "from", kind: "choice", value: "start", options: () => ({ start: "a random start", point: "a kicked fixed point" }) },
    { name: "student_width", label: "students K", kind: "whole", value: 7, shown: isStart },
    { name: "teacher_width", label: "teachers M", kind: "whole", value: 7, shown: isStart },
    { name: "seed", label: "seed", kind: "whole", value: 0 },
    { name: "start", label: "number of the start", kind: "whole", value: 0, shown: isStart },
    { name: "point", label: "fixed point", kind: "choice", value: "m1", shown: isKick, always: true,
      options: () => Object.fromEntries((landscape()?.fixed_points ?? []).map(({ key, loss }) => [key, `${key}, loss ${real(loss, 4)}`])) },
    { name: "size", label: "length of the kick", kind: "number", value: 0.1, shown: isKick },
    { name: "rule", label: "rule", kind: "choice", value: "gradient_flow", options: () => ({ ...RULES, gradient_flow: "none" }) },
    { name: "learning_rate", label: "learning rate γ", kind: "number", value: 0.1, shown: needsRate },
    { name: "until", label: "until time", kind: "number", value: 100 },
    { name: "runs", label: "runs of SGD", kind: "whole", value: 8, shown: ({ sgd, rule }) => sgd === "true" && isFollowed("sgd", rule) },
    ...METHODS.map((name) => ({ name, label: methodWords(name), kind: "check", value: true, shown: ({ rule }) => isFollowed(name, rule) })),
    { name: "spacing", label: "recorded times", kind: "choice", value: "linear", options: () => AXES, group: "more" },
    { name: "input_dimension", label: "input dimension d", kind: "whole", value: 1000, group: "more" },
    { name: "init_scale", label: "initial scale", kind: "number", value: 1, group: "more", shown: isStart },
    { name: "batch_size", label: "batch size", kind: "whole", value: 1, group: "more", shown: needsRate },
    { name: "label_noise", label: "noise of the labels", kind: "number", value: 0, group: "more", shown: needsRate },
    { name: "leak", label: "leak, the slope below zero", kind: "number", value: 0, group: "more", shown: isFree },
    ...["student", "teacher"].map((who) => ({ name: `${who}_layer`, label: `second layer of the ${who}s`, kind: "numbers", value: "",
      placeholder: "all 1", optional: true, group: "more", shown: isFree })),
  ];
}

/** The requests of what the form says, by method; `weights` are of a kicked point. */
export function requestsOf(values, weights, widths) {
  const { student_width = widths?.student_width, teacher_width = widths?.teacher_width } = values;
  const { seed, until, spacing, input_dimension, init_scale, learning_rate, batch_size, label_noise, runs, rule = "gradient_flow" } = values;
  const { leak = widths ? asked(widths, "leak", 0) : 0, student_layer, teacher_layer } = values;
  const base = {
    student_width, teacher_width, seed, until, spacing, input_dimension, points: POINTS, ...(rule !== "gradient_flow" && { rule }),
    ...(weights ? { weights } : { start: values.start, init_scale }),
    ...(spacing === "logarithmic" && { first_time: Math.min(0.1, until / 10) }),
    ...(leak && { leak }), ...(student_layer && { student_layer }), ...(teacher_layer && { teacher_layer }),
  };
  const steps = { learning_rate, batch_size, label_noise };
  const all = { flow: {}, ode: steps, sgd: { ...steps, runs } };
  return Object.fromEntries(METHODS.filter((name) => values[name]).map((name) =>
    [name, { ...base, method: name, ...all[name] }]));
}

/** Rows {name, outcome, runs, attractor} of where the runs of a method end. */
export function endsOf(name, { runs, attractors }) {
  const groups = new Map();
  for (const run of runs) {
    const outcome = run.attractor ? "" : run.reached_end ? run.attractor_outcome ?? run.outcome : run.outcome;
    const key = `${run.attractor} ${outcome}`;
    const group = groups.get(key) ?? { name, outcome, runs: 0, attractor: attractors.find((each) => each.key === run.attractor) ?? null };
    group.runs += 1;
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.runs - a.runs);
}

export class View {
  constructor(element, on) {
    Object.assign(this, { element, on, answers: new Map(), ids: {}, asked: {} });
    this.axes = { loss: false, time: false };
    this.build();
  }

  build() {
    this.form = new AskForm(fields(() => this.on.landscape()), { button: "Follow", submit: () => this.submit(), label: "Choose a trajectory" });
    this.note = h("p", { class: "address-note", role: "status", hidden: true });
    this.progress = h("div", { class: "runs" });
    this.jobs = new Jobs(this.progress, "trajectories", {
      done: (name, answer) => this.take(name, answer),
      settled: () => this.settled(),
      problem: (sentence) => this.form.complain(sentence),
      report: (error) => this.on.report(error),
      found: ([{ time, loss }]) => `time ${real(time, 4)}, loss ${real(loss, 4)}`,
    });
    this.lossPlot = h("div", { class: "plot wide", id: "trajectory-loss" });
    this.legend = h("div", { class: "legend" });
    this.norms = h("div", { class: "plot medium", id: "trajectory-norms" });
    this.layer = h("div", { class: "plot medium", id: "trajectory-layer" });
    this.layerBox = h("div", { hidden: true }, h("h3", {}, "Weights of the second layer"), this.layer);
    this.overlaps = h("div", { class: "multiples", id: "trajectory-overlaps" });
    this.overlapNote = h("p", { class: "note" });
    this.chooser = h("select", { name: "run", onchange: () => this.drawRun() });
    this.ends = h("div", {});
    this.files = h("div", { class: "reproduce" });
    const axis = (name) => h("label", { class: "choice" }, `${name} axis`, h("select", { name: `${name}-axis`, onchange: (event) => {
      this.axes[name] = event.target.value === "logarithmic";
      this.noteAxes();
      this.drawLoss();
    } }, Object.keys(AXES).map((value) => h("option", { value }, value))));
    this.axisBoxes = { loss: axis("loss"), time: axis("time") };
    this.results = h("div", { class: "results", hidden: true },
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "Loss"),
        h("p", {}, "The mean over the runs, with the band that holds 90% of them; dotted levels are the minima of the landscape shown.")),
      h("div", { class: "buttons" }, this.axisBoxes.loss, this.axisBoxes.time), this.legend, this.lossPlot),
      h("section", { class: "card", "aria-labelledby": "ends-title" }, h("h2", { id: "ends-title" }, "Where they end"), this.ends),
      h("section", { class: "card", "aria-labelledby": "run-title" }, h("h2", { id: "run-title" }, "One run: overlaps and norms"),
        h("label", { class: "choice" }, "run", this.chooser), this.overlapNote, this.overlaps, h("h3", {}, "Norms of the students"), this.norms, this.layerBox),
      h("section", { class: "card", "aria-labelledby": "trajectory-files" }, h("h2", { id: "trajectory-files" }, "Download"), this.files));
    this.element.replaceChildren(
      h("header", { class: "headline" }, h("h1", {}, "Trajectories"),
        h("p", { class: "lead" }, "One start, followed by gradient flow, by the equations of one-pass SGD in many dimensions, and by SGD itself.")),
      this.note, h("section", { class: "card", "aria-label": "Choose a trajectory" }, this.form.element), this.progress, this.results);
  }

  /** Show what an address asks; again after the landscape has come. */
  show(asked) {
    const landscape = this.on.landscape();
    this.form.refresh();
    const now = JSON.stringify([asked, asked.from === "point" && landscape?.id]);
    if (now === this.shown) return this.redraw();
    this.shown = now;
    const { jobs, loss_axis: lossAxis, time_axis: timeAxis, ...texts } = asked;
    this.asked = asked;
    this.axes = { loss: lossAxis === "logarithmic", time: timeAxis === "logarithmic" };
    for (const name of ["loss", "time"]) this.axisBoxes[name].querySelector("select").value = this.axes[name] ? "logarithmic" : "linear";
    const known = this.form.fields.map(({ name }) => name);
    const problems = landscape || asked.from !== "point" ? this.form.write(texts) : [];
    problems.push(...Object.keys(texts).filter((name) => !known.includes(name)).map((name) => `The page knows no ${name}.`));
    this.say(problems);
    const ids = Object.fromEntries((jobs ?? "").split(",").map((part) => part.split(":")).filter(([name, id]) => METHODS.includes(name) && id));
    if (JSON.stringify(ids) === JSON.stringify(this.ids)) return this.redraw();
    this.clear();
    this.ids = ids;
    if (Object.keys(ids).length) {
      this.jobs.open(Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, { id, words: methodWords(name, this.rule) }])));
    }
  }

  say(sentences) {
    this.note.textContent = sentences.join(" ");
    show(this.note, sentences.length > 0);
  }

  noteAxes() {
    const named = Object.entries(this.axes).filter(([, isLog]) => isLog).map(([name]) => [`${name}_axis`, "logarithmic"]);
    this.write({ ...Object.fromEntries(named) }, false);
  }

  write(axes, push) {
    const jobs = Object.entries(this.ids).map(([name, id]) => `${name}:${id}`).join(",");
    this.asked = { ...this.form.asked(), ...axes, ...(jobs && { jobs }) };
    this.shown = JSON.stringify([this.asked, this.asked.from === "point" && this.on.landscape()?.id]);
    this.on.changed(this.asked, push);
  }

  clear() {
    this.jobs.leave();
    this.answers = new Map();
    this.parts = new Map();
    this.ids = {};
    show(this.results, false);
    this.form.complain(null);
  }

  async start(values) {
    if (values.from !== "point") return null;
    const landscape = this.on.landscape();
    if (!landscape) throw new Error("There is no landscape whose point could be kicked: open one first.");
    const part = await this.weightsOf(landscape, values.point);
    const { teacher_width: teachers } = landscape.request;
    return kicked(part, { size: values.size, seed: values.seed, teachers, dimension: values.input_dimension });
  }

  /** Weights of a fixed point; of the stored example, which the service may not hold, R has them all. */
  async weightsOf(landscape, key) {
    if (this.on.onServer()) return (await api.fixedPoint(landscape.id, key)).weights;
    return landscape.fixed_points.find((point) => point.key === key).overlaps.R;
  }

  async submit() {
    let values;
    try {
      values = this.form.read();
      if (!METHODS.some((name) => values[name])) throw new Error("Choose at least one of gradient flow, equations of SGD and SGD.");
      this.form.complain(null);
      this.form.busy(true);
      const weights = await this.start(values);
      const requests = requestsOf(values, weights, this.on.landscape()?.request);
      this.clear();
      this.form.busy(true);
      const questions = Object.entries(requests).map(([name, request]) => [name, { request, words: methodWords(name, request.rule) }]);
      const ids = await this.jobs.ask(Object.fromEntries(questions));
      if (!ids) return;
      this.ids = Object.fromEntries(METHODS.filter((name) => ids[name]).map((name) => [name, ids[name]]));
      this.noteAxes();
    } catch (error) {
      this.form.busy(false);
      this.form.complain(sentenceOf(error));
      if (error.status === 401) this.on.report(error);
    }
  }

  settled() {
    this.form.busy(false);
    if (this.answers.size) announce(`${plural(this.answers.size, "trajectory", "trajectories")} drawn.`);
  }

  take(name, answer) {
    this.answers.set(name, answer);
    this.answers = new Map(METHODS.filter((each) => this.answers.has(each)).map((each) => [each, this.answers.get(each)]));
    show(this.results, true);
    const chosen = this.chooser.value;
    this.chooser.replaceChildren(...[...this.answers].flatMap(([method, { runs }]) => runs.slice(0, 50).map(({ key }) =>
      h("option", { value: `${method} ${key}` }, runs.length > 1 ? `${this.words(method)}, run ${key.slice(1)}` : this.words(method)))));
    if (chosen) this.chooser.value = chosen;
    if (!this.chooser.value) this.chooser.selectedIndex = 0;
    this.redraw();
    if (this.drawn !== this.chooser.value || !chosen) this.drawRun();
  }

  redraw() {
    if (!this.answers.size) return;
    this.drawLoss();
    this.drawEnds();
    this.drawFiles();
  }

  get request() {
    return [...this.answers.values()][0].request;
  }

  /** The rule that the form says, for what has not come yet. */
  get rule() {
    return this.form.texts().rule;
  }

  words(method) {
    return methodWords(method, asked(this.request, "rule", "gradient_flow"));
  }

  /** The landscape shown, where it is that of these widths, and its points are where this rule rests. */
  get landscape() {
    const landscape = this.on.landscape();
    return !CONSTRAINED.includes(asked(this.request, "rule", "gradient_flow")) && isOf(landscape, this.request) ? landscape : null;
  }

  drawLoss() {
    const { landscape } = this;
    const minima = landscape?.fixed_points.filter(({ kind }) => kind !== "saddle") ?? [];
    drawLoss(this.lossPlot, this.legend, this.answers, { axes: this.axes, minima, request: this.request, choose: (key) => this.openPoint(key) });
  }

  openPoint(key) {
    if (this.landscape?.fixed_points.some((point) => point.key === key)) this.on.open(this.on.onServer() ? this.landscape.id : null, key);
  }

  drawEnds() {
    const { landscape, request } = this;
    const rows = [...this.answers].flatMap(([name, answer]) => endsOf(name, answer));
    const where = ({ attractor }) => {
      if (!attractor) return "–";
      if (CONSTRAINED.includes(asked(request, "rule", "gradient_flow"))) return "of this rule alone";
      const level = landscape && levelOf(landscape, { R: attractor.R, Q: attractor.Q, isContinuum: attractor.is_continuum });
      if (level) return h("button", { type: "button", class: "pick", onclick: () => this.openPoint(level.key) }, `${level.key} of the ladder`);
      if (landscape) return "not among the points of the landscape shown";
      if (hasLayers(request)) return "landscapes have second layers of 1";
      const leak = hasLeak(request) ? `&leak=${request.leak}` : "";
      return h("a", { href: `?student_width=${request.student_width}&teacher_width=${request.teacher_width}${leak}` }, "landscape of these widths");
    };
    this.ends.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of ends" }, h("table", {},
      h("thead", {}, h("tr", {}, ["method", "runs", "loss of the end", "what it is", "in the landscape"].map((name, at) =>
        h("th", { scope: "col", class: at === 1 || at === 2 ? "number" : null }, term(name))))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("th", { scope: "row" }, this.words(row.name)),
        h("td", { class: "number" }, `${row.runs} of ${this.answers.get(row.name).runs.length}`),
        h("td", { class: "number" }, row.attractor ? typeset(real(row.attractor.loss, 8)) : "–"),
        h("td", {}, row.attractor ? endWords(row.attractor) : row.outcome),
        h("td", {}, where(row))))))));
  }

  drawFiles() {
    const { student_width: students, teacher_width: teachers, seed, start } = this.request;
    const stem = `trajectory-K${students}-M${teachers}-seed${seed}-start${start}`;
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(this.answers), `${stem}.json`) }, "Trajectories, JSON")),
    pictureButtons([["loss", this.lossPlot, stem], ["norms", this.norms, stem], ...(asked(this.request, "rule", "gradient_flow") === "two_layer" ? [["layer", this.layer, stem]] : [])], (text) => this.form.complain(text)));
  }

  /** The run that is chosen, in full: asked for once. */
  async drawRun() {
    const chosen = (this.drawn = this.chooser.value);
    const [name, key] = chosen.split(" ");
    try {
      if (!this.parts.has(chosen)) this.parts.set(chosen, await api.run(this.answers.get(name).id, key));
      if (this.drawn !== chosen || !this.parts.has(chosen)) return;
      const run = this.parts.get(chosen);
      const students = this.request.student_width;
      const layer = asked(run, "second_layer");
      const layers = layer ? " Students count with their weight in the second layer, a w." : "";
      this.overlapNote.textContent = "Each student's row of R, its overlaps with the teachers (the nearest one strong), and of Q, its overlaps with the " +
        `students (its own norm squared strong), against time.${students > MOST_STUDENTS ? ` The first ${MOST_STUDENTS} of ${students} students are drawn.` : ""}${layers}`;
      drawOverlaps(this.overlaps, run, MOST_STUDENTS);
      drawLines(this.norms, run.times, run.norms, "norm", "Norms of the students");
      show(this.layerBox, Boolean(layer));
      if (layer) drawLines(this.layer, run.times, layer, "weight", "Weights of the second layer");
      this.overlaps.dataset.run = chosen;
    } catch (error) {
      this.form.complain(`The run could not be read: ${sentenceOf(error)}`);
      if (error.status === 401) this.on.report(error);
    }
  }
}

function endWords({ is_global: isGlobal, is_continuum: isContinuum, attractive }) {
  if (isContinuum) return "continuum of global minima";
  if (isGlobal) return "global minimum";
  return attractive === false ? "saddle" : attractive ? "minimum" : "not isolated";
}
