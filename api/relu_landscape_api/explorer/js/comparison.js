// Two or more landscapes on one axis of losses, and what differs between them.

import { landscape as fetched } from "./api.js";
import { draw } from "./chart/mount.js";
import { $, h, show } from "./dom.js";
import { pictureButtons } from "./downloads.js";
import { family, interval, loss, plural, real, structureWords } from "./format.js";
import { term } from "./glossary.js";
import { hoverLines, legendElements, legendOf, lossRange, markOf, radius } from "./ladder.js";
import { columnNames, compared } from "./matching.js";
import { typeset } from "./typeset.js";

const WORDS = {
  "same": "the same", "same structure": "same structure", "partly": "in some", "gone": "gone", "born": "born",
};

/** A point of the same structure in two landscapes is shifted where its loss is another. */
const isShifted = ({ relation, points }) =>
  relation === "same structure" && points.length === 2 && points[0].loss !== points[1].loss;

function shift(line) {
  if (!isShifted(line)) return "–";
  const { points } = line;
  const difference = points[1].loss - points[0].loss;
  return typeset(`${difference > 0 ? "+" : ""}${real(difference, 4)}`);
}

function table(lines, names, landscapes) {
  const two = names.length === 2;
  const cell = (point, at) => h("td", { class: "number" }, point ? [`${point.key}: ${loss(point, 8)}`,
    landscapes[at].starts.asked ? h("small", {}, ` ${interval(point.attraction)}`) : null] : "–");
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Table of differences" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, term("structure")), h("th", { scope: "col" }, term("difference")),
      names.map((name) => h("th", { scope: "col", class: "number" }, name)),
      two && h("th", { scope: "col", class: "number" }, "loss shifted by"))),
    h("tbody", {}, lines.map((line) => h("tr", { "data-relation": line.relation },
      h("th", { scope: "row" }, structureWords(line.structure)),
      h("td", {}, isShifted(line) ? "shifted" : WORDS[line.relation]), line.points.map(cell), two && h("td", { class: "number" }, shift(line)))))));
}

function picture(lines, landscapes, names, theme) {
  const wanted = (point) => point.kind !== "saddle";
  const all = landscapes.flatMap(({ fixed_points: points }) => points.filter(wanted));
  const groups = ["global", "minimum"].filter((name) => all.some((point) => family(point) === name));
  const marks = landscapes.flatMap(({ fixed_points: points, request }, x) => points.filter(wanted).map((point) => ({
    type: "point", x, y: point.loss, r: radius(point.attraction?.probability), ...markOf(point, theme, false),
    name: `${x}:${point.key}`, key: point.key, lines: [names[x], ...hoverLines(point, request)] })));
  return {
    x: { title: "students / teachers", range: [-0.5, landscapes.length - 0.5], ticks: names.map((text, at) => ({ at, text })) },
    y: { title: "population loss", range: lossRange(all) },
    marks: [
      ...lines.map((line) => ({
        type: "path", name: line.relation === "same" ? "same" : "shifted", stroke: theme.faint, width: 1.4,
        dash: line.relation === "same" ? null : "4 4",
        points: line.points.flatMap((point, x) => (point ? [[x, point.loss]] : [null])) })),
      ...marks,
    ],
    labels: marks.map((mark) => ({ key: mark.name, text: mark.key, strong: false, rank: mark.y })),
    legend: legendOf(groups, theme),
    inset: 26,
  };
}

function counts(lines) {
  const of = (relation) => lines.filter((line) => line.relation === relation).length;
  return [[of("same"), "the same"], [of("same structure"), "of the same structure, at another loss or width"],
    [of("born"), "born"], [of("gone"), "gone"], [of("partly"), "in some only"]]
    .filter(([number]) => number).map(([number, words]) => `${number} ${words}`).join(", ");
}

export class ComparisonView {
  /** `on.changed(ids)` gets the ids compared now; `on.problem(sentence)` what is not there. */
  constructor(on) {
    this.on = on;
    this.ids = [];
    this.held = new Map();
  }

  /** Remember a landscape that is here already. */
  hold(landscape) {
    this.held.set(landscape.id, landscape);
  }

  /** Compare the landscapes of these ids; the first call of several that wins is the last. */
  async show(ids) {
    const turn = (this.turn = {});
    this.ids = [...new Set(ids)];
    const found = await Promise.all(this.ids.map(async (id) => {
      if (this.held.has(id)) return this.held.get(id);
      try {
        const answer = await fetched(id);
        if (Array.isArray(answer.fixed_points)) return answer;
        this.on.problem(`Landscape ${id.slice(0, 12)} of the comparison is not finished.`);
      } catch (error) {
        this.on.problem(error.status === 404
          ? `Landscape ${id.slice(0, 12)} of the comparison is not held here.` : error.message);
      }
      return null;
    }));
    if (turn !== this.turn) return;
    const landscapes = found.filter(Boolean);
    for (const landscape of landscapes) this.hold(landscape);
    this.draw(landscapes);
  }

  draw(landscapes) {
    const element = $("comparison");
    show(element, landscapes.length > 0);
    if (!landscapes.length) return;
    const close = h("button", { type: "button", class: "quiet", onclick: () => this.on.changed([]) }, "End the comparison");
    const head = h("header", { class: "point-head" }, h("h2", { id: "comparison-title", tabindex: "-1" }, "Comparison"), close);
    if (landscapes.length === 1) {
      const [name] = columnNames(landscapes);
      element.replaceChildren(head, h("p", { class: "note" },
        `${name} is chosen. Open or compute another landscape and add it, or press Compare beside one that is known here.`));
      return;
    }
    const names = columnNames(landscapes);
    const lines = compared(landscapes);
    const target = h("div", { class: "plot tall", id: "comparison-ladder" });
    const groups = ["global", "minimum"].filter((name) =>
      landscapes.some(({ fixed_points: points }) => points.some((point) => family(point) === name)));
    element.replaceChildren(head,
      h("p", { class: "note" }, `${plural(lines.length, "minimum", "minima")} in ${names.join(", ")}: ${counts(lines)}. ` +
        "Solid lines join one and the same point, dashed ones points of one structure; that does not prove that one goes over " +
        "into the other, which the view of families does."),
      h("div", { class: "legend" }, legendElements(groups)), target, table(lines, names, landscapes),
      h("ul", { class: "note plain" }, landscapes.map(({ id, request }, at) => h("li", {},
        `${names[at]}: ${plural(request.starts, "start", "starts")}, seed ${request.seed} `,
        h("button", { type: "button", class: "quiet small", onclick: () => this.on.changed(this.ids.filter((each) => each !== id)) },
          "Take out")))),
      pictureButtons([["comparison", target, `comparison-${names.map((name) => name.replace(/\W+/g, "-")).join("-")}`]],
        (text) => this.on.problem(text)));
    draw(target, (theme) => picture(lines, landscapes, names, theme), {
      label: `Minima of ${names.join(", ")} on one axis of losses: ${counts(lines)}. The table below lists them.` });
  }
}
