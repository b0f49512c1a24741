// Sweeps: landscapes over a grid, as a table and as a chart along one axis.

import { draw } from "../chart/mount.js";
import { fromZero } from "../chart/scale.js";
import { h } from "../dom.js";
import { pictureButtons, save, saveJson } from "../downloads.js";
import { percent, plural, real } from "../format.js";
import { typeset } from "../typeset.js";
import { JobView } from "./jobview.js";
import { learned } from "./words.js";

const FIELDS = [
  { name: "teacher_width", label: "teachers M", kind: "wholes", value: "2..4" },
  { name: "students", label: "students", kind: "choice", value: "extra_students",
    options: () => ({ extra_students: "more than teachers", student_width: "as they are" }) },
  { name: "student_values", label: "their numbers", kind: "wholes", value: "-1..1" },
  { name: "starts", label: "starts", kind: "wholes", value: "100" },
  { name: "seed", label: "seed", kind: "wholes", value: "0" },
  { name: "input_dimension", label: "input dimension d", kind: "wholes", value: "1000" },
  { name: "saddles", label: "find saddles", kind: "check", value: false },
  { name: "teacher_correlation", label: "correlation of the teachers", kind: "numbers", value: "", optional: true, group: "more" },
  { name: "teacher_decay", label: "decay of the teachers' norms", kind: "numbers", value: "", optional: true, group: "more" },
  { name: "init_scale", label: "initial scale", kind: "numbers", value: "1", group: "more" },
  { name: "leak", label: "leak", kind: "numbers", value: "0", group: "more" },
];
/** Axes of which there can be no base. */
const ONLY_AXES = ["extra_students", "teacher_correlation", "teacher_decay"];

/** The request of what the form says: what has several values is an axis, the rest is common. */
export function requestOf({ students, student_values, saddles, ...values }) {
  const grid = {};
  const base = { ...(saddles && { saddles }) };
  for (const [name, list] of Object.entries({ ...values, [students]: student_values })) {
    if (!list?.length) continue;
    if (list.length > 1 || ONLY_AXES.includes(name)) grid[name] = list;
    else base[name] = list[0];
  }
  // A sweep has an axis at least.
  if (!Object.keys(grid).length) {
    grid.teacher_width = [base.teacher_width];
    delete base.teacher_width;
  }
  return { base, grid };
}

const number = (digits) => (value) => typeset(real(value, digits));
/** Columns: name of the member, heading, and how a value is shown. */
const COLUMNS = [
  ["zero_loss_probability", "zero loss", (value, row) => (value == null ? "–"
    : `${percent(value)} (${row.zero_loss_interval_95.map((share) => percent(share).replace("%", "")).join(" to ")})`)],
  ["spurious_minima", "spurious minima", (value) => value ?? "–"],
  ["lowest_spurious_loss", "lowest spurious loss", number(7)],
  ["smallest_eigenvalue", "smallest eigenvalue", number(5)],
  ["missing_mass", "missing mass", (value) => (value == null ? "–" : percent(value))],
  ["saddles", "saddles", (value) => value ?? "–"],
];
const CHARTED = COLUMNS.slice(0, 4);

const text = (value) => (typeof value === "number" ? real(value, 6) : String(value));

/** Rows in order of a column; empty ones last, whatever the direction. */
export function sortedRows(rows, name, isDescending, valueOf) {
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [p, q] = [valueOf(a, name), valueOf(b, name)];
    if (p == null || q == null) return (p == null) - (q == null) || a.cell - b.cell;
    return sign * (p < q ? -1 : p > q ? 1 : 0) || a.cell - b.cell;
  });
}

const quoted = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** The table as CSV: an empty cell where there is nothing. */
export function csvOf({ axes, rows }) {
  const names = axes.map(({ name }) => name);
  const more = ["student_width", "teacher_width"].filter((name) => !names.includes(name));
  const members = ["landscape", "digest", "starts", "failed_starts", "zero_loss_hits", "zero_loss_probability", "spurious_minima",
    "lowest_spurious_loss", "smallest_eigenvalue", "missing_mass", "missing_mass_bound_95", "saddles", "certified", "error"];
  const head = ["cell", ...names, ...more, ...members, "zero_loss_low", "zero_loss_high"];
  const lines = rows.map((row) => [row.cell, ...names.map((name) => row.values[name]), ...[...more, ...members].map((name) => row[name]),
    ...(row.zero_loss_interval_95 ?? [null, null])]);
  return `${[head, ...lines].map((line) => line.map((value) => quoted(String(value ?? ""))).join(",")).join("\r\n")}\r\n`;
}

