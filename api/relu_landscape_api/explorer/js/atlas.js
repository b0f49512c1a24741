// The atlas: a map of widths whose squares open the explorer, and the same numbers as a table.

import { atlas } from "./api.js";
import { channels, inkOn } from "./chart/cells.js";
import { $, h, show } from "./dom.js";
import { count, interval, percent, plural, real, widthsInWords } from "./format.js";
import { themeButton } from "./themebutton.js";

/** A share in whole per cent, with no 100% and no 0% for what is not quite that. */
function wholePercent(value) {
  if (value > 0 && value < 0.005) return "<1%";
  return value < 1 && value >= 0.995 ? ">99%" : `${Math.round(100 * value)}%`;
}

const short = (value) => (value >= 10 ? String(Math.round(value)) : value.toPrecision(2));

/**
 * What a square may show: its `value`, null where there is none; `text` inside; the share of the
 * colour, from 0 to 1, among the values `of` all squares; and what the map says above.
 */
const LAYERS = {
  zero: {
    value: (cell) => (cell.student_width < cell.teacher_width ? null : cell.zero_loss_probability),
    text: wholePercent,
    ends: () => ["0%", "100%"],
    share: (value) => value,
    words: "Share of the random starts from which gradient flow comes to zero loss; a dash where fewer students than teachers put it out of reach.",
  },
  spurious: {
    value: (cell) => cell.spurious_minima,
    text: String,
    ends: (values) => ["0", String(Math.max(...values, 1))],
    share: (value, values) => Math.sqrt(value / Math.max(...values, 1)),
    words: "Minima of positive loss, up to relabelling. With fewer students than teachers all minima are such.",
  },
  lowest: {
    value: (cell) => cell.lowest_spurious_loss,
    text: short,
    ends: (values) => (values.length ? [real(Math.min(...values), 2), real(Math.max(...values), 2)] : ["–", "–"]),
    share: (value, values) => {
      const [low, high] = [Math.min(...values), Math.max(...values)].map(Math.log);
      return high > low ? (Math.log(value) - low) / (high - low) : 1;
    },
    words: "The loss of the best minimum that is not global, on a logarithmic scale; a dash where no such minimum was found.",
  },
};

let cells = [];
let layer = "zero";
let current = null; // the square that the Tab key comes to: "K,M"

const placeOf = ({ student_width: students, teacher_width: teachers }) => `${students},${teachers}`;
const widthsOf = (name) => [...new Set(cells.map((cell) => cell[name]))].sort((a, b) => a - b);
const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colour of a share, between the page's own surface and its accent: [r, g, b]. */
function colourOf(share) {
  const [from, to] = [channels(variable("--surface")), channels(variable("--accent"))];
  return from.map((each, i) => Math.round(each + share * (to[i] - each)));
}

const zeroLoss = (cell) => interval(cell.zero_loss_probability == null ? null
  : { probability: cell.zero_loss_probability, interval_95: cell.zero_loss_interval_95 });

/** One square in a sentence. */
function sentence(cell) {
  const { student_width: students, teacher_width: teachers } = cell;
  const found = cell.spurious_minima
    ? `${plural(cell.spurious_minima, "spurious minimum", "spurious minima")}, the lowest at ${real(cell.lowest_spurious_loss, 6)}`
    : "no spurious minimum";
  return `${widthsInWords(students, teachers)}: zero loss ${zeroLoss(cell)} of ${count(cell.starts)} starts; ${found}.`;
}

function square(cell, values) {
  const { student_width: students, teacher_width: teachers } = cell;
  const { value, text, share } = LAYERS[layer];
  const here = value(cell);
  const shown = here == null ? "–" : text(here);
  const link = h("a", {
    href: `./?${new URLSearchParams({ student_width: students, teacher_width: teachers })}`,
    "aria-label": `${shown}, ${sentence(cell)}`,
    tabindex: placeOf(cell) === current ? "0" : "-1",
    dataset: { place: placeOf(cell), value: here == null ? "" : String(here) },
    onfocus: () => tell(cell), onmouseenter: () => tell(cell), onkeydown: (event) => step(event, cell),
  }, shown);
  if (here != null) {
    const rgb = colourOf(share(here, values));
    link.style.backgroundColor = `rgb(${rgb})`;
    link.style.color = inkOn(rgb);
  }
  return link;
}

const tell = (cell) => { $("atlas-told").textContent = sentence(cell); };

