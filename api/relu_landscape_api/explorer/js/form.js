// The panel in which a landscape is chosen.

import { CONTRACT } from "./contract.js";
import { $, h, m, show } from "./dom.js";
import { count, plural } from "./format.js";
import { DEFAULTS } from "./state.js";

// The starts slider runs over these, since useful numbers span five orders of magnitude.
const STARTS = [0, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
/** Bounds in norms of the teacher, whose units all have norm one on this page. */
const ORTHONORMAL = { init_scale: { minimum: 0.001, maximum: 1000 } };
const NUMBERS = Object.keys(CONTRACT.request).filter((name) => "minimum" in CONTRACT.request[name]);

const FORMULA = { displaystyle: "true" };
const mi = (text) => m("mi", {}, text);
const mo = (text) => m("mo", {}, text);
// A parenthesis as high as its content, not as the sum beside it.
const small = (text) => m("mo", { stretchy: "false" }, text);
const mn = (text) => m("mn", {}, String(text));
const row = (...parts) => m("mrow", {}, parts);

/** sum_{i=1}^{n} ReLU(w_i . x), the number filled in. */
function network(letter, index, width) {
  const name = letter === "w" ? mi("f") : m("msup", {}, mi("f"), mo("∗"));
  return m("math", FORMULA,
    name, small("("), mi("x"), small(")"), mo("="),
    m("munderover", {}, mo("∑"), row(mi(index), mo("="), mn(1)), mn(width)),
    mi("ReLU"), small("("),
    m("msub", {}, mi(letter), mi(index)), mo("⋅"), mi("x"), small(")"));
}

function startsFormula(dimension, scale) {
  const top = scale === 1 ? mn(1) : row(m("msup", {}, mn(scale), mn(2)));
  return m("math", FORMULA,
    m("msub", {}, mi("w"), row(mi("i"), mi("a"))), mo("∼"), mi("N"), mo("("), mn(0), mo(","),
    m("mfrac", {}, top, mn(dimension)), mo(")"));
}

function widthNote(students, teachers) {
  if (students === teachers) return "Equal widths: the global minimum is a copy of the teacher.";
  if (students > teachers) {
    const extra = students - teachers;
    return `${plural(extra, "more student", "more students")} than teachers: the global minima form a ` +
      `continuum of dimension ${extra} at least.`;
  }
  return `${plural(teachers - students, "student", "students")} too few: no point reaches loss zero.`;
}

export class RequestForm {
  /** `submit(request)` is called with a checked request. */
  constructor(submit) {
    this.form = $("request");
    for (const name of NUMBERS) {
      const { minimum, maximum, whole } = { ...CONTRACT.request[name], ...ORTHONORMAL[name] };
      Object.assign($(name), { min: minimum, max: maximum, step: whole ? 1 : "any", value: DEFAULTS[name] });
    }
    for (const [name, words] of [["certify", CONTRACT.proofs], ["precision", CONTRACT.precisions]])
      $(name).replaceChildren(...Object.entries(words).map(([value, shown]) =>
        h("option", { value, selected: value === DEFAULTS[name] }, shown)));
    for (const name of ["structured", "saddles", "widen"]) $(name).checked = DEFAULTS[name];
    this.pair("student_width", "student_slider", (n) => n, (n) => n);
    this.pair("teacher_width", "teacher_slider", (n) => n, (n) => n);
    const last = STARTS.length - 1;
    $("starts_slider").max = last;
    this.pair("starts", "starts_slider", (at) => STARTS[at], (starts) => {
      const at = STARTS.findIndex((value) => value >= starts);
      return at < 0 ? last : at;
    });
    this.form.addEventListener("input", () => this.refresh());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const problem = this.problem();
      this.complain(problem);
      if (!problem) submit(this.read());
    });
    for (const sync of this.sync) sync();
    this.refresh();
  }

  /** Bind a slider to its number box. */
  pair(name, slider, fromSlider, toSlider) {
    const box = $(name);
    const bar = $(slider);
    bar.addEventListener("input", () => {
      box.value = fromSlider(Number(bar.value));
    });
    box.addEventListener("input", () => {
      if (box.value !== "") bar.value = toSlider(Number(box.value));
    });
    this.sync = [...(this.sync || []), () => (bar.value = toSlider(Number(box.value)))];
  }

  /** Use this service's own limits. */
  setLimits({ largest_width: width, largest_starts: starts } = {}) {
    for (const [name, limit] of [["student", width], ["teacher", width]]) {
      if (!limit) continue;
      $(`${name}_width`).max = limit;
      $(`${name}_slider`).max = limit;
    }
    if (starts) $("starts").max = starts;
    for (const sync of this.sync) sync();
  }

  read() {
    const request = { ...DEFAULTS };
    for (const name of NUMBERS) request[name] = Number($(name).value);
    request.structured = $("structured").checked;
    request.saddles = $("saddles").checked;
    request.widen = $("widen").checked;
    request.certify = $("certify").value;
    request.precision = $("precision").value;
    const names = $("structures").value.split(",").map((part) => part.trim()).filter(Boolean);
    request.structures = names.length ? names : null;
    return request;
  }

  write(request) {
    const whole = { ...DEFAULTS, ...request };
    for (const name of NUMBERS) $(name).value = whole[name];
    $("structured").checked = whole.structured;
    $("saddles").checked = whole.saddles;
    $("widen").checked = whole.widen;
    $("certify").value = whole.certify;
    $("precision").value = whole.precision;
    $("structures").value = (whole.structures ?? []).join(", ");
    for (const sync of this.sync) sync();
    this.complain(null);
    this.refresh();
  }

  /** The first thing wrong, as a sentence, or null; the service checks again. */
  problem() {
    for (const name of NUMBERS) {
      const box = $(name);
      const value = Number(box.value);
      const { whole } = CONTRACT.request[name];
      const low = Number(box.min);
      const high = Number(box.max);
      const wrong = box.value === "" || !(value >= low && value <= high) ||
        (whole && !Number.isInteger(value));
      box.setAttribute("aria-invalid", String(wrong));
      if (wrong) {
        box.closest("details")?.setAttribute("open", "");
        box.focus({ preventScroll: false });
        return `The ${name.replaceAll("_", " ")} must be ${whole ? "a whole number" : "a number"} ` +
          `from ${low} to ${high}.`;
      }
    }
    const { input_dimension: dimension, teacher_width: teachers } = this.read();
    return dimension < teachers
      ? `The input dimension must be at least the teacher width, ${teachers}.` : null;
  }

  /** Say what is wrong above the button, or nothing; brought into view where the form is open. */
  complain(problem) {
    const place = $("form-problem");
    place.textContent = problem ?? "";
    show(place, Boolean(problem));
    if (problem) place.scrollIntoView({ block: "nearest" });
  }

  /** Open or close the form where the screen is too small to keep it beside the landscape. */
  unfold(open) {
    $("panel-toggle").setAttribute("aria-expanded", String(open));
  }

  busy(running) {
    $("run").disabled = running;
    $("run").textContent = running ? "Computing…" : "Compute";
  }

  refresh() {
    const request = this.read();
    const { student_width: students, teacher_width: teachers } = request;
    $("student-formula").replaceChildren(network("w", "i", students));
    $("teacher-formula").replaceChildren(network("v", "m", teachers));
    $("starts-formula").replaceChildren(startsFormula(request.input_dimension, request.init_scale));
    const note = widthNote(students, teachers);
    if ($("width-note").textContent !== note) $("width-note").textContent = note;
    const bar = $("starts_slider");
    bar.setAttribute("aria-valuetext", `${count(request.starts)} starts`);
  }
}