/** Rows by the values of all axes but one: a line of the chart for each. */
export function linesOf({ axes, rows }, along) {
  const others = axes.map(({ name }) => name).filter((name) => name !== along);
  const lines = new Map();
  for (const row of rows) {
    const name = others.map((other) => `${learned("axes", other)} ${text(row.values[other])}`).join(", ") || "all";
    lines.set(name, [...(lines.get(name) ?? []), row]);
  }
  return lines;
}

const SHAPES = ["circle", "square", "triangle", "diamond", "star", "hexagon"];

export class View extends JobView {
  constructor(element, on) {
    super(element, on, {
      kind: "sweeps", words: "sweep", title: "Sweeps", button: "Compute", fields: FIELDS, request: requestOf, own: ["along", "value", "sort"],
      lead: "A landscape for every cell of a grid, as one table. Lists have commas, and ranges of whole numbers two dots: 2, 4..6.",
      found: (findings) => `the last cells: ${findings.slice(-3).map(({ values, error }) =>
        `${Object.values(values).join("/")}${error ? " failed" : ""}`).join(", ")}`,
    });
    this.summary = h("p", { class: "note" });
    this.table = h("div", { class: "scroll long", tabindex: "0", role: "region", "aria-label": "Table of cells" });
    this.along = h("select", { name: "along", onchange: () => this.showBy("along", this.along.value) });
    this.value = h("select", { name: "value", onchange: () => this.showBy("value", this.value.value) },
      CHARTED.map(([name, words]) => h("option", { value: name }, words)));
    this.plot = h("div", { class: "plot wide", id: "sweep-chart" });
    this.legend = h("div", { class: "legend" });
    this.files = h("div", { class: "reproduce" });
    this.results.append(
      h("figure", { class: "card" }, h("figcaption", {}, h("h2", {}, "Along an axis")),
        h("div", { class: "buttons" }, h("label", { class: "choice" }, "show", this.value), h("label", { class: "choice" }, "along", this.along)),
        this.legend, this.plot),
      h("section", { class: "card", "aria-labelledby": "cells-title" }, h("h2", { id: "cells-title" }, "Cells"), this.summary, this.table),
      h("section", { class: "card", "aria-labelledby": "sweep-files" }, h("h2", { id: "sweep-files" }, "Download"), this.files));
  }

  draw() {
    const { answer } = this;
    const axes = answer.axes.map(({ name }) => name);
    const along = axes.includes(this.shownBy.along) ? this.shownBy.along : axes.find((name) => this.axis(name).length > 1) ?? axes[0];
    const value = CHARTED.find(([name]) => name === this.shownBy.value) ?? CHARTED[0];
    this.along.replaceChildren(...axes.map((name) => h("option", { value: name, selected: name === along }, learned("axes", name))));
    this.value.value = value[0];
    this.summary.textContent = `${plural(answer.finished, "cell has", "cells have")} a landscape` +
      `${answer.failed ? `, ${plural(answer.failed, "has none: its row says why", "have none: their rows say why")}` : ""}.`;
    this.drawChart(along, value);
    this.drawTable();
    this.files.replaceChildren(h("div", { class: "buttons" },
      h("button", { type: "button", class: "quiet", onclick: () => saveJson(answer, "sweep.json") }, "Sweep, JSON"),
      h("button", { type: "button", class: "quiet", onclick: () => save(new Blob([csvOf(answer)], { type: "text/csv" }), "sweep.csv") }, "Table, CSV")),
    pictureButtons([["sweep", this.plot, "sweep"]], (sentence) => this.form.complain(sentence)));
  }

  axis(name) {
    return this.answer.axes.find((axis) => axis.name === name).values;
  }