/** Arrows, Home and End go from square to square. */
function step(event, cell) {
  const [students, teachers] = [widthsOf("student_width"), widthsOf("teacher_width")];
  const [i, j] = [students.indexOf(cell.student_width), teachers.indexOf(cell.teacher_width)];
  const moves = {
    ArrowRight: [i + 1, j], ArrowLeft: [i - 1, j], ArrowDown: [i, j + 1], ArrowUp: [i, j - 1],
    Home: [0, j], End: [students.length - 1, j],
  };
  const to = moves[event.key];
  if (!to) return;
  event.preventDefault();
  const place = `${students[to[0]]},${teachers[to[1]]}`;
  const next = document.querySelector(`#map [data-place="${place}"]`);
  if (!next) return;
  document.querySelector(`#map [data-place="${current}"]`)?.setAttribute("tabindex", "-1");
  current = place;
  next.setAttribute("tabindex", "0");
  next.focus();
}

function drawMap() {
  const [students, teachers] = [widthsOf("student_width"), widthsOf("teacher_width")];
  const byPlace = new Map(cells.map((cell) => [placeOf(cell), cell]));
  const { value, words, ends } = LAYERS[layer];
  const values = cells.map(value).filter((each) => each != null);
  const entry = (k, m) => {
    const cell = byPlace.get(`${k},${m}`);
    return h("td", { class: k === m ? "equal" : null },
      cell ? square(cell, values) : h("span", { class: "absent" }, h("span", { class: "unseen" }, "not computed")));
  };
  $("map").replaceChildren(h("table", { class: "map" },
    h("caption", {}, "student width K →, teacher width M ↓"),
    h("thead", {}, h("tr", {}, h("td", {}), students.map((k) => h("th", { scope: "col" }, String(k))))),
    h("tbody", {}, teachers.map((m) => h("tr", {}, h("th", { scope: "row" }, String(m)), students.map((k) => entry(k, m)))))));
  $("map-words").textContent = words;
  const bar = h("i");
  bar.style.backgroundImage = `linear-gradient(to right, rgb(${colourOf(0)}), rgb(${colourOf(1)}))`;
  const [low, high] = ends(values);
  $("scale").replaceChildren(low, bar, high);
}

const HEADINGS = ["K", "M", "zero loss", "minima", "spurious", "lowest spurious loss", "missing mass", "saddles", "certified"];

function drawTable() {
  const cell = (text) => h("td", { class: "number" }, text);
  const some = (value) => (value == null ? "–" : count(value));
  $("table").replaceChildren(h("table", {},
    h("thead", {}, h("tr", {}, HEADINGS.map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", {}, cells.map((each) => h("tr", {},
      h("th", { scope: "row", class: "number" }, String(each.student_width)), cell(String(each.teacher_width)),
      cell(zeroLoss(each)), cell(count(each.minima)), cell(count(each.spurious_minima)),
      cell(real(each.lowest_spurious_loss, 9)), cell(each.missing_mass == null ? "–" : percent(each.missing_mass)),
      cell(some(each.saddles)), cell(some(each.certified)))))));
}

function drawOrigin({ origin, licence, citation }) {
  const { version, algorithm, date, command } = origin;
  $("origin").textContent = `Computed on ${date} by version ${version}, algorithm ${algorithm}: ${command}. ` +
    "A dash under saddles or certified: not looked for there. " + `Licence ${licence}. Cite as: ${citation}`;
}

function colourBy(name) {
  layer = name in LAYERS ? name : "zero";
  for (const radio of document.getElementsByName("by")) radio.checked = radio.value === layer;
  drawMap();
}

for (const radio of document.getElementsByName("by")) {
  radio.addEventListener("change", () => {
    colourBy(radio.value);
    history.replaceState(null, "", layer === "zero" ? location.pathname : `?by=${layer}`);
  });
}

themeButton(() => {
  if (cells.length) drawMap();
});

try {
  const whole = await atlas();
  cells = whole.cells;
  current = cells.length ? placeOf(cells[0]) : null;
  show($("atlas-card"), true);
  show($("numbers"), true);
  colourBy(new URLSearchParams(location.search).get("by") ?? "zero");
  drawTable();
  drawOrigin(whole);
} catch (error) {
  $("atlas-problem").textContent = error.status === 401
    ? "This service asks for a key. Give it on the start page, in this tab, and come back." : error.message;
  show($("atlas-problem"), true);
}
