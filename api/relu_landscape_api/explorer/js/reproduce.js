// How a landscape on the screen is asked for again, cited and kept.

import { h } from "./dom.js";
import { downloads } from "./downloads.js";
import { snippets } from "./snippets.js";

/** What was unfolded stays so; `report(error, place)` tells what of a download went wrong. */
export function drawReproduce(element, landscape, point, pictures, { onServer, report }) {
  const opened = new Set([...element.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
  if (!element.childElementCount) opened.add("curl");
  const problem = h("p", { class: "problem", role: "alert", hidden: true });
  element.replaceChildren(
    h("h2", { id: "reproduce-title" }, "Reproduce, cite, download"),
    h("p", { class: "note" }, "The address of this page holds the view. Landscape ",
      h("code", { class: "id" }, landscape.id.slice(0, 16)), ", digest ",
      h("code", { class: "id" }, landscape.digest.slice(0, 16)), "."),
    ...snippets(landscape, point, opened),
    h("h3", {}, "Download"),
    downloads({ landscape, point, pictures, onServer, report: (error) => report(error, problem) }),
    problem,
  );
}
