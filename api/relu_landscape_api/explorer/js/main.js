// Ties the views together: one state, drawn from the URL and written back to it.

import * as api from "./api.js";
import { drawGraph } from "./disconnectivity.js";
import { $, announce, h, show } from "./dom.js";
import { downloads } from "./downloads.js";
import { FamiliesView } from "./families.js";
import { drawRecent, RequestForm } from "./form.js";
import { drawHeadline, drawNotice } from "./headline.js";
import { drawLadder, ladderNote } from "./ladder.js";
import { redraw } from "./plot.js";
import { drawPoint } from "./point.js";
import { ProgressPanel, provisional } from "./progress.js";
import { snippets } from "./snippets.js";
import { readUrl, sameRequest, toSearch } from "./state.js";
import { drawSearched, drawTable } from "./table.js";

const state = {
  ...readUrl(),
  landscape: null, // what is on the screen
  example: null, // the stored one
  onServer: false, // the service itself knows the landscape shown
  stop: null, // ends following the running job
};

const form = new RequestForm((request) => compute(request));
const panel = new ProgressPanel($("progress"), () => stopJob());
const families = new FamiliesView($("families-view"), {
  changed: (fields) => writeUrl(fields), report: (error) => report(error),
});

function writeUrl(fields = {}, push = false) {
  Object.assign(state, fields);
  const { view, id, point, families: names, from, to, request } = state;
  const search = toSearch({ view, id, point, families: names, from, to, request });
  if (search !== location.search) history[push ? "pushState" : "replaceState"](null, "", search);
}

function report(error) {
  const text = error.message ?? error;
  if (error.status === 401) {
    show($("key-form"), true);
    // In the service's own words: no key came, or it is unknown, expired or revoked.
    $("key-problem").textContent = text;
    $("panel-toggle").setAttribute("aria-expanded", "true");
  }
  form.complain(text);
  announce(text);
}

function choose(key, scroll = false) {
  writeUrl({ point: key });
  drawLandscape();
  if (scroll) {
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    $("point").scrollIntoView({ behavior: still ? "auto" : "smooth", block: "nearest" });
  }
  announce(`${key} chosen.`);
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

function drawLandscape() {
  const { landscape } = state;
  if (!landscape) return;
  const points = landscape.fixed_points;
  const point = chosenPoint(points);
  const context = { request: landscape.request, chosen: point?.key, choose };
  drawHeadline($("headline"), landscape, { isExample: landscape === state.example && !state.onServer });
  $("ladder-note").textContent = ladderNote(false);
  drawLadder($("ladder"), $("ladder-legend"), points, context).then(markFirstPicture);
  drawGraph($("graph"), $("graph-empty"), landscape, context);
  drawTable($("table"), points, context);
  drawSearched($("searched"), landscape);
  const pictures = drawPoint($("point"), point, landscape, choose);
  drawReproduce(landscape, point, { ladder: $("ladder"), graph: $("graph"), ...pictures });
  for (const id of ["ladder-card", "graph-card", "table-card", "reproduce"]) show($(id), true);
}

function drawReproduce(landscape, point, pictures) {
  const element = $("reproduce");
  const opened = new Set([...element.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
  if (!element.childElementCount) opened.add("curl");
  element.replaceChildren(
    h("h2", { id: "reproduce-title" }, "Reproduce, cite, download"),
    h("p", { class: "note" }, "The address of this page holds the view. Landscape ",
      h("code", { class: "id" }, landscape.id.slice(0, 16)), ", digest ",
      h("code", { class: "id" }, landscape.digest.slice(0, 16)), "."),
    ...snippets(landscape, point, opened),
    h("h3", {}, "Download"),
    downloads({ landscape, point, pictures, onServer: state.onServer, report }),
  );
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
  drawTable($("table"), points, context);
  show($("searched"), false);
}

function clearScreen() {
  state.landscape = null;
  for (const id of ["ladder-card", "graph-card", "table-card", "point", "reproduce"]) show($(id), false);
}

function present(landscape, onServer) {
  state.landscape = landscape;
  state.onServer = onServer;
  panel.stop();
  form.busy(false);
  form.write(landscape.request);
  writeUrl({ request: landscape.request, id: onServer ? landscape.id : null });
  drawLandscape();
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
    done: (landscape) => {
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
  writeUrl({ request, id: null, point: null }, true);
  try {
    const answer = await api.submit(request);
    if (api.isResult(answer)) present(answer, true);
    else followJob(answer);
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
  drawView();
  if (state.id) return open(state.id);
  state.example ??= await api.stored();
  if (!state.given || sameRequest(state.request, state.example.request)) return present(state.example, false);
  form.write(state.request);
  clearScreen();
  drawNotice($("headline"), "Ready to compute",
    "The form holds the landscape of this address. Press Compute to find its fixed points.");
}

function drawView() {
  const isFamilies = state.view === "families";
  show($("landscape-view"), !isFamilies);
  show($("families-view"), isFamilies);
  for (const link of document.querySelectorAll(".views a[data-view]")) {
    if (link.dataset.view === state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isFamilies) families.show(state);
}

/** What else the service knows: its limits, its landscapes, its own copy of the example. */
async function lookAround() {
  try {
    const [info, { items }] = await Promise.all([api.serviceInfo(), api.known()]);
    form.setLimits(info.limits);
    drawRecent($("recent"), items, (item) => {
      writeUrl({ view: "landscape", request: item.request, id: item.id, point: null }, true);
      open(item.id);
    });
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
  button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true")));

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
    writeUrl({ view: link.dataset.view }, true);
    drawView();
    if (state.view === "landscape") redraw();
  });
}

const themeButton = $("theme");
const markTheme = () =>
  themeButton.setAttribute("aria-pressed", String(document.documentElement.dataset.theme === "dark"));
themeButton.addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("relu-landscape-theme", next);
  } catch {
    // Storage can be forbidden; the choice then lasts as long as the page.
  }
  markTheme();
  redraw();
});
markTheme();

window.addEventListener("popstate", () => {
  state.stop?.();
  panel.stop();
  form.busy(false);
  Object.assign(state, readUrl());
  start();
});

await start().catch(failed);
await lookAround();
