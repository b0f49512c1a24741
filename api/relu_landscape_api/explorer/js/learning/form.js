// Forms of the views of learning, made from lists of fields. What is asked is kept as texts, which
// are also what the address holds; bounds are the service's, which says what is wrong in a sentence.

import { h, show } from "../dom.js";

const NOTHING = /^\s*$/;

/** "2, 4..6" as [2, 4, 5, 6]; ranges of whole numbers only. */
export function listOf(text, isWhole) {
  return text.split(",").map((part) => part.trim()).filter(Boolean).flatMap((part) => {
    const range = isWhole && /^(-?\d+)\s*\.\.\s*(-?\d+)$/.exec(part);
    if (!range) return [numberOf(part, isWhole)];
    const [low, high] = [Number(range[1]), Number(range[2])];
    if (low > high || high - low > 511) throw new Error(`${part} is no range of up to 512 ascending numbers`);
    return Array.from({ length: high - low + 1 }, (_, i) => low + i);
  });
}

function numberOf(text, isWhole) {
  const value = Number(text);
  if (NOTHING.test(text) || !Number.isFinite(value) || (isWhole && !Number.isInteger(value))) {
    throw new Error(`${NOTHING.test(text) ? "nothing" : text} is ${isWhole ? "no whole number" : "no number"}`);
  }
  return value;
}

/** "1, 0.3; 0.3, 1" as rows of numbers. */
const matrixOf = (text) => text.split(";").map((row) => row.split(",").map((entry) => numberOf(entry.trim(), false)));

const READ = {
  matrix: matrixOf,
  whole: (text) => numberOf(text, true),
  number: (text) => numberOf(text, false),
  wholes: (text) => listOf(text, true),
  numbers: (text) => listOf(text, false),
  check: (text) => text === "true",
  choice: (text, { options }) => {
    if (!(text in options())) throw new Error(`${text} is none of ${Object.keys(options()).join(", ")}`);
    return text;
  },
};

/** The value of a field's text; null where a field that may be empty is. Throws a sentence. */
export function valueOf(field, text) {
  if (field.optional && NOTHING.test(text)) return null;
  try {
    return READ[field.kind](text, field);
  } catch (error) {
    throw new Error(`${field.label}: ${error.message}.`);
  }
}

function control(field) {
  const common = { name: field.name, "aria-describedby": field.hint ? `${field.name}-hint` : null };
  if (field.kind === "choice") return h("select", common);
  if (field.kind === "check") return h("input", { type: "checkbox", ...common });
  const isList = field.kind.endsWith("s") || field.kind === "matrix";
  return h("input", { type: isList ? "text" : "number", step: "any", autocomplete: "off", spellcheck: "false",
    placeholder: field.placeholder, class: isList ? "list" : null, ...common });
}

export class AskForm {
  /** `fields`: {name, label, kind, value, group, optional, options(), shown(texts)}; `submit()` is called by the button. */
  constructor(fields, { button, submit, label }) {
    this.fields = fields;
    this.boxes = new Map(fields.map((field) => [field.name, control(field)]));
    this.labels = new Map(fields.map((field) => [field.name, h("label", { class: field.kind === "check" ? "chip" : null },
      field.kind === "check" ? [this.boxes.get(field.name), field.label] : [field.label, this.boxes.get(field.name)])]));
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.button = h("button", { type: "submit", class: "primary" }, button);
    const of = (group) => fields.filter((field) => (field.group ?? "first") === group).map(({ name }) => this.labels.get(name));
    const more = of("more");
    this.element = h("form", { class: "families-form", novalidate: true, "aria-label": label, oninput: () => this.refresh(), onsubmit: (event) => {
      event.preventDefault();
      submit();
    } }, of("first"), more.length ? h("details", { class: "more-fields" }, h("summary", {}, "More options"), h("div", { class: "fields" }, more)) : null,
    this.button, this.problem);
    this.write({});
  }

  texts() {
    return Object.fromEntries(this.fields.map(({ name, kind }) => {
      const box = this.boxes.get(name);
      return [name, kind === "check" ? String(box.checked) : box.value];
    }));
  }

  /** Values by name; throws a sentence, with the box at fault in view and marked. */
  read() {
    const texts = this.texts();
    const values = {};
    for (const field of this.fields) {
      const box = this.boxes.get(field.name);
      box.removeAttribute("aria-invalid");
      if (field.shown && !field.shown(texts)) continue;
      try {
        values[field.name] = valueOf(field, texts[field.name]);
      } catch (error) {
        box.setAttribute("aria-invalid", "true");
        box.closest("details")?.setAttribute("open", "");
        box.focus();
        throw error;
      }
    }
    return values;
  }

  /** Fill in the texts of an address; returns sentences about what none of the fields takes. */
  write(asked) {
    const problems = [];
    const texts = Object.fromEntries(this.fields.map(({ name, value }) => [name, asked[name] ?? String(value)]));
    for (const field of this.fields) {
      const box = this.boxes.get(field.name);
      const text = texts[field.name];
      if (field.kind === "choice") this.fillChoice(field, box);
      if (field.kind === "choice" && field.shown && !field.shown(texts)) continue;
      try {
        valueOf(field, text);
      } catch (error) {
        problems.push(error.message);
        if (field.kind === "choice") continue;
      }
      if (field.kind === "check") box.checked = text === "true";
      else box.value = text;
    }
    this.refresh();
    return problems;
  }

  fillChoice(field, box) {
    const now = box.value || String(field.value);
    const options = Object.entries(field.options());
    box.replaceChildren(...options.map(([value, words]) => h("option", { value }, words)));
    if (options.some(([value]) => value === now)) box.value = now;
  }

  /** What differs from the defaults, as texts. */
  asked() {
    const texts = this.texts();
    return Object.fromEntries(this.fields.filter(({ name, value, always, shown }) =>
      (!shown || shown(texts)) && (always || texts[name] !== String(value))).map(({ name }) => [name, texts[name]]));
  }

  /** Show the fields that matter now, with what can be chosen now. */
  refresh() {
    for (const field of this.fields) if (field.kind === "choice") this.fillChoice(field, this.boxes.get(field.name));
    const texts = this.texts();
    for (const { name, shown } of this.fields) show(this.labels.get(name), !shown || shown(texts));
  }

  complain(text) {
    this.problem.textContent = text ?? "";
    show(this.problem, Boolean(text));
    if (text) this.problem.scrollIntoView({ block: "nearest" });
  }

  busy(isBusy, words = "Computing…") {
    this.button.disabled = isBusy;
    this.idle ??= this.button.textContent;
    this.button.textContent = isBusy ? words : this.idle;
  }
}
