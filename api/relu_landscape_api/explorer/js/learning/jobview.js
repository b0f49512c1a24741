// A view of one computation: its form, its progress, and what the address holds of it.

import { announce, h, show } from "../dom.js";
import { AskForm } from "./form.js";
import { Jobs } from "./jobs.js";

export class JobView {
  /**
   * `about`: {kind, title, lead, fields, button, words, found(findings), own}; `own` names what of the
   * address is how the result is shown. A view draws its answer in `draw()`, into `this.results`.
   */
  constructor(element, on, about) {
    Object.assign(this, { element, on, about, asked: {}, answer: null, job: null, shownBy: {} });
    this.form = new AskForm(about.fields, { button: about.button, submit: () => this.submit(), label: about.title });
    this.note = h("p", { class: "address-note", role: "status", hidden: true });
    this.progress = h("div", { class: "runs" });
    this.results = h("div", { class: "results", hidden: true });
    this.jobs = new Jobs(this.progress, about.kind, {
      done: (_, answer) => this.take(answer), settled: () => this.form.busy(false),
      problem: (sentence) => this.form.complain(sentence), report: (error) => on.report(error), found: about.found,
    });
    element.replaceChildren(
      h("header", { class: "headline" }, h("h1", {}, about.title), h("p", { class: "lead" }, about.lead)),
      this.note, h("section", { class: "card", "aria-label": "What to compute" }, this.form.element), this.progress, this.results);
  }

  /** Show what an address asks; it computes nothing. */
  show(asked) {
    if (JSON.stringify(asked) === this.shown) return this.redraw();
    this.shown = JSON.stringify(asked);
    this.asked = asked;
    const { job = null, ...texts } = asked;
    this.shownBy = Object.fromEntries(Object.entries(texts).filter(([name]) => this.about.own.includes(name)));
    const known = [...this.about.own, ...this.form.fields.map(({ name }) => name)];
    this.say([...this.form.write(texts), ...Object.keys(texts).filter((name) => !known.includes(name)).map((name) => `The page knows no ${name}.`)]);
    if (job === this.job) return this.redraw();
    this.clear();
    this.job = job;
    if (job) this.jobs.open({ job: { id: job, words: this.about.words } });
  }

  say(sentences) {
    this.note.textContent = sentences.join(" ");
    show(this.note, sentences.length > 0);
  }

  /** Put what is shown into the address. */
  write(push = false) {
    this.asked = { ...this.form.asked(), ...this.shownBy, ...(this.job && { job: this.job }) };
    this.shown = JSON.stringify(this.asked);
    this.on.changed(this.asked, push);
  }

  /** How the result is shown, by a name of the address; null: as at first. */
  showBy(name, value) {
    if (value == null) delete this.shownBy[name];
    else this.shownBy[name] = value;
    this.write();
    this.redraw();
  }

  clear() {
    this.jobs.leave();
    this.answer = this.job = null;
    show(this.results, false);
    this.form.complain(null);
  }

  async submit() {
    try {
      const request = this.about.request(this.form.read());
      this.clear();
      this.form.busy(true);
      const ids = await this.jobs.ask({ job: { request, words: this.about.words } });
      if (!ids) return;
      this.job = ids.job ?? null;
      this.write(true);
    } catch (error) {
      this.form.busy(false);
      this.form.complain(error.message);
    }
  }

  take(answer) {
    this.answer = answer;
    show(this.results, true);
    this.redraw();
    announce(`${this.about.title}: the result is shown.`);
  }

  redraw() {
    if (this.answer) this.draw();
  }
}
