// Ties the views together: one state, drawn from the URL and written back to it.

import * as api from "./api.js";
import { ComparisonView } from "./comparison.js";
import { drawGraph } from "./disconnectivity.js";
import { $, announce, show } from "./dom.js";
import { FamiliesView } from "./families.js";
import { FilteredTable } from "./filter.js";
import { RequestForm } from "./form.js";
import { watchTerms } from "./glossary.js";
import { drawHeadline, drawNotice } from "./headline.js";
import { knownList } from "./known.js";
import { Learning } from "./learning.js";
import { drawLadder, ladderNote } from "./ladder.js";
import { redraw } from "./chart/mount.js";
import { drawPoint } from "./point.js";
import { ProgressPanel, provisional } from "./progress.js";
import { drawReproduce } from "./reproduce.js";
import { DEFAULTS, LEARNING, readUrl, sameRequest, toSearch } from "./state.js";
import { drawSearched } from "./table.js";
import { themeButton } from "./themebutton.js";

const state = {
  request: { ...DEFAULTS }, given: false,
  ...readUrl(),
  landscape: null, // what is on the screen
  example: null, // the stored one
  onServer: false, // the service itself knows the landscape shown
  stop: null, // ends following the running job
};

const GRAPH = { element: $("graph"), empty: $("graph-empty"), legend: $("graph-legend"), note: $("graph-note") };

const table = new FilteredTable($("table-filter"), $("table"), (filter) => writeUrl({ filter }));
const form = new RequestForm((request) => compute(request));
const panel = new ProgressPanel($("progress"), () => stopJob());
const families = new FamiliesView($("families-view"), {
  changed: (fields) => writeUrl(fields), report: (error) => report(error),
});
const learning = new Learning($("learning-view"), {
  changed: (asked, push) => writeUrl({ asked }, push), report: (error) => report(error),
  landscape: () => state.landscape, onServer: () => state.onServer,
  /** Show a landscape, and one of its points, in its own view. */
  open: (id, point = null) => {
    writeUrl({ view: "landscape", id, point, filter: null }, true);
    drawView();
    if (id && id !== state.landscape?.id) return open(id);
    drawLandscape();
    return reveal(point ? $("point") : $("headline"));
  },
});
const comparison = new ComparisonView({ changed: (ids) => compare(ids), problem: (sentence) => noteAddress([sentence], true) });
const known = knownList({
  open: (item) => {
    writeUrl({ view: "landscape", request: item.request, id: item.id, point: null, filter: null }, true);
    open(item.id);
  },
  compare: (item) => compare([...compared(), ...(state.onServer ? [state.landscape.id] : []), item.id]),
  more: (cursor) => api.known(cursor),
});

/** Bring an element into view, at once: a movement that has not ended would go on after Back. */
const reveal = (element) => element.scrollIntoView({ block: "start", behavior: "instant" });

function writeUrl(fields = {}, push = false) {
  Object.assign(state, fields);
  const { view, id, point, filter, compare: ids, families: names, from, to, slope, request, asked } = state;
  const search = toSearch({ view, id, point, filter, compare: ids, families: names, from, to, slope, request, asked });
  if (search === location.search) return;
  // Where the reader was is kept with the place that is left, so that Back returns to it.
  if (push) history.replaceState({ scroll: scrollY }, "");
  history[push ? "pushState" : "replaceState"](null, "", search);
}

/** Say what of an address cannot be done; `more`: beside what is said already. */
function noteAddress(sentences, more = false) {
  const place = $("address-note");
  const said = more && !place.hidden ? [place.textContent] : [];
  const all = [...new Set([...said, ...sentences])];
  show(place, all.length > 0);
  place.textContent = all.join(" ");
}

/** Say what went wrong: beside the form's button, or in `near` where that is another place. */
function report(error, near = null) {
  const text = error.message ?? error;
  if (error.status === 401) {
    show($("key-form"), true);
    // In the service's own words: no key came, or it is unknown, expired or revoked.
    $("key-problem").textContent = text;
    form.unfold(true);
  }
  if (near) {
    near.textContent = text;
    show(near, true);
  } else form.complain(text);
  announce(text);
}

/** Show another point and bring its card into view; Back returns to the one before. */
function choose(key, stay = false) {
  writeUrl({ point: key }, true);
  drawLandscape();
  if (!stay) reveal($("point"));
  announce(`${key} chosen.`);
}

const compared = () => (state.compare ?? "").split(",").filter(Boolean);

