// Computations of the service that a view asks for together: one panel for each while it runs.

import * as api from "../api.js";
import { announce, h } from "../dom.js";
import { ProgressPanel } from "../progress.js";
import { learned } from "./words.js";

/** An error as a sentence; where a key is wanted, with the place that takes it. */
export const sentenceOf = (error) =>
  (error.status === 401 ? `${error.message} The view Landscape has the field for the key.` : error.message);

const LATE = "The service has not answered for some seconds.";
const upper = (text) => text[0].toUpperCase() + text.slice(1);

export class Jobs {
  /**
   * `kind`: trajectories, frequencies, sweeps. `on`: done(name, result), settled(), problem(sentence
   * or null), report(error); `found(findings)` says what there is so far.
   */
  constructor(element, kind, on) {
    Object.assign(this, { element, kind, on, running: new Map(), turn: 0 });
  }

  /** Stop following; what runs at the service goes on. */
  leave() {
    this.turn += 1;
    for (const { stop } of this.running.values()) stop?.();
    this.running.clear();
    this.element.replaceChildren();
  }

  /** Ask for each of {name: {request, words}}; resolves to the ids by name, of those that were taken. */
  async ask(questions) {
    return this.begin(questions, ({ request }) => api.submit(request, this.kind));
  }

  /** Look at each of {name: {id, words}}; computes nothing. */
  async open(questions) {
    return this.begin(questions, ({ id }) => api.result(this.kind, id), true);
  }

  async begin(questions, question, isKnown = false) {
    this.leave();
    const turn = this.turn;
    const ids = {};
    const problems = [];
    await Promise.all(Object.entries(questions).map(async ([name, asked]) => {
      try {
        const answer = await api.patiently(question(asked), () => turn === this.turn && this.on.problem(LATE));
        if (turn !== this.turn) return;
        ids[name] = answer.id;
        if (api.isResult(answer)) this.on.done(name, answer);
        else if (["queued", "running", "cancelling"].includes(answer.state)) this.follow(name, asked.words, answer);
        else problems.push(`${asked.words}: ${answer.error || `the computation was ${answer.state}.`} Press the button to start it again.`);
      } catch (error) {
        if (turn !== this.turn) return;
        problems.push(isKnown && error.status === 404
          ? `${asked.words}: this service does not hold what the address names. Press the button to compute it.`
          : `${asked.words}: ${sentenceOf(error)}`);
        if (error.status === 401) this.on.report(error);
      }
    }));
    if (turn !== this.turn) return null;
    this.on.problem(problems.join(" ") || null);
    this.settle();
    return ids;
  }

  follow(name, words, status) {
    const place = h("section", { class: "run", "aria-label": `Progress: ${words}` });
    const stop = async () => {
      try {
        panel.update(await api.cancel(status.id, this.kind));
      } catch (error) {
        this.on.problem(sentenceOf(error));
      }
    };
    const panel = new ProgressPanel(place, stop, {
      phase: (phase) => `${words}: ${phase ? learned("phases", phase).toLowerCase().replace("sgd", "SGD") : "computing"}`,
      found: (findings) => this.on.found(findings),
    });
    this.element.append(place);
    panel.start();
    panel.update(status);
    const end = () => {
      place.remove();
      this.running.delete(name);
    };
    this.running.set(name, { stop: api.follow(status.id, {
      status: (news) => panel.update(news),
      silent: (sentence) => panel.silent(sentence),
      done: (result) => {
        end();
        this.on.done(name, result);
        announce(`${upper(words)}: ready.`);
        this.settle();
      },
      failed: (error) => {
        end();
        this.on.problem(`${words}: ${error.message}`);
        this.settle();
      },
    }, this.kind) });
  }

  settle() {
    if (!this.running.size) this.on.settled();
  }
}