  drawChart(along, [member, words]) {
    const lines = [...linesOf(this.answer, along)];
    const places = this.axis(along);
    const isNumeric = places.every((place) => typeof place === "number");
    const at = (row) => (isNumeric ? row.values[along] : places.indexOf(row.values[along]));
    const isShare = member === "zero_loss_probability";
    const valueOf = (row) => (row[member] == null ? null : (isShare ? 100 : 1) * row[member]);
    const xs = isNumeric ? places : places.map((_, i) => i);
    const [low, high] = [Math.min(...xs), Math.max(...xs)];
    const air = 0.06 * (high - low || 1);
    const values = this.answer.rows.map(valueOf).filter((value) => value != null);
    draw(this.plot, (theme) => ({
      x: { title: learned("axes", along), range: [low - air, high + air],
        ticks: (places.length <= 12 || !isNumeric) ? places.map((place, i) => ({ at: xs[i], text: text(place) })) : undefined },
      y: { title: `${words}${isShare ? " (%)" : ""}`, range: isShare ? [0, 106] : fromZero(values, 0.1) },
      marks: lines.flatMap(([name, rows], i) => {
        const colour = theme.series[i % theme.series.length];
        const ordered = [...rows].sort((a, b) => at(a) - at(b));
        return [
          { type: "path", name: "line", stroke: colour, width: 1.8, points: ordered.map((row) => (valueOf(row) == null ? null : [at(row), valueOf(row)])) },
          ...ordered.filter((row) => valueOf(row) != null).map((row) => ({
            type: "point", key: String(row.cell), x: at(row), y: valueOf(row), r: 4.5, shape: SHAPES[i % SHAPES.length], fill: colour,
            lines: [`K = ${row.student_width}, M = ${row.teacher_width}`, name, `${words}: ${isShare ? percent(row[member]) : real(row[member], 7)}`] })),
        ];
      }),
      legend: lines.slice(0, SHAPES.length).map(([name], i) => ({ text: name, shape: SHAPES[i], fill: theme.series[i] })),
      along: "x", form: "wide",
    }), { label: `${words} along ${learned("axes", along)}, ${plural(lines.length, "line", "lines")}. The table below lists all.`,
      click: (cell) => this.openCell(this.answer.rows.find((row) => String(row.cell) === cell)) });
    this.legend.replaceChildren(...lines.slice(0, 12).map(([name], i) =>
      h("span", { class: "key" }, h("i", { class: `mark series-${i % 6}`, "aria-hidden": "true" }), name)),
    ...(lines.length > 12 ? [h("span", {}, `and ${lines.length - 12} more`)] : []));
  }

  openCell(row) {
    if (row?.landscape) this.on.open(row.landscape);
  }

  drawTable() {
    const { axes, rows } = this.answer;
    const names = axes.map(({ name }) => name);
    const sort = this.shownBy.sort ?? "";
    const isDescending = sort.startsWith("-");
    const sortName = sort.replace(/^-/, "");
    const valueOf = (row, name) => (names.includes(name) ? row.values[name] : row[name]);
    const heading = (name, words, isNumber) => {
      const isChosen = name === sortName;
      return h("th", { scope: "col", class: isNumber ? "number" : null, "aria-sort": isChosen ? (isDescending ? "descending" : "ascending") : null },
        h("button", { type: "button", class: "sort", onclick: () => {
          this.showBy("sort", isChosen ? (isDescending ? null : `-${name}`) : name);
          this.table.querySelector(`[data-sort="${name}"]`)?.focus();
        }, dataset: { sort: name } }, words, h("span", { "aria-hidden": "true" }, isChosen ? (isDescending ? " ↓" : " ↑") : "")));
    };
    const shown = sortName ? sortedRows(rows, sortName, isDescending, valueOf) : rows;
    const empty = (row) => h("td", { colspan: String(COLUMNS.length), class: "wrong" }, row.error ?? "no landscape");
    this.table.replaceChildren(h("table", {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "landscape"), names.map((name) => heading(name, learned("axes", name), true)),
        COLUMNS.map(([name, words]) => heading(name, words, true)))),
      h("tbody", {}, shown.map((row) => h("tr", {},
        h("th", { scope: "row" }, row.landscape
          ? h("a", { href: `?id=${row.landscape}`, onclick: (event) => {
            event.preventDefault();
            this.openCell(row);
          } }, `K=${row.student_width}, M=${row.teacher_width}`)
          : `K=${row.student_width}, M=${row.teacher_width}`),
        names.map((name) => h("td", { class: "number" }, text(row.values[name]))),
        row.landscape ? COLUMNS.map(([name, , words]) => h("td", { class: "number nowrap" }, words(row[name], row))) : empty(row))))));
  }
}
