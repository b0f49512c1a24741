// The Hessian's spectrum: every eigenvalue with its multiplicity, in the teacher's span and
// perpendicular to it.

import { draw } from "./chart/mount.js";
import { padded } from "./chart/scale.js";
import { CONTRACT, words } from "./contract.js";
import { h } from "./dom.js";
import { term } from "./glossary.js";
import { typeset } from "./typeset.js";
import { count, real, smallestEigenvalue } from "./format.js";

const SYMBOLS = { span: "circle", perpendicular: "square" };

/** Stems from the bottom of the logarithmic axis to the multiplicity, and their heads. */
function stems(lines, space, colour, floor) {
  return [
    { type: "path", stroke: colour, width: 2, opacity: 0.55,
      points: lines.flatMap(({ eigenvalue, multiplicity }) => [[eigenvalue, floor], [eigenvalue, Number(multiplicity)], null]) },
    ...lines.map((line) => ({
      type: "point", x: line.eigenvalue, y: Number(line.multiplicity), r: 4.5, shape: SYMBOLS[space], fill: colour,
      lines: [real(line.eigenvalue, 8), `${count(line.multiplicity)} times, ${words("spaces", space)}`],
    })),
  ];
}

/** All eigenvalues as a table; made when opened, since a point without symmetry has thousands. */
function numbers(lines) {
  const details = h("details", { class: "numbers" }, h("summary", {}, "Eigenvalues as numbers"));
  const table = () => h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "eigenvalue"),
      h("th", { scope: "col", class: "number" }, "multiplicity"), h("th", { scope: "col" }, "space"))),
    h("tbody", {}, [...lines].sort((a, b) => a.eigenvalue - b.eigenvalue).map((line) =>
      h("tr", {}, h("td", { class: "number" }, typeset(real(line.eigenvalue, 12))),
        h("td", { class: "number" }, count(line.multiplicity)),
        h("td", {}, line.space)))));
  details.addEventListener("toggle", () => details.append(
    h("div", { class: "scroll long", tabindex: "0", role: "region", "aria-label": "Table of eigenvalues" }, table())),
  { once: true });
  return details;
}

function describe(point) {
  const { stability } = point;
  const total = stability.spectrum.length;
  return `Spectrum of ${total} distinct eigenvalues, smallest ${real(smallestEigenvalue(stability))}, ` +
    `index ${count(stability.index)}, nullity ${count(stability.nullity)}.`;
}

/** Picture and table of the spectrum, as elements for the point's view. */
export function spectrum(point) {
  const lines = point.stability.spectrum;
  const target = h("div", { class: "plot medium" });
  const spaces = Object.keys(CONTRACT.spaces).filter((space) => lines.some((line) => line.space === space));
  const element = h(
    "div", {},
    h("div", { class: "legend" }, spaces.map((space) =>
      h("span", { class: "key" }, h("i", { class: `mark ${space}`, "aria-hidden": "true" }), term(words("spaces", space))))),
    target,
    numbers(lines),
  );
  const render = () => draw(target, (theme) => {
    const values = lines.map((line) => line.eigenvalue);
    const [low, high] = padded(Math.min(0, ...values), Math.max(...values), 0.05);
    const most = Math.max(...lines.map((line) => Number(line.multiplicity)));
    const floor = 0.6;
    const colour = { span: theme.accent, perpendicular: theme.soft };
    return {
      x: { title: "eigenvalue of the Hessian", range: [low, high], zero: true },
      y: { title: "multiplicity", kind: "log", range: [floor, 1.8 * Math.max(most, 2)] },
      marks: [
        ...(values.some((value) => value < -point.stability.eigenvalue_tolerance)
          ? [{ type: "band", x0: low, x1: 0, fill: theme.negative, opacity: 0.12 }] : []),
        ...spaces.flatMap((space) => stems(lines.filter((line) => line.space === space), space, colour[space], floor)),
      ],
      legend: spaces.map((space) => ({ shape: SYMBOLS[space], fill: colour[space], text: words("spaces", space) })),
      along: "x",
      form: "wide",
    };
  }, { label: describe(point) });
  return { element, render, pictures: { spectrum: target } };
}
