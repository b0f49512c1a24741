// The Hessian's spectrum: every eigenvalue with its multiplicity, in the teacher's span and
// perpendicular to it.

import { CONTRACT, words } from "./contract.js";
import { h } from "./dom.js";
import { count, real, smallestEigenvalue } from "./format.js";
import { axis, draw, padded } from "./plot.js";

const SYMBOLS = { span: "circle", perpendicular: "square" };

/** Stems from the bottom of the logarithmic axis to the multiplicity. */
function stems(lines, space, colour, floor) {
  const x = [];
  const y = [];
  for (const line of lines) {
    x.push(line.eigenvalue, line.eigenvalue, null);
    y.push(floor, Number(line.multiplicity), null);
  }
  return [
    { type: "scatter", mode: "lines", x, y, line: { color: colour, width: 2 }, hoverinfo: "skip", opacity: 0.55 },
    {
      type: "scatter",
      mode: "markers",
      x: lines.map((line) => line.eigenvalue),
      y: lines.map((line) => Number(line.multiplicity)),
      marker: { color: colour, size: 9, symbol: SYMBOLS[space] },
      text: lines.map((line) => `${real(line.eigenvalue, 8)}<br>${count(line.multiplicity)} times, ${words("spaces", space)}`),
      hovertemplate: "%{text}<extra></extra>",
    },
  ];
}

/** All eigenvalues as a table; made when opened, since a point without symmetry has thousands. */
function numbers(lines) {
  const details = h("details", { class: "numbers" }, h("summary", {}, "Eigenvalues as numbers"));
  const table = () => h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "eigenvalue"),
      h("th", { scope: "col", class: "number" }, "multiplicity"), h("th", { scope: "col" }, "space"))),
    h("tbody", {}, [...lines].sort((a, b) => a.eigenvalue - b.eigenvalue).map((line) =>
      h("tr", {}, h("td", { class: "number" }, real(line.eigenvalue, 12)),
        h("td", { class: "number" }, count(line.multiplicity)),
        h("td", {}, line.space)))));
  details.addEventListener("toggle", () => details.append(
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of eigenvalues" }, table())),
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
      h("span", { class: "key" }, h("i", { class: `mark ${space}`, "aria-hidden": "true" }), words("spaces", space)))),
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
      data: spaces.flatMap((space) =>
        stems(lines.filter((line) => line.space === space), space, colour[space], floor)),
      layout: {
        xaxis: axis(theme, { title: "eigenvalue", range: [low, high], zeroline: true, zerolinewidth: 1.5, showgrid: false }),
        yaxis: axis(theme, {
          title: "multiplicity", type: "log", range: [Math.log10(floor), Math.log10(Math.max(most, 2)) + 0.25],
          tickformat: "~s", dtick: 1,
        }),
        shapes: values.some((value) => value < -point.stability.eigenvalue_tolerance)
          ? [{ type: "rect", xref: "x", yref: "paper", x0: low, x1: 0, y0: 0, y1: 1, layer: "below",
              fillcolor: theme.negative, opacity: 0.12, line: { width: 0 } }]
          : [],
      },
    };
  }, { label: describe(point) });
  return { element, render, pictures: { spectrum: target } };
}
