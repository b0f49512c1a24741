// Names beside marks, placed so that none lies on another or on a mark.

import { s, text, textWidth } from "./svg.js";

const GAP = 5;
/** Steps up and down, in lines, that a name may move to find room; a thin line then leads to it. */
const STEPS = [0, -1, 1, -2, 2, -3, 3];

const overlap = (a, b) => a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1;

function candidates({ x, y, r, side }, width, height) {
  const sides = side === "below" ? ["below", "right", "left"] : ["right", "left"];
  return sides.flatMap((each) => STEPS.map((step) => {
    const x0 = each === "right" ? x + r + GAP : each === "left" ? x - r - GAP - width : x - width / 2;
    const middle = (each === "below" ? y + r + GAP + height / 2 : y) + step * height;
    return { x0, x1: x0 + width, y0: middle - height / 2, y1: middle + height / 2, middle, each, moved: step !== 0 };
  }));
}

const inside = (box, area) => box.x0 >= area.x0 && box.x1 <= area.x1 && box.y0 >= area.y0 && box.y1 <= area.y1;

/**
 * Texts for `labels` ({x, y, r, text, strong, rank, side} in pixels, lowest rank first) within
 * `area`, clear of `marks` (boxes). What finds no room is left out, but for a strong one.
 */
export function placed(labels, marks, area, size, theme) {
  const taken = [...marks];
  const elements = [];
  for (const label of [...labels].sort((a, b) => b.strong - a.strong || a.rank - b.rank)) {
    const weight = label.strong ? 650 : 400;
    const width = textWidth(label.text, size, weight);
    const choices = candidates(label, width, size * 1.2).filter((box) => inside(box, area));
    const box = choices.find((each) => taken.every((other) => !overlap(each, other))) ?? (label.strong ? choices[0] : null);
    if (!box) continue;
    taken.push(box);
    if (box.moved && box.each !== "below") {
      const near = box.each === "right" ? box.x0 - 2 : box.x1 + 2;
      elements.push(s("line", { x1: label.x + (box.each === "right" ? label.r : -label.r), y1: label.y, x2: near,
        y2: box.middle, stroke: theme.faint, "stroke-width": 0.8 }));
    }
    elements.push(text(label.text, { class: "label", x: box.x0, y: box.middle + 0.35 * size, "font-size": size,
      "font-weight": weight, fill: label.strong ? theme.ink : theme.soft, "data-label": label.key }));
  }
  return elements;
}
