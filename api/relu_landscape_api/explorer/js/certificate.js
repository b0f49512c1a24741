// A certificate in words.

import { h } from "./dom.js";
import { term } from "./glossary.js";
import { mathematical, typeset } from "./typeset.js";
import { real, roundedDown, roundedUp } from "./format.js";

const MODES = {
  fast: "Hessian in doubles with an a-priori error bound, everything else in ball arithmetic",
  strict: "ball arithmetic throughout",
};

// A bound is shown rounded to the safe side, so that what is read is proven too.
const atLeast = (value) => (value == null ? null : real(roundedDown(value, 4), 4));
const atMost = (value) => (value == null ? null : real(roundedUp(value, 4), 4));

function globality(certificate, request) {
  if (certificate.spurious === true) {
    return "Its loss is positive while zero can be reached, so it is spurious: a local minimum that is not global.";
  }
  if (certificate.spurious === false) return "Its loss interval contains zero: it is not spurious.";
  return request.student_width < request.teacher_width
    ? "With fewer students than teachers a positive loss does not prove it spurious." : null;
}

function facts(certificate) {
  const loss = certificate.loss || {};
  const list = [
    ["radius of the ball", atMost(certificate.radius)],
    ["attribution radius", atLeast(certificate.attribution_radius)],
    ["loss between", loss.lower != null ? `${loss.lower} and ${loss.upper}` : null],
    ["smallest eigenvalue, teacher's span, at least", atLeast(certificate.smallest_eigenvalue_span)],
    ["smallest eigenvalue, perpendicular, at least", atLeast(certificate.smallest_eigenvalue_perpendicular)],
    ["leak, the slope below zero", "leak" in certificate ? real(certificate.leak, 4) : null],
    ["method", [certificate.method, MODES[certificate.mode]].filter(Boolean).join(": ") || null],
    ["precision", certificate.bits ? `${certificate.bits} bits` : null],
  ];
  return list.filter(([, value]) => value != null);
}

/** The certificate of a point as an element. */
export function certificateWords(point, request) {
  const certificate = point.certificate;
  if (!certificate) {
    const asked = request.certify && request.certify !== "none";
    return h("p", { class: "note" }, asked
      ? "This point carries no certificate: only isolated fixed points can be certified."
      : "No proof was asked for. Choose “fast” or “strict” under Proof of each point and compute again.");
  }
  if (certificate.verdict === "not certified") {
    return h("div", {}, h("p", { class: "verdict open" }, "Not certified"),
      h("p", {}, typeset(mathematical(certificate.reason || "No reason was given."))));
  }
  const global = certificate.verdict === "minimum" && globality(certificate, request);
  return h("div", {},
    h("p", { class: "verdict proven" }, h("span", { "aria-hidden": "true" }, "✓ "),
      certificate.verdict === "minimum" ? "Certified minimum" : "Certified saddle"),
    h("p", { class: "statement" }, typeset(mathematical(certificate.statement)), " ", global || ""),
    h("dl", { class: "facts" }, facts(certificate).map(([name, value]) =>
      h("div", {}, h("dt", {}, term(name)), h("dd", {}, typeset(value))))),
    h("p", { class: "note" }, "The JSON download holds everything needed to check this again; ",
      h("code", {}, "relu-landscape verify FILE.json"), " does so without the solver."),
  );
}
