// The table of fixed points with a filter, which the address keeps. Nothing else hides a row.

import { h, show } from "./dom.js";
import { count, foundWords, isCertified, kindWords, plural } from "./format.js";
import { drawTable } from "./table.js";

/** Blocks in one order, so that 16+1 is 1+16. */
const inOrder = (blocks) => blocks.split("+").sort((a, b) => a - b).join("+");

/** The words of a point's row, key first. */
function wordsOf(point, request) {
  const said = [point.key, kindWords(point, request), point.structure?.name,
    isCertified(point) && "certified", ...(point.found_by ? foundWords(point) : [])];
  return said.filter(Boolean).join(" ").toLowerCase().split(/[\s,]+/);
}

/** Letters of a key, whole keys, whole numbers, blocks in any order; of other words the beginning. */
function occurs(word, words) {
  if (/^[a-z]$/.test(word)) return words[0].startsWith(word);
  if (/^[a-z]?\d+$/.test(word)) return words.includes(word);
  return words.some((each) => each.startsWith(word) || (word.includes("+") && inOrder(each) === inOrder(word)));
}

/** The points of which every word of the filter occurs. */
export function filtered(points, text, request) {
  const asked = text.toLowerCase().replace(/\s*\+\s*/g, "+").split(/[\s,]+/).filter(Boolean);
  return points.filter((point) => {
    const words = wordsOf(point, request);
    return asked.every((word) => occurs(word, words));
  });
}

export class FilteredTable {
  /** `changed(text)` hears of every change that the reader makes; null is no filter. */
  constructor(element, table, changed) {
    this.element = element;
    this.table = table;
    this.changed = changed;
    this.field = h("input", {
      type: "text", id: "points-filter", placeholder: "m, saddle, 1+16, certified", autocomplete: "off", spellcheck: "false",
      oninput: () => this.ask(this.field.value),
      onkeydown: ({ key }) => key === "Escape" && this.ask(""),
    });
    this.all = h("button", { type: "button", class: "quiet small", onclick: () => this.ask("") }, "Show all");
    this.note = h("p", { class: "note", role: "status" });
    element.replaceChildren(h("label", { for: "points-filter" }, "Filter"), this.field, this.all, this.note);
  }

  /** Every row, without a filter. */
  drawAll(points, context) {
    show(this.element, false);
    drawTable(this.table, points, context);
  }

  draw(points, context, text) {
    Object.assign(this, { points, context });
    show(this.element, true);
    // What is being typed is left alone, spaces at its end too.
    if (this.field.value.trim() !== (text ?? "")) this.field.value = text ?? "";
    this.fill();
  }

  ask(text) {
    this.field.value = text;
    if (!text) this.field.focus();
    this.changed(text.trim() || null);
    this.fill();
  }

  fill() {
    const text = this.field.value.trim();
    const found = filtered(this.points, text, this.context.request);
    show(this.all, text !== "");
    const of = plural(this.points.length, "point", "points");
    this.note.textContent = !text ? "" : found.length ? `${count(found.length)} of ${of}` : `None of ${of} matches.`;
    drawTable(this.table, found, this.context);
  }
}
