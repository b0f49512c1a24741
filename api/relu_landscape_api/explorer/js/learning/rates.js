// Learning rates: up to which one each minimum of the landscape shown survives under SGD, and what
// its loss is until then.

import { ServiceError, learningRates } from "../api.js";
import { fromZero } from "../chart/scale.js";
import { draw } from "../chart/mount.js";
import { announce, h, show } from "../dom.js";
import { pictureButtons, saveJson } from "../downloads.js";
import { count, interval, kindWords, loss, plural, real, structureWords } from "../format.js";
import { term } from "../glossary.js";
import { markOf } from "../ladder.js";
import { typeset } from "../typeset.js";
import { AskForm } from "./form.js";
import { sentenceOf } from "./jobs.js";
import { asked } from "./levels.js";

/** Widths up to which the service answers at once, and branches of a structure that are tried. */
const WIDEST = 48;
const MOST_BRANCHES = 8;
/** Losses of one point, computed twice, agree to 1e-12; two minima of a structure differ by 1e-3. */
const SAME = 1e-7;
const FIELDS = [
  { name: "batch_size", label: "batch size", kind: "whole", value: 1 },
  { name: "label_noise", label: "noise of the labels", kind: "number", value: 0 },
];
/** Slopes below are rounding: without noise a global minimum has none. */
const FLAT = 1e-12;
/** Steps of the slider up to the largest learning rate that is drawn. */
const STEPS = 200;

/** Why a landscape has no such figures, or null. */
export function obstacle(landscape) {
  if (!landscape) return "There is no landscape here: open one first.";
  const { teacher_gram: gram, student_width: students, teacher_width: teachers } = landscape.request;
  if (gram) return "Largest learning rates are known for an orthonormal teacher alone.";
  if (Math.max(students, teachers) > WIDEST) return `Largest learning rates are computed for widths up to ${WIDEST}.`;
  return null;
}

/** Isolated minima; a continuum of them is no single point. */
const minimaOf = (landscape) => landscape.fixed_points.filter(({ kind }) => kind === "minimum");

/** What a landscape that was asked for with learning rates says itself. */
export function ownRates(landscape) {
  return new Map(minimaOf(landscape).flatMap((point) => {
    const own = "learning_rates" in point ? point.learning_rates : null;
    return own ? [[point.key, { slope: own.slope, critical: own.critical_rate, reason: own.reasons.join(" ") || null }]] : [];
  }));
}

/** The loss at a learning rate to first order; null where the minimum is not there any more. */
export const lossAt = (point, { slope, critical }, rate) =>
  (critical != null && rate > critical ? null : point.loss + slope * rate);

