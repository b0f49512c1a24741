// What the page's words mean, and the dialogue that says so. Every term on the page is a button that
// opens its entry; the same entries are reached by keyboard from the top bar.

import { $, h } from "./dom.js";

/** Term: its meaning. Synonyms are listed in ALSO. */
const GLOSSARY = {
  "anti-aligned students": "Students whose overlap with the teacher they are matched to is negative: they point away from it.",
  "attributed by proof": "Of the starts that end here, those that were followed into the attribution radius of the certificate, from " +
    "where the flow provably ends at this very point.",
  "attribution radius": "Gradient flow from any point nearer than this to the certified minimum provably ends there.",
  "certified": "A proof accompanies the point: interval arithmetic shows that exactly one critical point lies within a small ball " +
    "around the stored numbers, and of which kind it is. The verifier checks it without the solver.",
  "component": "The Hessian of a symmetric point falls apart into blocks, one for each way in which directions change under " +
    "exchange of equivalent units. An eigenvalue belongs to one such component.",
  "continuum of global minima": "With more students than teachers zero loss is reached on a connected set of points, not at single ones.",
  "difference": "Between two landscapes a minimum is the same (overlaps agree), shifted (the same structure, at another loss or width), " +
    "gone (in the first alone) or born (in the second alone).",
  "family": "Fixed points of one structure whose largest block is as large as the width demands, written with a star: 1 + *.",
  "fixed point": "A set of weights at which the gradient of the loss is zero: a minimum or a saddle.",
  "flow tolerance": "Error that each step of the integrator may make, for each student. Smaller is slower.",
  "found by": "How a point was found: by random starts, by the search in symmetric families, or by the way down from a saddle.",
  "global minimum": "A point at which the loss is zero: the students do what the teacher does.",
  "gradient norm": "Euclidean norm of the gradient at the stored point; zero but for rounding.",
  "index": "Number of directions in which the loss falls: negative eigenvalues of the Hessian. A minimum has none, a saddle one or more.",
  "initial scale": "A random start draws every weight with a variance of this number squared over d, so that a student's norm is about " +
    "this number in any input dimension.",
  "input dimension": "Number d of inputs. Beyond the teacher's span it changes random starts and multiplicities, not the points themselves.",
  "kind": "Minimum, saddle or continuum of global minima.",
  "labelled copies": "Exchanging equivalent units gives other weights of the same loss. So many different sets of weights are this one point.",
  "local minimum": "A minimum of positive loss. With at least as many students as teachers zero can be reached, and it is called spurious.",
  "loss": "Population loss: half the mean squared difference of student and teacher over Gaussian inputs.",
  "method": "What kind of arithmetic proved the certificate, and on which equations.",
  "multiplicity": "How often an eigenvalue occurs, in input dimension d.",
  "nullity": "Number of eigenvalues that are zero within rounding: directions in which the loss does not change to second order.",
  "one more student": "The best student that could be added with a small output weight: how much the loss gains, and where gradient flow " +
    "goes from there. Splitting a student in two instead gives a line of points of the same loss.",
  "overlaps": "R holds the scalar products of students with teachers, Q those of students with one another. The loss depends on nothing else.",
  "pathways": "Gradient flow from a saddle of index 1, pushed off to either side, ends at two minima. The barrier is the saddle's loss " +
    "above either.",
  "perpendicular": "Directions at right angles to all teachers. The Hessian has one block there, once for each such dimension.",
  "precision": "Bits of the arithmetic in a proof; in the form, with how many bits random starts are followed.",
  "probability": "Share of random starts from which gradient flow ends at the point, with Wilson's interval of 95%. Failed starts count.",
  "proof of each point": "Fast: double precision with error bounds where that suffices. Strict: ball arithmetic throughout.",
  "radius of the ball": "Exactly one critical point lies within this distance of the stored weights.",
  "random starts": "Weights drawn at random from which gradient flow is followed to its end.",
  "saddle": "A fixed point from which some directions lower the loss.",
  "seed": "Names the random numbers. The same request with the same seed gives the same bytes.",
  "smallest eigenvalue": "Of the Hessian. Positive: a strict minimum; negative: a saddle; its inverse is the slowest relaxation time of the flow.",
  "span": "The directions that the teachers span.",
  "spurious minimum": "A local minimum of positive loss where zero could be reached.",
  "stability change": "A width at which an eigenvalue of the Hessian passes through zero, so that a family begins or ceases to be a minimum.",
  "structure": "How students and teachers fall into blocks of equivalent units: 1 + 6 is one unit apart and six alike; “extra 1” is a " +
    "student that belongs to no block of teachers.",
  "student norms": "Lengths of the students' weight vectors, in canonical order.",
  "student": "The network that learns: a sum of K units, each the positive part of a weighted sum of the inputs.",
  "teacher": "The network that is learnt: a sum of M units with orthonormal weight vectors.",
  "width": "Number of units of a network. In the equations of a family it is a real number.",
};

const ALSO = {
  "index, nullity": "index", "in the teacher's span": "span", "perpendicular to it": "perpendicular", "loss between": "loss",
  "smallest eigenvalue, teacher's span, at least": "smallest eigenvalue", "smallest eigenvalue, perpendicular, at least": "smallest eigenvalue",
  "point": "fixed point", "not classified yet": "kind", "at zero loss": "global minimum", "space": "span", "the family is a": "stability change",
  "eigenvalue": "smallest eigenvalue", "critical points": "fixed point", "student-teacher overlaps": "overlaps",
  "student-student overlaps": "overlaps",
};

/** The name under which a word of the page is explained, or undefined. */
const entryOf = (word) => (word in GLOSSARY ? word : ALSO[word]);

/**
 * A word of the page as a button that opens its entry. It is left out of the order of the tab key,
 * which would pass through dozens of them: the top bar has the whole glossary.
 */
export function term(word, shown = word) {
  const entry = entryOf(word);
  return entry ? h("button", { type: "button", class: "term", tabindex: "-1", "data-term": entry }, shown) : h("span", {}, shown);
}

const idOf = (name) => `term-${name.replace(/\W+/g, "-")}`;

function build() {
  const dialog = h("dialog", { id: "glossary", "aria-labelledby": "glossary-title" },
    h("header", { class: "point-head" }, h("h2", { id: "glossary-title" }, "Glossary"),
      h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Close")),
    h("dl", { tabindex: "0", "aria-label": "Terms" }, Object.entries(GLOSSARY).sort(([a], [b]) => a.localeCompare(b)).map(([name, meaning]) =>
      h("div", { id: idOf(name) }, h("dt", {}, name), h("dd", {}, meaning)))));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return dialog;
}

/** Open the glossary, at a term if one is given. */
function openGlossary(name) {
  const dialog = $("glossary") ?? build();
  if (!dialog.open) dialog.showModal();
  for (const entry of dialog.querySelectorAll(".at")) entry.classList.remove("at");
  const entry = name && $(idOf(name));
  entry?.classList.add("at");
  entry?.scrollIntoView({ block: "center" });
}

/** Every term on the page, now and later, opens its entry. */
export function watchTerms() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-term]");
    if (!button) return;
    event.preventDefault();
    openGlossary(button.dataset.term);
  });
  $("open-glossary").addEventListener("click", () => openGlossary());
}
