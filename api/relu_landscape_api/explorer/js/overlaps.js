// Overlap matrices R and Q as heat maps in canonical order, with lines between the blocks.

import { h } from "./dom.js";
import { real } from "./format.js";
import { axis, draw } from "./plot.js";

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

function lines(rows, columns, height, width, theme) {
  const style = { color: theme.ink, width: 1.4 };
  return [
    ...rows.map((y) => ({ type: "line", x0: -0.5, x1: width - 0.5, y0: y, y1: y, line: style })),
    ...columns.map((x) => ({ type: "line", x0: x, x1: x, y0: -0.5, y1: height - 0.5, line: style })),
    { type: "rect", x0: -0.5, x1: width - 0.5, y0: -0.5, y1: height - 0.5,
      line: { color: theme.faint, width: 1 } },
  ];
}

const cells = (count) => {
  const step = count <= 10 ? 1 : count <= 24 ? 4 : 8;
  const at = [];
  for (let i = 0; i < count; i += step) at.push(i);
  return { tickvals: at, ticktext: at.map((i) => String(i + 1)) };
};

function heat(element, matrix, { rows, columns, vertical, horizontal, name, limit, words }) {
  const height = matrix.length;
  const width = matrix[0].length;
  draw(
    element,
    (theme) => ({
      data: [{
        type: "heatmap",
        z: matrix,
        zmin: -limit,
        zmax: limit,
        colorscale: scale(theme),
        showscale: false,
        // A gap keeps plotly on its drawing method without inline style attributes.
        xgap: width > 30 ? 0.5 : 1.5,
        ygap: height > 30 ? 0.5 : 1.5,
        texttemplate: words ? "%{z:.2f}" : "",
        textfont: { size: 11 },
        hovertemplate: `${name}[%{customdata[0]}, %{customdata[1]}] = %{z:.9g}<extra></extra>`,
        customdata: matrix.map((row, i) => row.map((_, j) => [i + 1, j + 1])),
      }],
      layout: {
        margin: { l: 46, r: 8, t: 8, b: 44 },
        dragmode: false,
        xaxis: axis(theme, {
          title: horizontal, showgrid: false, range: [-0.5, width - 0.5], constrain: "domain",
          fixedrange: true, ...cells(width),
        }),
        yaxis: axis(theme, {
          title: vertical, showgrid: false, range: [height - 0.5, -0.5], scaleanchor: "x",
          constrain: "domain", fixedrange: true, ...cells(height),
        }),
        shapes: lines(rows, columns, height, width, theme),
      },
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
    h("figure", {}, h("figcaption", {}, h("h3", {}, "R"), h("p", {}, "student-teacher overlaps")), left),
    h("figure", {}, h("figcaption", {}, h("h3", {}, "Q"), h("p", {}, "student-student overlaps")), right),
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
