// Families of fixed points along real width, with the widths at which their stability changes.

import { continuation, ServiceError } from "./api.js";
import { CONTRACT } from "./contract.js";
import { announce, h, show } from "./dom.js";
import { pictureButtons, saveJson } from "./downloads.js";
import { drawFamilies } from "./familyplot.js";
import { count, plural, real } from "./format.js";
import { term } from "./glossary.js";
import { familySnippets } from "./snippets.js";

const KNOWN = [
  ["one-anti-aligned", "one anti-aligned student"],
  ["two-anti-aligned", "two anti-aligned"],
  ["three-anti-aligned", "three anti-aligned"],
  ["all-anti-aligned", "all anti-aligned"],
];
const FIRST = ["one-anti-aligned", "two-anti-aligned", "all-anti-aligned"];
const POINTS = 80;
const OPENING = { from: 4, to: 100 };
const { minimum: LOW, maximum: HIGH } = CONTRACT.continuation.from_width;
const { minimum: LEAST_LEAK, maximum: MOST_LEAK } = CONTRACT.continuation.leak;

export const wordsOf = (name) => KNOWN.find(([known]) => known === name)?.[1] ?? name;

function changesTable(answers) {
  const rows = [...answers].flatMap(([name, answer]) => answer.changes.map((change) => h("tr", {},
    h("th", { scope: "row" }, wordsOf(name)),
    h("td", { class: "number" }, change.width.toFixed(10)),
    h("td", {}, change.component),
    h("td", {}, change.space),
    h("td", {}, change.stable_above === change.stable_below
      ? "not a minimum on either side" : change.stable_above ? "minimum above" : "minimum below"))));
  if (!rows.length) return h("p", { class: "note" }, "No stability change in this range of widths.");
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of stability changes" },
    h("table", {}, h("thead", {}, h("tr", {},
      ["family", "width", "component", "space", "the family is a"].map((name, at) =>
        h("th", { scope: "col", class: at === 1 ? "number" : null }, term(name))))),
    h("tbody", {}, rows)));
}

export class FamiliesView {
  /** `on.changed(fields)` gets what belongs in the URL; `on.report(error)` what went wrong. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.answers = new Map();
    this.controller = null;
  }

  /** Draw the view for the state of the URL; the first time, or when that differs. */
  show(state) {
    if (!this.form) this.build();
    const names = state.families ? state.families.split(";") : FIRST;
    const from = Number(state.from) || OPENING.from;
    const to = Number(state.to) || OPENING.to;
    // The address has the leak as "slope": "leak" is a landscape's, which stays beside this view.
    const leak = Number(state.slope) || 0;
    const wanted = JSON.stringify([names, from, to, leak]);
    if (wanted === this.shown) return this.redraw();
    this.write(names, from, to, leak);
    this.load(names, from, to, leak);
  }