/** Compare these landscapes; none ends it. */
async function compare(ids) {
  const list = [...new Set(ids)];
  writeUrl({ compare: list.join(",") || null }, true);
  await comparison.show(list);
  if (list.length) reveal($("comparison"));
}

/** Time to the first picture, for whoever measures the page. */
function markFirstPicture(isDrawn) {
  if (isDrawn && !performance.getEntriesByName("first-picture").length) performance.mark("first-picture");
}

/** The point of the URL, else the lowest spurious minimum, else the first. */
function chosenPoint(points) {
  return points.find((point) => point.key === state.point) ??
    points.find((point) => point.kind === "minimum" && !point.is_global) ?? points[0];
}

/** Whatever waits, a click or the picture just made, comes first. */
const breath = () => new Promise((resolve) => setTimeout(resolve));

let drawing = null;

/**
 * Draw everything of the landscape. `gently`: the ladder at once, the rest piece by piece, so that
 * the first picture is seen before the last one is made.
 */
async function drawLandscape(gently = false) {
  const { landscape } = state;
  if (!landscape) return;
  const turn = (drawing = {});
  const points = landscape.fixed_points;
  const point = chosenPoint(points);
  const context = { request: landscape.request, chosen: point?.key, choose };
  drawHeadline($("headline"), landscape, {
    isExample: landscape === state.example && !state.onServer,
    compare: state.onServer && (() => compare([...compared(), landscape.id])),
  });
  $("ladder-note").textContent = ladderNote(false);
  show($("ladder-card"), true);
  markFirstPicture(drawLadder($("ladder"), $("ladder-legend"), points, context));
  let pictures = {};
  const rest = [
    () => {
      show($("graph-card"), true);
      drawGraph(GRAPH, landscape, context);
    },
    () => {
      show($("table-card"), true);
      table.draw(points, context, state.filter);
      drawSearched($("searched"), landscape);
    },
    () => (pictures = drawPoint($("point"), point, landscape, choose)),
    () => {
      show($("reproduce"), true);
      drawReproduce($("reproduce"), landscape, point, { ladder: $("ladder"), graph: $("graph"), ...pictures },
        { onServer: state.onServer, report });
    },
  ];
  for (const part of rest) {
    if (gently) await breath();
    if (turn !== drawing) return;
    part();
  }
}

/** Provisional points while a job runs: ladder and table only. */
function drawFindings(request, findings) {
  const points = provisional(findings);
  const context = { request, chosen: null, choose: () => {} };
  show($("ladder-card"), points.length > 0);
  show($("table-card"), points.length > 0);
  if (!points.length) return;
  $("ladder-note").textContent = ladderNote(true);
  drawLadder($("ladder"), $("ladder-legend"), points, context);
  table.drawAll(points, context);
  show($("searched"), false);
}

function clearScreen() {
  state.landscape = drawing = null;
  for (const id of ["ladder-card", "graph-card", "table-card", "point", "reproduce"]) show($(id), false);
}

function present(landscape, onServer) {
  state.landscape = landscape;
  state.onServer = onServer;
  if (onServer) comparison.hold(landscape);
  const absent = state.point && !landscape.fixed_points.some(({ key }) => key === state.point);
  if (absent) noteAddress([`This landscape has no point ${state.point}.`], true);
  panel.stop();
  form.busy(false);
  form.write(landscape.request);
  writeUrl({ request: landscape.request, id: onServer ? landscape.id : null, ...(absent && { point: null }) });
  drawLandscape(true);
  if (isLearning()) learning.show(state);
}

function failed(error) {
  panel.stop();
  form.busy(false);
  drawNotice($("headline"), "No landscape", error.message);
  report(error);
}

function followJob(status) {
  state.stop?.();
  clearScreen();
  const { request } = status;
  writeUrl({ request, id: status.id, point: null });
  form.write(request);
  form.busy(true);
  panel.start();
  panel.update(status);
  const words = `${request.student_width} students, ${request.teacher_width} teachers`;
  drawNotice($("headline"), words, "Fixed points appear as they are found.");
  state.stop = api.follow(status.id, {
    status: (news) => {
      const { findings } = panel.update(news);
      if ("findings" in news) drawFindings(request, findings);
    },
    silent: (sentence) => {
      panel.silent(sentence);
      form.busy(!sentence);
      form.complain(sentence);
    },
    done: (landscape) => {
      form.complain(null);
      present(landscape, true);
      announce("The landscape is ready.");
      lookAround();
    },
    failed,
  });
}