export class View {
  constructor(element, on) {
    Object.assign(this, { element, on, asked: {}, rates: new Map(), gamma: null });
    this.form = new AskForm(FIELDS, { button: "Show", submit: () => this.submit(), label: "Steps of SGD" });
    this.note = h("p", { class: "address-note", role: "status", hidden: true });
    this.title = h("h1", {}, "Learning rates");
    this.bars = h("div", { class: "plot medium", id: "rates-bars" });
    this.ladder = h("div", { class: "plot wide", id: "rates-ladder" });
    this.slider = h("input", { type: "range", id: "rates-gamma", min: "0", max: String(STEPS), step: "1",
      oninput: () => this.slide(), onchange: () => this.write() });
    this.value = h("output", { for: "rates-gamma" });
    this.table = h("div", {});
    this.files = h("div", { class: "reproduce" });
    this.results = h("div", { class: "results", hidden: true },
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "Which minima survive"),
        h("p", {}, "Each minimum up to the largest learning rate at which one-pass SGD in many dimensions stays at it.")), this.bars),
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "The ladder at a learning rate"),
        h("p", {}, "Noise lifts every minimum: full marks at the learning rate of the slider, rings without noise. To first order in γ; at a " +
          "quarter of the largest rate the true rise is larger, see the documentation.")),
      h("label", { class: "slide-gamma", for: "rates-gamma" }, "learning rate γ", this.slider, this.value), this.ladder),
      h("section", { class: "card", "aria-labelledby": "rates-title" }, h("h2", { id: "rates-title" }, "Minima"), this.table),
      h("section", { class: "card", "aria-labelledby": "rates-files" }, h("h2", { id: "rates-files" }, "Download"), this.files));
    element.replaceChildren(
      h("header", { class: "headline" }, this.title,
        h("p", { class: "lead" }, "What one-pass SGD with steps of size γ does to the minima of the landscape shown.")),
      this.note, h("section", { class: "card", "aria-label": "Steps of SGD" }, this.form.element), this.results);
  }

  show(asked) {
    const landscape = this.on.landscape();
    const now = JSON.stringify([asked, landscape?.id]);
    if (now === this.shown) return this.redraw();
    this.shown = now;
    this.asked = asked;
    const { gamma, ...texts } = asked;
    const problems = this.form.write(texts);
    const known = FIELDS.map(({ name }) => name);
    problems.push(...Object.keys(texts).filter((name) => !known.includes(name)).map((name) => `The page knows no ${name}.`));
    this.gamma = gamma == null || !(Number(gamma) >= 0) ? null : Number(gamma);
    if (gamma != null && this.gamma == null) problems.push(`gamma=${gamma} is no learning rate.`);
    if (!landscape) problems.push("No landscape is shown yet; the learning rates of its minima come with it.");
    this.note.textContent = problems.join(" ");
    show(this.note, problems.length > 0);
    // Before the landscape of the address has come there is nothing to ask.
    if (landscape) return this.load();
    show(this.results, false);
  }

  submit() {
    this.write(true);
    this.load();
  }

  write(push = false) {
    this.asked = { ...this.form.asked(), ...(this.gamma != null && { gamma: String(this.gamma) }) };
    this.shown = JSON.stringify([this.asked, this.on.landscape()?.id]);
    this.on.changed(this.asked, push);
  }

  /** Ask for each structure of the landscape's minima, until each minimum has its answer. */
  async load() {
    this.controller?.abort();
    const { signal } = (this.controller = new AbortController());
    const landscape = this.on.landscape();
    const problem = obstacle(landscape);
    show(this.results, false);
    this.form.complain(problem);
    if (problem) return;
    let options;
    try {
      options = this.form.read();
    } catch (error) {
      return this.form.complain(error.message);
    }
    const { student_width, teacher_width } = landscape.request;
    const leak = asked(landscape.request, "leak", 0);
    this.landscape = landscape;
    const isPlain = options.batch_size === 1 && options.label_noise === 0;
    this.rates = isPlain ? ownRates(landscape) : new Map();
    const problems = [];
    this.element.setAttribute("aria-busy", "true");
    const minima = minimaOf(landscape);
    for (const name of new Set(minima.map(({ structure }) => structure.name))) {
      const left = minima.filter((point) => point.structure.name === name && !this.rates.has(point.key));
      try {
        for (let branch = 0; left.length && branch <= MOST_BRANCHES; branch += 1) {
          const query = { student_width, teacher_width, structure: name, ...options, points: 1, ...(leak && { leak }), ...(branch > 1 && { branch }) };
          if (branch === 1) continue; // the lowest was asked for without a number
          const answer = await this.minimum(query, signal);
          if (signal.aborted) return;
          if (!answer) continue;
          const at = left.findIndex((point) => Math.abs(point.loss - answer.loss) <= SAME);
          if (at >= 0) this.rates.set(left.splice(at, 1)[0].key, { slope: Math.abs(answer.slope) < FLAT ? 0 : answer.slope, critical: answer.critical_rate, reason: null });
        }
      } catch (error) {
        if (signal.aborted) return;
        problems.push(`${structureWords(name)}: ${sentenceOf(error)}`);
        if (error instanceof ServiceError && error.status === 401) this.on.report(error);
      }
      this.redraw();
    }
    this.element.removeAttribute("aria-busy");
    this.form.complain(problems.join(" ") || null);
    this.redraw();
    announce(`Largest learning rates of ${plural(this.rates.size, "minimum", "minima")} are shown.`);
  }

  /** What the service says of a branch; null where that is a saddle. */
  async minimum(query, signal) {
    try {
      return await learningRates(query, signal);
    } catch (error) {
      if (error.status === 422 && error.message.includes("saddle")) return null;
      throw error;
    }
  }

  /** {point, rate} of the minima that have an answer. */
  get known() {
    return minimaOf(this.landscape).filter(({ key }) => this.rates.has(key)).map((point) => ({ point, rate: this.rates.get(point.key) }));
  }

  get largest() {
    return 1.08 * Math.max(0, ...this.known.map(({ rate }) => rate.critical ?? 0)) || 1;
  }

  slide() {
    this.gamma = Number(((this.largest * Number(this.slider.value)) / STEPS).toPrecision(4));
    this.redraw(true);
  }

  redraw(isSliding = false) {
    if (!this.landscape || !this.known.length) return;
    show(this.results, true);
    const { student_width: students, teacher_width: teachers } = this.landscape.request;
    this.title.textContent = `Learning rates: ${count(students)} students, ${count(teachers)} teachers`;
    const gamma = this.gamma ?? 0;
    if (!isSliding) this.slider.value = String(Math.round((STEPS * gamma) / this.largest));
    this.value.textContent = real(gamma, 4);
    const alive = this.known.filter(({ point, rate }) => lossAt(point, rate, gamma) != null).length;
    this.slider.setAttribute("aria-valuetext", `${real(gamma, 4)}: ${alive} of ${plural(this.known.length, "minimum", "minima")} survive`);
    this.drawBars(gamma);
    this.drawLadder(gamma);
    this.drawTable(gamma);
    if (isSliding && this.files.childElementCount) return;
    const stem = `rates-K${students}-M${teachers}`;
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(this.rates), `${stem}.json`) }, "Learning rates, JSON")),
    pictureButtons([["critical", this.bars, stem], ["losses", this.ladder, stem]], (text) => this.form.complain(text)));
  }

  drawBars(gamma) {
    const rows = this.known.filter(({ rate }) => rate.critical != null).sort((a, b) => a.point.loss - b.point.loss);
    draw(this.bars, (theme) => ({
      x: { title: "learning rate γ", range: [0, this.largest] },
      y: { range: [-0.7, rows.length - 0.3], grid: false,
        ticks: rows.map(({ point }, at) => ({ at, text: `${point.key}  ${structureWords(point.structure.name)}` })) },
      marks: [
        ...rows.flatMap(({ point, rate }, at) => [
          { type: "path", name: "survives", points: [[0, at], [rate.critical, at]], stroke: markOf(point, theme).fill, width: 9, opacity: gamma > rate.critical ? 0.3 : 0.85 },
          { ...markOf(point, theme), type: "point", x: rate.critical, y: at, r: 6,
            lines: [`${point.key}: ${kindWords(point, this.landscape.request)}`, `loss ${loss(point, 8)}`, `survives up to γ = ${real(rate.critical, 6)}`] },
        ]),
        { type: "path", name: "now", points: [[gamma, -0.7], [gamma, rows.length - 0.3]], stroke: theme.ink, width: 1.4, dash: "5 4" },
      ],
      form: "wide",
    }), { label: `Largest learning rates, by loss: ${rows.map(({ point, rate }) => `${point.key} up to ${real(rate.critical, 4)}`).join(", ")}. ` +
      "The table below lists all.", click: (key) => this.openPoint(key) });
  }

  drawLadder(gamma) {
    const top = this.known.map(({ point, rate }) => point.loss + rate.slope * (rate.critical ?? this.largest));
    const place = (point) => 100 * (point.attraction?.probability ?? 0);
    const most = Math.max(1, ...this.known.map(({ point }) => place(point)));
    draw(this.ladder, (theme) => ({
      x: { title: "probability that gradient flow ends here (%)", range: [-0.05 * most, 1.12 * most] },
      y: { title: "population loss", range: fromZero(top, 0.09) },
      marks: this.known.flatMap(({ point, rate }) => {
        const now = lossAt(point, rate, gamma);
        const { fill } = markOf(point, theme);
        const lines = [`${point.key}: ${kindWords(point, this.landscape.request)}`, `loss ${loss(point, 8)} without noise`,
          now == null ? `not there at γ = ${real(gamma, 4)}` : `loss ${real(now, 6)} at γ = ${real(gamma, 4)}`];
        return [
          now != null && { type: "path", name: "rise", points: [[place(point), point.loss], [place(point), now]], stroke: fill, width: 1.6 },
          { type: "point", name: `${point.key} without noise`, x: place(point), y: point.loss, r: 7, fill: theme.surface, stroke: fill, width: 2, shape: "circle",
            opacity: now == null ? 0.45 : 1, lines },
          now != null && { type: "point", key: point.key, name: point.key, x: place(point), y: now, r: 5.5, fill, shape: "circle", lines },
        ].filter(Boolean);
      }),
      labels: this.known.map(({ point, rate }) => ({ key: lossAt(point, rate, gamma) == null ? `${point.key} without noise` : point.key, text: point.key, rank: 0 })),
      inset: 20, form: "wide",
    }), { label: `Losses at learning rate ${real(gamma, 4)}: ${this.known.map(({ point, rate }) => {
      const now = lossAt(point, rate, gamma);
      return now == null ? `${point.key} is not there` : `${point.key} at ${real(now, 4)}`;
    }).join(", ")}.`, click: (key) => this.openPoint(key) });
  }

  openPoint(key) {
    this.on.open(this.on.onServer() ? this.landscape.id : null, key);
  }

  drawTable(gamma) {
    const cell = (value, digits) => h("td", { class: "number" }, typeset(real(value, digits)));
    const headings = ["point", "structure", "probability", "loss", "rise of the loss per γ", "largest γ", `loss at γ = ${real(gamma, 4)}`];
    this.table.replaceChildren(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of learning rates" }, h("table", {},
      h("thead", {}, h("tr", {}, headings.map((name, at) => h("th", { scope: "col", class: at > 1 ? "number" : null }, term(name))))),
      h("tbody", {}, minimaOf(this.landscape).map((point) => {
        const rate = this.rates.get(point.key);
        const now = rate && lossAt(point, rate, gamma);
        return h("tr", {}, h("th", { scope: "row" },
          h("button", { type: "button", class: "pick", "aria-label": `Show ${point.key} in its landscape`, onclick: () => this.openPoint(point.key) }, point.key)),
        h("td", {}, structureWords(point.structure.name)), h("td", { class: "number nowrap" }, interval(point.attraction)),
        h("td", { class: "number" }, typeset(loss(point, 8))), cell(rate?.slope, 6),
        rate?.critical == null && rate?.reason ? h("td", {}, h("small", {}, rate.reason)) : cell(rate?.critical, 6),
        h("td", { class: "number" }, !rate ? "not known" : now == null ? "not there" : typeset(real(now, 6))));
      })))));
  }
}