  build() {
    const chips = KNOWN.map(([name, words]) => h("label", { class: "chip" },
      h("input", { type: "checkbox", name: "known", value: name }), words));
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.form = h("form", { class: "families-form", novalidate: true, onsubmit: (event) => this.submit(event) },
      h("fieldset", {}, h("legend", { class: "unseen" }, "Families"), h("div", { class: "chips" }, chips)),
      h("label", {}, "other, separated by ;",
        h("input", { type: "text", name: "other", placeholder: "for example 2+* or 1+* extra 1",
          autocomplete: "off", spellcheck: "false" })),
      h("label", {}, "from width", h("input", { type: "number", name: "from", min: LOW, max: HIGH, step: "any" })),
      h("label", {}, "to width", h("input", { type: "number", name: "to", min: LOW, max: HIGH, step: "any" })),
      h("label", {}, "leak", h("input", { type: "number", name: "leak", min: LEAST_LEAK, max: MOST_LEAK, step: "any" })),
      h("button", { type: "submit", class: "primary" }, "Follow"));
    this.lossPlot = h("div", { class: "plot wide", id: "families-plot" });
    this.eigenPlot = h("div", { class: "plot medium", id: "families-eigenvalues" });
    this.legend = h("div", { class: "legend" });
    this.changes = h("div", {});
    this.reproduce = h("section", { class: "card reproduce", "aria-labelledby": "families-reproduce" });
    this.element.replaceChildren(
      h("header", { class: "headline" }, h("h1", {}, "Families along the width"),
        h("p", { class: "lead" }, "In the reduced equations the width is a real number, so a family of fixed " +
          "points can be followed through it: solid where it is a minimum, dotted where it is a saddle. " +
          "The leak is the slope of the units below zero; 0 is ReLU.")),
      h("section", { class: "card", "aria-label": "Choose families" }, this.form, this.problem),
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "Loss"),
        h("p", {}, "Crosses mark the widths at which an eigenvalue of the Hessian passes through zero.")),
      this.legend, this.lossPlot),
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "Smallest eigenvalue"),
        h("p", {}, "Over all components, in the teacher's span and perpendicular to it; a minimum is above zero.")),
      this.eigenPlot),
      h("section", { class: "card", "aria-labelledby": "changes-title" },
        h("h2", { id: "changes-title" }, "Stability changes"), this.changes),
      this.reproduce);
  }

  write(names, from, to, leak) {
    for (const box of this.form.querySelectorAll("[name=known]")) box.checked = names.includes(box.value);
    const known = KNOWN.map(([name]) => name);
    this.form.other.value = names.filter((name) => !known.includes(name)).join("; ");
    this.form.from.value = from;
    this.form.to.value = to;
    this.form.leak.value = leak;
  }

  submit(event) {
    event.preventDefault();
    const names = [...this.form.querySelectorAll("[name=known]:checked")].map((box) => box.value);
    names.push(...this.form.other.value.split(";").map((name) => name.trim()).filter(Boolean));
    const [from, to, leak] = ["from", "to", "leak"].map((name) => Number(this.form[name].value));
    const wrong = [from, to].some((width) => !(width >= LOW && width <= HIGH)) || from === to;
    if (!names.length) return this.complain("Choose a family, or write a structure with * for the size that grows.");
    if (wrong) return this.complain(`Two different widths from ${count(LOW)} to ${count(HIGH)} are needed.`);
    if (!(leak >= LEAST_LEAK && leak <= MOST_LEAK)) return this.complain(`A leak is a number from ${LEAST_LEAK} to ${MOST_LEAK}.`);
    this.on.changed({ families: names.join(";"), from: String(from), to: String(to), slope: leak ? String(leak) : null });
    return this.load(names, from, to, leak);
  }

  complain(text) {
    this.problem.textContent = text ?? "";
    show(this.problem, Boolean(text));
  }

  /** Ask for every family; each is drawn as it arrives. */
  async load(names, from, to, leak) {
    this.controller?.abort();
    const { signal } = (this.controller = new AbortController());
    this.shown = JSON.stringify([names, from, to, leak]);
    this.range = { from, to, leak };
    this.answers = new Map();
    this.complain(null);
    this.element.setAttribute("aria-busy", "true");
    const problems = [];
    await Promise.all(names.map(async (name) => {
      try {
        const parameters = { structure: name, from_width: from, to_width: to, points: POINTS, ...(leak && { leak }) };
        const answer = await continuation(parameters, signal);
        if (signal.aborted) return;
        this.answers.set(name, answer);
        this.redraw(names);
      } catch (error) {
        if (signal.aborted) return;
        problems.push(`${wordsOf(name)}: ${error.message}`);
        if (error instanceof ServiceError && error.status === 401) this.on.report(error);
      }
    }));
    if (signal.aborted) return;
    this.element.removeAttribute("aria-busy");
    this.complain(problems.join(" "));
    announce(`${plural(this.answers.size, "family", "families")} drawn.`);
  }

  redraw(names = [...this.answers.keys()]) {
    const ordered = new Map(names.filter((name) => this.answers.has(name)).map((name) => [name, this.answers.get(name)]));
    if (!ordered.size) return;
    drawFamilies(this.lossPlot, this.eigenPlot, this.legend, ordered, wordsOf);
    const ends = [...ordered].filter(([, answer]) => answer.ends).map(([name, answer]) =>
      h("p", { class: "note" }, `${wordsOf(name)} ends at width ${real(answer.ends.width, 8)}. ${answer.ends.reason}`));
    const folds = [...ordered].flatMap(([name, answer]) => answer.events.filter((event) => event.kind === "fold")
      .map((event) => h("p", { class: "note" },
        `${wordsOf(name)} folds back at width ${event.width.toFixed(10)}, at loss ${real(event.loss, 8)}.`)));
    this.changes.replaceChildren(changesTable(ordered), ...folds, ...ends);
    const stem = () => `families-${this.range.from}-${this.range.to}${this.range.leak ? `-leak${this.range.leak}` : ""}`;
    const opened = new Set([...this.reproduce.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
    this.reproduce.replaceChildren(
      h("h2", { id: "families-reproduce" }, "Reproduce, download"),
      ...familySnippets([...ordered.keys()], { ...this.range, points: POINTS }, opened),
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "quiet", onclick: () => saveJson(Object.fromEntries(ordered), `${stem()}.json`) }, "Families, JSON")),
      pictureButtons([["families", this.lossPlot, stem()]], (text) => this.complain(text)));
  }
}
