// A computation while it runs.

import { words } from "./contract.js";
import { announce, h, show } from "./dom.js";
import { count, plural, seconds } from "./format.js";

/** A phase that this page does not know yet is shown by its own name. */
function phaseWords(name) {
  if (!name) return words("states", "running");
  const text = words("phases", name);
  return text[0].toUpperCase() + text.slice(1);
}

/** The time left, with its range where the service says one that is told apart. */
function timeLeft({ seconds_left: left, seconds_left_range: range }) {
  const ends = (range ?? [left]).map(seconds);
  return ends[0] === ends.at(-1) ? ends[0] : `${ends[0]} to ${ends.at(-1)}`;
}

const LANDSCAPE = {
  phase: phaseWords, found: (findings) => `${plural(findings.length, "fixed point", "fixed points")} so far`,
};

/**
 * The progress panel; `cancel()` is called by its button. `say` has the words of another kind:
 * `phase(name)`, and `found(findings)`.
 */
export class ProgressPanel {
  constructor(element, cancel, say = LANDSCAPE) {
    this.element = element;
    this.say = say;
    this.title = h("h2", {}, "Computing");
    this.bar = h("progress", { max: "1", "aria-label": "Progress of this phase" });
    this.text = h("p", {});
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.button = h("button", { type: "button", class: "quiet", onclick: cancel }, "Stop");
    element.replaceChildren(
      h("div", { class: "run-head" }, this.title, this.button), this.bar, this.text,
      this.problem);
    this.reset();
  }

  reset() {
    this.status = { state: "queued", progress: {}, findings: [] };
    this.phase = null;
  }

  start() {
    this.reset();
    this.silent(null);
    this.button.disabled = false;
    this.update({});
    show(this.element, true);
  }

  stop() {
    show(this.element, false);
  }

  /** Say that the service is silent, or (null) that it is back. */
  silent(sentence) {
    this.problem.textContent = sentence ? `${sentence} What is computed is kept; asking again every second.` : "";
    show(this.problem, Boolean(sentence));
  }

  /** Merge what is new; returns the whole status. */
  update(news) {
    this.status = { ...this.status, ...news };
    const { state, progress, findings } = this.status;
    const runs = state === "running";
    const phase = runs ? this.say.phase(progress.phase) : words("states", state);
    if (phase !== this.phase) announce(phase);
    this.phase = phase;
    this.title.textContent = phase;
    this.button.disabled = state === "cancelling";
    if (progress.tasks > 0 && runs) this.bar.value = progress.fraction ?? 0;
    else this.bar.removeAttribute("value");
    const parts = [];
    const before = this.status.waiting_before;
    if (state === "queued" && before > 0) parts.push(`${plural(before, "computation", "computations")} before it`);
    if (progress.starts > 0) parts.push(`${count(progress.starts_done)} of ${plural(progress.starts, "start", "starts")}`);
    if (progress.tasks > 0) parts.push(`${progress.tasks_done} of ${plural(progress.tasks, "chunk", "chunks")} of this phase`);
    if (findings?.length) parts.push(this.say.found(findings));
    if (progress.seconds_left != null) parts.push(`${timeLeft(progress)} left`);
    this.text.textContent = parts.join(" · ") || "The first figures come in a moment.";
    return this.status;
  }
}

/**
 * Partial findings as points for ladder and table. A share of the ends so far comes without an
 * interval: which ends are one point, and how sure the share is, the service says in the result.
 */
export function provisional(findings) {
  const total = findings.reduce((sum, point) => sum + point.hits, 0);
  return findings.map((point) => ({
    ...point,
    attraction: total ? { probability: point.hits / total, interval_95: null, hits: point.hits } : null,
  })).sort((a, b) => a.loss - b.loss);
}
