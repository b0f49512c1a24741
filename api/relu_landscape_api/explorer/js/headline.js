// What was found, in a few sentences above the pictures.

import { h } from "./dom.js";
import { count, isCertified, percent, plural, real, seconds, widthsInWords } from "./format.js";
import { typeset } from "./typeset.js";

function verdict(landscape) {
  const { fixed_points: points, request } = landscape;
  const minima = points.filter((point) => point.kind !== "saddle");
  const global = minima.filter((point) => point.is_global || point.kind === "global_continuum");
  const spurious = minima.filter((point) => !global.includes(point));
  if (!minima.length) return "No minimum was found. More starts or the structured search may find some.";
  if (request.student_width < request.teacher_width) {
    return `${plural(minima.length, "minimum", "minima")} found, lowest loss ${real(minima[0].loss)}.`;
  }
  const found = spurious.length
    ? `${plural(spurious.length, "spurious minimum", "spurious minima")}`
    : "No spurious minimum";
  return global.length ? `${found} beside the global one.` : `${found}; the global one was not hit.`;
}

function chance(landscape) {
  const global = landscape.fixed_points.filter((point) => point.is_global || point.kind === "global_continuum");
  const hit = global.reduce((sum, point) => sum + (point.attraction?.probability ?? 0), 0);
  if (!landscape.starts.asked) return null;
  if (landscape.request.student_width < landscape.request.teacher_width) return null;
  return `Gradient flow from a random start reaches the global minimum with probability ${percent(hit)}.`;
}

function details(landscape, origin) {
  const { starts, missing_mass: missing, provenance, fixed_points: points, saddle_lines: lines = [] } = landscape;
  const certified = points.filter(isCertified).length;
  const saddles = points.filter((point) => point.kind === "saddle").length;
  return [
    starts.asked ? `${count(starts.converged)} of ${plural(starts.asked, "start", "starts")} converged` : "no random starts",
    starts.failed ? `${count(starts.failed)} did not converge` : null,
    saddles ? plural(saddles, "saddle", "saddles") : null,
    lines.length ? `${plural(lines.length, "line of saddles", "lines of saddles")}, from loss ${real(lines[0].loss)}` : null,
    certified ? `${certified} of ${points.length} certified` : null,
    missing ? `chance that the next start ends elsewhere: below ${percent(missing.upper_bound_95)} (95%)` : null,
    `${origin} in ${seconds(provenance.seconds)} by version ${provenance.version} on ${provenance.device}`,
  ].filter(Boolean);
}

/** The headline of a finished landscape. */
export function drawHeadline(element, landscape, { isExample, compare }) {
  const { student_width: students, teacher_width: teachers } = landscape.request;
  element.replaceChildren(...[
    ...(isExample ? [h("p", { class: "eyebrow" }, "A finished example")] : []),
    h("h1", {}, widthsInWords(students, teachers)),
    h("p", { class: "lead" }, verdict(landscape), " ", chance(landscape)),
    h("p", { class: "details" }, typeset(details(landscape, "computed").join(" · "))),
    compare && h("p", {}, h("button", { type: "button", class: "quiet", onclick: compare }, "Add to comparison")),
  ].filter(Boolean));
}

/** The headline while there is no result: a title and a sentence. */
export function drawNotice(element, title, sentence) {
  element.replaceChildren(h("h1", {}, title), h("p", { class: "lead" }, sentence));
}
