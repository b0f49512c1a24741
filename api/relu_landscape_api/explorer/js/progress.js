// A computation while it runs.

import { announce, h, show } from "./dom.js";
import { count, plural, seconds } from "./format.js";

const PHASES = {
  sample: "Following gradient flow from random starts",
  "slow starts": "Following the slowest starts",
  "second look": "Leaving saddles",
  classify: "Classifying the ends",
  structures: "Searching the symmetric families",
  transitions: "Following the flow from saddles",
  certify: "Proving",
};

/** A phase that this page does not know yet is shown by its own name. */
const phaseWords = (name) =>
  PHASES[name] ?? (name ? name[0].toUpperCase() + name.slice(1) : "Computing");

const STATES = {
  queued: "Waiting for a free place", cancelling: "Stopping", cancelled: "Stopped", failed: "Failed",
  finished: "Finished",
};

/** The progress panel; `cancel()` is called by its button. */
export class ProgressPanel {
  constructor(element, cancel) {
    this.element = element;
    this.title = h("h2", {}, "Computing");
    this.bar = h("progress", { max: "1", "aria-label": "Progress of this phase" });
    this.text = h("p", {});
    this.button = h("button", { type: "button", class: "quiet", onclick: cancel }, "Stop");
    element.replaceChildren(
      h("div", { class: "run-head" }, this.title, this.button), this.bar, this.text);
    this.reset();
  }

  reset() {
    this.status = { state: "queued", progress: {}, findings: [] };
    this.phase = null;
  }

  start() {
    this.reset();
    this.button.disabled = false;
    this.update({});
    show(this.element, true);
  }

  stop() {
    show(this.element, false);
  }

  /** Merge what is new; returns the whole status. */
  update(news) {
    this.status = { ...this.status, ...news };
    const { state, progress, findings } = this.status;
    const phase = STATES[state] ?? phaseWords(progress.phase);
    if (phase !== this.phase) announce(phase);
    this.phase = phase;
    this.title.textContent = phase;
    this.button.disabled = state === "cancelling";
    if (progress.tasks > 0 && !STATES[state]) this.bar.value = progress.fraction ?? 0;
    else this.bar.removeAttribute("value");
    const parts = [];
    if (progress.starts > 0) parts.push(`${count(progress.starts_done)} of ${plural(progress.starts, "start", "starts")}`);
    if (progress.tasks > 0) parts.push(`${progress.tasks_done} of ${plural(progress.tasks, "chunk", "chunks")} of this phase`);
    if (findings?.length) parts.push(`${plural(findings.length, "fixed point", "fixed points")} so far`);
    if (progress.seconds_left != null) parts.push(`${seconds(progress.seconds_left)} left`);
    this.text.textContent = parts.join(" · ") || "The first figures come in a moment.";
    return this.status;
  }
}

/** Partial findings as points for ladder and table: probabilities from the hits so far. */
export function provisional(findings) {
  const total = findings.reduce((sum, point) => sum + (point.hits ?? 0), 0);
  return findings.map((point) => ({
    ...point,
    is_global: point.kind === "global_continuum" || (point.kind === "minimum" && point.loss < ZERO_LOSS),
    attraction: point.hits && total ? { ...wilson(point.hits, total), hits: point.hits } : null,
  })).sort((a, b) => a.loss - b.loss);
}

// Provisional points come before the engine has said which are global. Spurious minima known to
// any width up to 512 lie above 1e-4, converged global ones below 1e-12.
const ZERO_LOSS = 1e-9;

/** Wilson's score interval at 95% for provisional hits; final ones come from the service. */
function wilson(hits, total) {
  const z = 1.959963984540054;
  const p = hits / total;
  const scale = 1 + (z * z) / total;
  const middle = (p + (z * z) / (2 * total)) / scale;
  const half = (z / scale) * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total));
  return { probability: p, interval_95: [Math.max(0, middle - half), Math.min(1, middle + half)] };
}
