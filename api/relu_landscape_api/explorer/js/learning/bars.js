// A share as a bar with its interval, for tables.

import { h } from "../dom.js";
import { interval, percent } from "../format.js";

/** A bar of `share` (0 to 1) with the interval as a line, and the numbers beneath. */
export function shareBar(share, kind) {
  const { probability, interval_95: bounds } = share;
  const fill = h("i", { class: `fill ${kind}` });
  // The policy forbids style attributes in markup, not what a script sets.
  fill.style.width = `${100 * probability}%`;
  const range = h("i", { class: "range" });
  range.style.left = `${100 * bounds[0]}%`;
  range.style.width = `${100 * (bounds[1] - bounds[0])}%`;
  return h("div", { class: "share" }, h("div", { class: "bar", "aria-hidden": "true" }, fill, range), h("span", {}, interval(share)));
}

/** A bar for how many of `total`. */
export function countBar(count, total, kind) {
  const fill = h("i", { class: `fill ${kind}` });
  fill.style.width = `${(100 * count) / total}%`;
  return h("div", { class: "share" }, h("div", { class: "bar", "aria-hidden": "true" }, fill), h("span", {}, `${count} (${percent(count / total)})`));
}
