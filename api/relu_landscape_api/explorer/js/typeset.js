// Plain text set as mathematics: powers of ten with raised exponents, long numbers in one piece.

import { h, m } from "./dom.js";

const MARKS = { "⁻": "−", "⁰": "0", "¹": "1", "²": "2", "³": "3", "⁴": "4", "⁵": "5", "⁶": "6", "⁷": "7", "⁸": "8", "⁹": "9" };
const POWER = /([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/;
/** Numbers this long are proven digits, and are not broken at the end of a line. */
const LONG = /(\d\.\d{15,})/;

/** A text in pieces {kind: "plain" | "power", text}. */
export function pieces(content) {
  return String(content).split(POWER).map((part, i) =>
    (i % 2 ? { kind: "power", text: [...part].map((mark) => MARKS[mark]).join("") } : { kind: "plain", text: part }))
    .filter(({ text }) => text);
}

/** "1.3e-14" as "1.3 × 10⁻¹⁴", ">=" as "≥", "*" between numbers as "×": sentences of the service. */
export function mathematical(sentence) {
  const raised = (digits) => [...digits].map((mark) => Object.keys(MARKS).find((key) => MARKS[key] === (mark === "-" ? "−" : mark))).join("");
  return sentence
    .replace(/(\d)e([+-]?)0*(\d+)/g, (_, digit, sign, power) => `${digit} × 10${raised((sign === "-" ? "-" : "") + power)}`)
    .replaceAll(">=", "≥").replaceAll("<=", "≤")
    .replace(/(^|[\s(])-(?=\d)/g, "$1−");
}

/** A text as nodes: exponents raised, long numbers unbroken. */
export const typeset = (content) => pieces(content).flatMap(({ kind, text }) =>
  (kind === "power" ? [h("sup", {}, text)]
    : text.split(LONG).map((part, i) => (i % 2 ? h("span", { class: "digits" }, part) : part)).filter(Boolean)));

/** A variable. */
export const variable = (name) => m("math", {}, m("mi", {}, name));

/** "K = 7" */
export const equation = (name, value) =>
  m("math", {}, m("mrow", {}, m("mi", {}, name), m("mo", {}, "="), m("mn", {}, String(value))));

/** "S1 x S6" as a product of symmetric groups; any other name as it is. */
export function group(name) {
  const factors = name.split(" x ");
  if (!factors.every((factor) => /^S\d+$/.test(factor))) return name;
  return m("math", {}, m("mrow", {}, factors.flatMap((factor, i) => [
    i > 0 && m("mo", {}, "×"), m("msub", {}, m("mi", {}, "S"), m("mn", {}, factor.slice(1)))])));
}
