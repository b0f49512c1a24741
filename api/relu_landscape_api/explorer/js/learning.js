// The views of learning: trajectories, frequencies of SGD, learning rates, sweeps, rules. Their modules and
// style are loaded when one is first opened, since most visits see landscapes alone.

import { h, show } from "./dom.js";

const MODULES = {
  trajectories: () => import("./learning/trajectories.js"),
  frequencies: () => import("./learning/frequencies.js"),
  rates: () => import("./learning/rates.js"),
  sweeps: () => import("./learning/sweeps.js"),
  descents: () => import("./learning/descents.js"),
};

let style = null;

/** The style sheet of these views, once. */
const styled = () => (style ??= new Promise((resolve, reject) => document.head.append(
  h("link", { rel: "stylesheet", href: "explorer/css/learning.css", onload: resolve,
    onerror: () => reject(new Error("The style of this view could not be loaded.")) }))));

export class Learning {
  /** `on`: changed(asked, push), report(error), landscape(), onServer(), open(id, point). */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.views = new Map();
  }

  /** What a view asks for now, as texts of its address. */
  asked(view) {
    return this.views.get(view)?.asked ?? {};
  }

  /** Show the view of an address, loading it the first time. */
  async show({ view, asked }) {
    this.wanted = view;
    if (!this.views.has(view)) {
      try {
        const [{ View }] = await Promise.all([MODULES[view](), styled()]);
        if (!this.views.has(view)) {
          const place = h("div", { class: "learning", id: `${view}-view` });
          this.element.append(place);
          this.views.set(view, new View(place, this.on));
        }
      } catch (error) {
        style = null;
        this.element.replaceChildren(h("p", { class: "problem", role: "alert" }, `This view could not be loaded: ${error.message}`));
        return;
      }
    }
    for (const [name, { element }] of this.views) show(element, name === this.wanted);
    if (this.wanted === view) this.views.get(view).show(asked);
  }
}
