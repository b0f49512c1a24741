// One chosen fixed point in full: facts, overlaps, spectrum, certificate.

import { certificateWords } from "./certificate.js";
import { words } from "./contract.js";
import { $, h } from "./dom.js";
import { count, family, foundWords, interval, kindWords, real, structureWords } from "./format.js";
import { term } from "./glossary.js";
import { overlaps } from "./overlaps.js";
import { spectrum } from "./spectrum.js";
import { group, typeset } from "./typeset.js";

function stabilityWords(point) {
  const { stability } = point;
  if (point.kind === "global_continuum") {
    return `Attractive: a connected set of dimension ${count(point.continuum_dimension)} on which the ` +
      "loss is zero; flow approaches it with a power law, not exponentially.";
  }
  if (stability.attractive) {
    const time = stability.relaxation_time;
    return "Attractive: no direction lowers the loss" +
      (time ? `; the slowest mode of gradient flow has relaxation time ${real(time, 4)}.` : ".");
  }
  return `Not attractive: ${count(stability.index)} ${Number(stability.index) === 1 ? "direction lowers" : "directions lower"} the loss.`;
}

function norms(point) {
  const groups = new Map();
  for (const norm of point.norms) {
    const key = real(norm, 7);
    groups.set(key, (groups.get(key) ?? 0) + 1);
  }
  const parts = [...groups].map(([norm, times]) => (times > 1 ? `${norm} (${times} times)` : norm));
  return parts.length > 6 ? `${parts.slice(0, 6).join(", ")}, …` : parts.join(", ");
}

/** "s1 joins m1 and m2, barriers 0.0234 and 0.0002", for each pathway that touches the point. */
function pathwaysOf(point, landscape) {
  return landscape.pathways
    .filter(({ saddle, minima }) => saddle === point.key || minima.includes(point.key))
    .map(({ saddle, minima: [a, b], relation, barriers }) => {
      const what = words("relations", relation).replace("{a}", a).replace("{b}", b);
      const heights = [...new Set(barriers.map((value) => real(value, 4)))];
      return `${saddle} ${what}, ${heights.length > 1 ? "barriers" : "barrier"} ${heights.join(" and ")}`;
    });
}

/** The index with its parts: a direction perpendicular to the span occurs once per dimension. */
function indexWords({ index, index_span: span, index_perpendicular: perpendicular }) {
  return Number(perpendicular) === 0 ? count(index)
    : `${count(index)} (${count(span)} in the teacher's span, ${count(perpendicular)} per perpendicular dimension)`;
}

/** What the best student gains when it is added, and where gradient flow goes from there. */
function widerWords({ best, splits }) {
  if (!best) return "none lowers the loss";
  const { leads_to: end } = best;
  const lines = splits.filter((split) => split.saddle_line).length;
  const there = end.is_global ? "zero loss" : `${structureWords(end.structure ?? "")}, loss ${real(end.loss, 7)}`;
  return `the best lowers the loss by ${real(best.gain, 4)}` +
    (end.loss == null ? "" : `; the flow then ends at ${there}`) +
    `; split in two, ${count(lines)} of ${count(splits.length)} make a line of saddles`;
}

function facts(point, landscape) {
  const { stability, structure } = point;
  const pathways = pathwaysOf(point, landscape);
  return [
    ["loss", real(point.loss, 13)],
    ["structure", h("span", {}, `${structureWords(structure.name)}, isotropy `, group(structure.isotropy))],
    ["labelled copies", count(structure.orbit_size)],
    ["anti-aligned students", count(structure.anti_aligned)],
    ["student norms", norms(point)],
    ["probability", point.attraction
      ? `${interval(point.attraction)}, ${count(point.attraction.hits)} of ${count(landscape.starts.asked)} starts` : "never an end of gradient flow"],
    ["attributed by proof", point.attraction?.attributed != null ? `${count(point.attraction.attributed)} starts` : null],
    ["found by", foundWords(point).join(", ")],
    ["index, nullity", `${indexWords(stability)}, ${count(stability.nullity)}`],
    ["smallest eigenvalue", `${real(stability.min_eigenvalue_span, 8)} in the teacher's span` +
      (stability.min_eigenvalue_perpendicular != null ? `; ${real(stability.min_eigenvalue_perpendicular, 8)} perpendicular` : "")],
    ["gradient norm", real(stability.gradient_norm, 2)],
    ["one more student", point.widening ? widerWords(point.widening) : null],
    pathways.length ? ["pathways", h("ul", {}, pathways.slice(0, 8).map((text) => h("li", {}, typeset(text))),
      pathways.length > 8 && h("li", {}, `and ${pathways.length - 8} more`))] : null,
  ].filter((fact) => fact && fact[1] != null);
}

function stepper(point, points, choose) {
  const at = points.indexOf(point);
  const step = (by, name) => {
    const next = points[at + by];
    return h("button", {
      type: "button", class: "quiet", disabled: !next, "aria-label": `${name} fixed point`,
      onclick: () => choose(next.key, true),
    }, by < 0 ? "←" : "→");
  };
  return h("div", { class: "stepper" }, step(-1, "Previous"), step(1, "Next"));
}

/** Show `point`; returns its pictures by name, for downloads. */
export function drawPoint(element, point, landscape, choose) {
  if (!point) {
    element.hidden = true;
    return {};
  }
  element.hidden = false;
  const matrices = overlaps(point, landscape.request);
  const lines = spectrum(point);
  const focused = element.contains(document.activeElement)
    ? document.activeElement.getAttribute("aria-label") : null;
  element.replaceChildren(
    h("header", { class: "point-head" },
      h("h2", { id: "point-title", tabindex: "-1" },
        h("i", { class: `mark ${family(point)}`, "aria-hidden": "true" }), ` ${point.key}: `,
        kindWords(point, landscape.request)),
      stepper(point, landscape.fixed_points, choose)),
    h("p", { class: "lead" }, typeset(stabilityWords(point))),
    h("div", { class: "point-grid" },
      h("dl", { class: "facts" }, facts(point, landscape).map(([name, value]) =>
        h("div", {}, h("dt", {}, term(name)), h("dd", {}, typeof value === "string" ? typeset(value) : value)))),
      h("section", { "aria-labelledby": "overlaps-title" },
        h("h3", { id: "overlaps-title", class: "unseen" }, "Overlap matrices"), matrices.element),
      h("section", { class: "wide", "aria-labelledby": "spectrum-title" },
        h("h3", { id: "spectrum-title" }, "Hessian spectrum"), lines.element),
      h("section", { class: "wide", "aria-labelledby": "certificate-title" },
        h("h3", { id: "certificate-title" }, "Certificate"), certificateWords(point, landscape.request))),
  );
  matrices.render();
  lines.render();
  if (focused) {
    const again = element.querySelector(`[aria-label="${focused}"]`);
    (again && !again.disabled ? again : $("point-title")).focus({ preventScroll: true });
  }
  return { ...matrices.pictures, ...lines.pictures };
}
