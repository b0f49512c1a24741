// Numbers and names as people read them.

import { CONTRACT, words } from "./contract.js";

const PLAIN = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 6 });

/** Integers grouped by thousands; digits beyond 2^53 come as strings and stay exact. */
export function count(value) {
  if (typeof value === "string") return value.replace(/\B(?=(\d{3})+$)/g, ",");
  return value.toLocaleString("en-GB");
}

/** A real number with `digits` significant digits, scientific where that is shorter. */
export function real(value, digits = 5) {
  if (value == null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text = size < 1e-3 || size >= 1e6 ? value.toExponential(digits - 1) : value.toPrecision(digits);
  return text
    .replace(/(\.\d*?)0+(?=e|$)/, "$1")
    .replace(/\.(?=e|$)/, "")
    .replace("-", "−")
    .replace(/e\+?(−?-?)(\d+)/, (_, sign, power) => ` × 10${superscript((sign ? "-" : "") + power)}`);
}

/** The largest number of `digits` significant digits that is not above `value`. */
export function roundedDown(value, digits) {
  const nearest = Number(value.toPrecision(digits));
  if (nearest <= value) return nearest;
  const unit = 10 ** (Math.floor(Math.log10(Math.abs(nearest))) - digits + 1);
  return Number((nearest - unit).toPrecision(digits));
}

/** The smallest number of `digits` significant digits that is not below `value`. */
export const roundedUp = (value, digits) => -roundedDown(-value, digits);

function superscript(text) {
  const marks = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  return [...text].map((mark) => marks[mark]).join("");
}

export const percent = (value) =>
  value > 0 && value < 0.001
    ? `${PLAIN.format(Number((100 * value).toPrecision(2)))}%`
    : `${(100 * value).toFixed(1)}%`;

/** A point's loss; at a global minimum what is left of zero is rounding. */
export const loss = (point, digits) => (point.is_global ? "0" : real(point.loss, digits));

/** "12.5% (10.6 to 14.7%)"; "12.5% so far" while the service has not said how sure it is. */
export function interval(attraction) {
  if (!attraction) return "–";
  if (!attraction.interval_95) return `${percent(attraction.probability)} so far`;
  const [low, high] = attraction.interval_95;
  return `${percent(attraction.probability)} (${percent(low).replace("%", "")} to ${percent(high)})`;
}

export function seconds(value) {
  if (value == null) return "";
  if (value < 1) return "less than a second";
  if (value < 90) return `${Math.round(value)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return `${(value / 3600).toFixed(1)} h`;
}

/** "1 minimum", "3 minima" */
export const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;

/** The widths as a person reads them: "17 student units, 18 teacher units". */
export const widthsInWords = (students, teachers) =>
  `${plural(students, "student unit", "student units")}, ${plural(teachers, "teacher unit", "teacher units")}`;

/** The class that decides colour and mark: global, minimum, saddle, unclassified. */
export function family(point) {
  if (point.kind === "global_continuum" || point.is_global) return "global";
  // While a job runs, losses come rounded to seven decimals and nothing is classified; what has
  // come to zero loss can be shown as that.
  if (!point.stability && point.loss === 0) return "global";
  return point.kind;
}

/** How the point was found, in words, in the contract's order. */
export const foundWords = ({ found_by: ways }) =>
  Object.keys(CONTRACT.found_by).filter((way) => ways.includes(way)).map((way) => words("found_by", way));

/** The smallest eigenvalue of the whole Hessian. */
export const smallestEigenvalue = ({ min_eigenvalue_span: span, min_eigenvalue_perpendicular: other }) =>
  Math.min(span, other ?? span);

/** What the point is, in words. */
export function kindWords(point, request) {
  if (!point.stability) {
    return point.kind === "unclassified" && point.loss === 0
      ? `at zero loss, ${words("findings", point.kind)}` : words("findings", point.kind);
  }
  if (point.kind === "saddle") return `${words("kinds", "saddle")} of index ${count(point.stability.index)}`;
  if (point.kind !== "minimum") return words("kinds", point.kind);
  if (point.is_global) return "global minimum";
  // With fewer students than teachers a positive loss is unavoidable and proves nothing.
  return request.student_width < request.teacher_width ? "minimum" : "spurious minimum";
}

/** Structure names typeset: "1+16 extra 1" as "1 + 16, extra 1". */
export const structureWords = (name) => name.replaceAll("+", " + ").replace(" extra", ", extra");

export const isCertified = (point) =>
  Boolean(point.certificate) && point.certificate.verdict !== "not certified";
