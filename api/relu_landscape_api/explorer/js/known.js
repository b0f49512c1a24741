// The landscapes that the service holds: newest first, with a filter.

import { $, h, show } from "./dom.js";
import { count } from "./format.js";
import { equation } from "./typeset.js";

/** So many are listed before a button asks for the others. */
const FIRST = 8;

const date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** What a person would search for: widths, seed, date, options. */
function haystack({ request, finished_at: finished }) {
  return [`K=${request.student_width}`, `M=${request.teacher_width}`, `seed=${request.seed}`, `d=${request.input_dimension}`,
    `starts=${request.starts}`, request.saddles && "saddles", request.certify !== "none" && `certified ${request.certify}`,
    request.widen && "widened", request.teacher_gram != null && "teacher given", finished && date.format(new Date(finished))]
    .filter(Boolean).join(" ").toLowerCase();
}

/** Every word of the filter occurs; "k = 7" is read as "k=7", and a bare number as a whole one. */
function matches(item, filter) {
  const text = haystack(item);
  return filter.toLowerCase().replace(/\s*=\s*/g, "=").split(/[\s,]+/).filter(Boolean).every((word) =>
    (/^\d+$/.test(word) ? new RegExp(`\\b${word}\\b`).test(text)
      : /=\d+$/.test(word) ? text.split(" ").includes(word) : text.includes(word)));
}

class KnownList {
  /** `on.open(status)` shows one, `on.compare(status)` adds it to the comparison, `on.more(cursor)` resolves to the next page of the service. */
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.items = [];
    this.all = false;
    this.filter = h("input", { type: "text", id: "known-filter", placeholder: "K=7, seed=0, Nov 2026", autocomplete: "off",
      spellcheck: "false", "aria-label": "Filter the known landscapes", oninput: () => this.draw() });
    this.list = h("ul", {});
    this.rest = h("button", { type: "button", class: "quiet", onclick: () => this.more() });
    this.note = h("p", { class: "note", role: "status" });
    element.replaceChildren(h("h2", {}, "Known here"), this.filter, this.list, this.note, this.rest);
  }

  set({ items, next_cursor: cursor }) {
    this.items = items.filter((item) => item.state === "finished");
    this.cursor = cursor;
    this.draw();
  }

  async more() {
    if (!this.all) this.all = true;
    else {
      const { items, next_cursor: cursor } = await this.on.more(this.cursor);
      this.items.push(...items.filter((item) => item.state === "finished"));
      this.cursor = cursor;
    }
    this.draw();
  }

  draw() {
    show(this.element, this.items.length > 0);
    const found = this.items.filter((item) => matches(item, this.filter.value));
    const shown = this.all ? found : found.slice(0, FIRST);
    this.list.replaceChildren(...shown.map((item) => this.entry(item)));
    this.note.textContent = found.length ? "" : "None of those listed so far matches.";
    show(this.note, !found.length);
    const hidden = found.length - shown.length;
    show(this.rest, hidden > 0 || Boolean(this.cursor && (this.all || !found.length)));
    this.rest.textContent = hidden > 0 ? `${count(hidden)} more` : "Older ones";
    if (!hidden) this.all = true;
  }

  entry(item) {
    const { student_width: students, teacher_width: teachers, starts, seed, saddles, certify } = item.request;
    const facts = [`${count(starts)} starts`, `seed ${seed}`, saddles && "saddles", certify !== "none" && "certified",
      item.finished_at && date.format(new Date(item.finished_at))].filter(Boolean);
    const name = `${students} students, ${teachers} teachers, seed ${seed}`;
    return h("li", {},
      h("button", { type: "button", class: "link", onclick: () => this.on.open(item) },
        equation("K", students), ", ", equation("M", teachers), h("small", {}, facts.join(" · "))),
      h("button", { type: "button", class: "quiet small", "aria-label": `Compare ${name}`, onclick: () => this.on.compare(item) },
        "Compare"));
  }
}

/** The list in its place on the page. */
export const knownList = (on) => new KnownList($("recent"), on);