async function compute(request) {
  state.stop?.();
  form.busy(true);
  noteAddress([]);
  writeUrl({ request, id: null, point: null, filter: null }, true);
  try {
    const answer = await api.patiently(api.submit(request), () => form.complain("The service has not answered for some seconds."));
    form.complain(null);
    // On a small screen the form stands above the landscape, and would hide it.
    form.unfold(false);
    if (api.isResult(answer)) present(answer, true);
    else followJob(answer);
    if (matchMedia("(max-width: 860px)").matches) reveal($(api.isResult(answer) ? "headline" : "progress"));
  } catch (error) {
    form.busy(false);
    report(error);
  }
}

async function stopJob() {
  try {
    panel.update(await api.cancel(state.id));
  } catch (error) {
    report(error);
  }
}

async function open(id) {
  state.stop?.();
  try {
    const answer = await api.landscape(id);
    if (api.isResult(answer)) present(answer, true);
    else if (["queued", "running", "cancelling"].includes(answer.state)) followJob(answer);
    else {
      clearScreen();
      failed(new Error(answer.error || `The computation was ${answer.state}. Press Compute to start it again.`));
    }
  } catch (error) {
    clearScreen();
    form.write(state.request);
    if (error.status !== 404) return failed(error);
    drawNotice($("headline"), "Not computed here yet",
      "This service does not hold the landscape of this address. Press Compute to make it.");
  }
}

/** Show what the URL asks for; without anything, the stored example at once. */
async function start() {
  noteAddress(state.problems);
  drawView();
  comparison.show(compared());
  if (state.id) return open(state.id);
  state.example ??= await api.stored();
  if (!state.given || sameRequest(state.request, state.example.request)) return present(state.example, false);
  form.write(state.request);
  clearScreen();
  drawNotice($("headline"), "Ready to compute",
    "The form holds the landscape of this address. Press Compute to find its fixed points.");
  form.unfold(true);  // on a phone Compute would be out of sight
}

const isLearning = () => LEARNING.includes(state.view);

function drawView() {
  const isFamilies = state.view === "families";
  show($("landscape-view"), !isFamilies && !isLearning());
  show($("families-view"), isFamilies);
  show($("learning-view"), isLearning());
  for (const link of document.querySelectorAll(".views a[data-view]")) {
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isFamilies) families.show(state);
  if (isLearning()) learning.show(state);
}

/** What else the service knows: its limits, its landscapes, its own copy of the example. */
async function lookAround() {
  try {
    const [info, page] = await Promise.all([api.serviceInfo(), api.known()]);
    const { items } = page;
    form.setLimits(info.limits);
    known.set(page);
    const shown = state.landscape;
    if (!shown || state.onServer) return;
    const twin = items.find((item) => item.state === "finished" && sameRequest(item.request, shown.request));
    if (!twin) return;
    const own = await api.landscape(twin.id);
    if (state.landscape === shown && api.isResult(own)) present(own, true);
  } catch (error) {
    if (error.status === 401) report(error);
    else $("service").textContent = error.message;
  }
}

$("panel-toggle").addEventListener("click", ({ currentTarget: button }) =>
  form.unfold(button.getAttribute("aria-expanded") !== "true"));
watchTerms();

$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useKey($("key").value);
  show($("key-form"), false);
  form.complain(null);
  if (state.id && !state.landscape) open(state.id);
  lookAround();
});

for (const link of document.querySelectorAll(".views a[data-view]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const { view } = link.dataset;
    writeUrl({ view, asked: learning.asked(view) }, true);
    drawView();
    if (state.view === "landscape") redraw();
  });
}

themeButton(redraw);

/** Whether an address is of what is on the screen. */
function isOfThis(url) {
  if (!state.landscape || (url.id ?? null) !== (state.id ?? null)) return false;
  if (LEARNING.includes(url.view)) return true;
  return url.view === state.view && (url.compare ?? null) === (state.compare ?? null) &&
    Boolean(url.id || sameRequest(url.request, state.request) || !url.given);
}

/** The address before or after: another point of what is shown, or something else altogether. */
window.addEventListener("popstate", async (event) => {
  const url = readUrl();
  const isHere = isOfThis(url);
  Object.assign(state, url);
  if (isHere) isLearning() ? drawView() : drawLandscape();
  else {
    state.stop?.();
    panel.stop();
    form.busy(false);
    await start();
  }
  if (event.state) scrollTo({ top: event.state.scroll, behavior: "instant" });
});

await start().catch(failed);
await lookAround();
