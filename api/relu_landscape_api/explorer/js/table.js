// All fixed points as a table: the same content as the ladder, for reading, keyboards and screen
// readers. The button in the first column chooses a point.

import { h } from "./dom.js";
import {
  count, family, foundWords, interval, isCertified, kindWords, loss, real, smallestEigenvalue, structureWords,
} from "./format.js";
import { term } from "./glossary.js";
import { typeset } from "./typeset.js";

function row(point, context) {
  const { stability, structure } = point;
  return h(
    "tr", { class: point.key === context.chosen ? "chosen" : null },
    h("th", { scope: "row" },
      h("button", {
        type: "button", class: "pick", onclick: () => context.choose(point.key),
        "aria-pressed": String(point.key === context.chosen), "aria-label": `Show ${point.key}`,
      }, h("i", { class: `mark ${family(point)}`, "aria-hidden": "true" }), point.key)),
    h("td", { class: "nowrap" }, kindWords(point, context.request), isCertified(point) &&
      h("span", { class: "badge", title: "certified" }, h("span", { "aria-hidden": "true" }, "✓"),
        h("span", { class: "unseen" }, ", certified"))),
    h("td", { class: "number" }, typeset(loss(point, 10))),
    h("td", { class: structure?.name.startsWith("irregular") ? null : "nowrap" }, structure ? structureWords(structure.name) : "–"),
    h("td", { class: "number nowrap" }, interval(point.attraction)),
    h("td", { class: "number" }, typeset(stability ? real(smallestEigenvalue(stability)) : "–")),
    h("td", { class: "number" }, stability ? count(stability.index) : "–"),
    h("td", { class: "nowrap" }, point.found_by ? foundWords(point).join(", ") : "–"),
  );
}

const HEADINGS = [
  ["point", ""], ["kind", ""], ["loss", "number"], ["structure", ""], ["probability", "number"],
  ["smallest eigenvalue", "number"], ["index", "number"], ["found by", ""],
];

/** Fill the region with the table of `points`. */
export function drawTable(element, points, context) {
  const refocus = element.contains(document.activeElement)
    ? document.activeElement.getAttribute("aria-label") : null;
  element.replaceChildren(
    h("table", {},
      h("thead", {}, h("tr", {}, HEADINGS.map(([name, kind]) => h("th", { scope: "col", class: kind || null }, term(name))))),
      h("tbody", {}, points.map((point) => row(point, context)))),
  );
  if (refocus) element.querySelector(`[aria-label="${refocus}"]`)?.focus({ preventScroll: true });
}

/** What the structured search covered: "not found" and "not looked for" are told apart here. */
export function drawSearched(element, landscape) {
  const { explanation, structures, pathways_without_end: endless } = landscape.searched;
  element.hidden = false;
  const cell = (value) => h("td", { class: "number" }, count(value ?? 0));
  element.replaceChildren(
    h("summary", {}, "What was searched"),
    h("p", { class: "note" }, explanation),
    ...(structures.length ? [h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Structures searched" },
      h("table", {}, h("thead", {}, h("tr", {}, ["structure", "starts", "critical points", "minima", "search"].map(
        (name, at) => h("th", { scope: "col", class: at && at < 4 ? "number" : null }, name)))),
      h("tbody", {}, structures.map((row) => h("tr", {}, h("th", { scope: "row" }, structureWords(row.structure)),
        cell(row.starts), cell(row.points), cell(row.minima),
        h("td", {}, row.complete ? "complete" : "stopped at its limit"))))))] : []),
    ...(endless.length ? [h("p", { class: "note" }, "Saddles whose pathway could not be told:"),
      h("ul", { class: "note" }, endless.map(({ saddle, reason }) => h("li", {}, `${saddle}: ${reason}`)))] : []),
  );
}
