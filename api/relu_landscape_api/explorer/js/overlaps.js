// Overlap matrices R and Q as heat maps in canonical order, with lines between the blocks.

import { draw } from "./chart/mount.js";
import { h } from "./dom.js";
import { real } from "./format.js";
import { term } from "./glossary.js";
import { variable } from "./typeset.js";

/** Row and column boundaries between blocks, in units of cells from the top left. */
export function boundaries(point, request) {
  const sizes = (blocks) => {
    const edges = [];
    let at = 0;
    for (const size of blocks.slice(0, -1)) edges.push((at += size) - 0.5);
    return edges;
  };
  const whole = (blocks, total) => blocks.reduce((sum, size) => sum + size, 0) === total;
  const students = point.structure.students.map((block) => block.size);
  const teachers = point.structure.blocks;
  return {
    students: whole(students, request.student_width) ? sizes(students) : [],
    teachers: whole(teachers, request.teacher_width) ? sizes(teachers) : [],
  };
}

// Diverging, equally light on both sides, distinguishable with every common colour blindness
// (blue and orange); the middle takes the surface's colour, so that zero reads as empty.
const scale = (theme) => [
  [0, "#1f4e9c"], [0.25, "#6f9bd8"], [0.5, theme.surface], [0.75, "#eda35e"], [1, "#a8480c"],
];

// Numbers in the cells need about 35 pixels each.
const MOST_CELLS_WITH_WORDS = 9;

const numbered = (count) => {
  const step = count <= 10 ? 1 : count <= 24 ? 4 : Math.ceil(count / 40) * 8;
  const at = [];
  for (let i = 0; i < count; i += step) at.push({ at: i, text: String(i + 1) });
  return at;
};

function heat(element, matrix, { rows, columns, vertical, horizontal, name, limit, words }) {
  const height = matrix.length;
  const width = matrix[0].length;
  draw(
    element,
    (theme) => ({
      x: { title: horizontal, range: [-0.5, width - 0.5], ticks: numbered(width) },
      y: { title: vertical, range: [height - 0.5, -0.5], ticks: numbered(height), grid: false },
      marks: [{ type: "cells", matrix, rows, columns, name, limit, words, stops: scale(theme), exact: (value) => real(value, 9) }],
      equal: true,
      still: true,
      form: "square",
    }),
    { label: `Heat map of the matrix ${name}, ${height} by ${width}, entries from ` +
        `${real(extreme(matrix, Math.min))} to ${real(extreme(matrix, Math.max))}.` },
  );
}

const extreme = (matrix, pick) => pick(...matrix.map((row) => pick(...row)));

/** Both heat maps with one colour bar, as elements for the point's view. */
export function overlaps(point, request) {
  const { R, Q } = point.overlaps;
  const edges = boundaries(point, request);
  const limit = Math.max(1, ...[R, Q].map((matrix) => Math.max(extreme(matrix, Math.max), -extreme(matrix, Math.min))));
  const words = Q.length <= MOST_CELLS_WITH_WORDS && R[0].length <= MOST_CELLS_WITH_WORDS;
  const left = h("div", { class: "plot square" });
  const right = h("div", { class: "plot square" });
  const element = h(
    "div", { class: "overlaps" },
    h("figure", {}, h("figcaption", {}, h("h3", { "aria-label": "R" }, variable("R")), h("p", {}, term("student-teacher overlaps"))), left),
    h("figure", {}, h("figcaption", {}, h("h3", { "aria-label": "Q" }, variable("Q")), h("p", {}, term("student-student overlaps"))), right),
    h("div", { class: "colourbar", role: "img", "aria-label": `Colours from ${real(-limit, 3)} to ${real(limit, 3)}` },
      h("span", {}, real(-limit, 3)), h("i", {}), h("span", {}, real(limit, 3))),
  );
  const render = () => {
    heat(left, R, { rows: edges.students, columns: edges.teachers, vertical: "student",
      horizontal: "teacher", name: "R", limit, words });
    heat(right, Q, { rows: edges.students, columns: edges.students, vertical: "student",
      horizontal: "student", name: "Q", limit, words });
  };
  return { element, render, pictures: { R: left, Q: right } };
}
