// The disconnectivity graph: minima are leaves, branches merge at the lowest saddle that joins
// them (Becker and Karplus, J. Chem. Phys. 106, 1495, 1997).

import { draw } from "./chart/mount.js";
import { show } from "./dom.js";
import { family, plural } from "./format.js";
import { hoverLines, legendElements, legendOf, lossRange, markOf } from "./ladder.js";

/** Put a second leaf for a relabelled copy of `leaf` where a saddle joins the two. */
function addCopy(roots, leaf, { saddle, level }) {
  const copy = { point: leaf.point, copy: true, loss: leaf.loss, children: [] };
  const climb = (node) => {
    if (node === leaf) return [node];
    const path = node.children.map(climb).find(Boolean);
    return path && [...path, node];
  };
  const path = roots.map(climb).find(Boolean);
  const at = path.findIndex((node, i) => i === path.length - 1 || path[i + 1].loss > level);
  const merge = { loss: level, saddle, children: [path[at], copy] };
  const above = path[at + 1];
  if (above) above.children = above.children.map((child) => (child === path[at] ? merge : child));
  else roots[roots.indexOf(path[at])] = merge;
}

/**
 * The forest of merges from the service's data: leaves {point, loss}, nodes {loss, saddle,
 * children}. A saddle between two relabelled copies of one minimum gives that minimum a second
 * leaf, its copy; a continuum of minima is one set, and stays one leaf.
 */
export function forest(points, graph) {
  const byKey = new Map(points.map((point) => [point.key, point]));
  const nodes = new Map(graph.leaves.map(({ key, loss }) => [key, { point: byKey.get(key), loss, children: [] }]));
  for (const { key, level, saddle, children } of graph.nodes) {
    nodes.set(key, { loss: level, saddle, children: children.map((child) => nodes.get(child)) });
  }
  const roots = graph.roots.map((key) => nodes.get(key));
  for (const copy of graph.copies) {
    if (byKey.get(copy.minimum).kind !== "global_continuum") addCopy(roots, nodes.get(copy.minimum), copy);
  }
  return roots.sort((a, b) => size(b) - size(a) || lowest(a) - lowest(b));
}

const size = (node) => (node.children.length ? node.children.reduce((n, child) => n + size(child), 0) : 1);
const lowest = (node) => (node.children.length ? Math.min(...node.children.map(lowest)) : node.loss);

/** Horizontal places: leaves one apart in order, nodes in the middle of their children. */
function place(node, next) {
  if (!node.children.length) {
    node.x = next.value++;
    return;
  }
  node.children.sort((a, b) => lowest(a) - lowest(b));
  for (const child of node.children) place(child, next);
  node.x = node.children.reduce((sum, child) => sum + child.x, 0) / node.children.length;
}

function* all(node) {
  yield node;
  for (const child of node.children) yield* all(child);
}

/** Lines from child to parent, and from each tree's root to the top: nothing known joins it. */
function branches(roots, top) {
  const points = [];
  for (const node of roots.flatMap((root) => [...all(root)])) {
    for (const child of node.children) points.push([child.x, child.loss], [child.x, node.loss], [node.x, node.loss], null);
  }
  for (const root of roots.filter(({ children }) => children.length)) points.push([root.x, root.loss], [root.x, top], null);
  return points;
}

const nameOf = (leaf) => leaf.point.key + (leaf.copy ? "′" : "");

function picture(roots, saddles, range, context, theme) {
  const nodes = roots.flatMap((root) => [...all(root)]);
  const leaves = nodes.filter((node) => node.point);
  const merges = nodes.filter((node) => node.saddle);
  const groups = ["global", "minimum"].filter((name) => leaves.some((leaf) => family(leaf.point) === name));
  return {
    x: { hidden: true, range: [-0.7, leaves.length - 0.3] },
    y: { title: "population loss", range },
    marks: [
      { type: "path", name: "branches", points: branches(roots, range[1]), stroke: theme.soft },
      ...merges.map((node) => ({
        type: "point", x: node.x, y: node.loss, r: 4.5, ...markOf(saddles.get(node.saddle), theme, node.saddle === context.chosen),
        lines: hoverLines(saddles.get(node.saddle), context.request) })),
      ...leaves.map((leaf) => ({
        type: "point", x: leaf.x, y: leaf.loss, r: 6, ...markOf(leaf.point, theme, leaf.point.key === context.chosen),
        name: nameOf(leaf),
        lines: [...hoverLines(leaf.point, context.request), ...(leaf.copy ? ["a relabelled copy"] : [])] })),
    ],
    labels: leaves.map((leaf) => ({ key: nameOf(leaf), text: nameOf(leaf), side: "below",
      strong: leaf.point.key === context.chosen, rank: 0 })),
    legend: legendOf([...groups, "saddle"], theme),
    inset: 26,
  };
}

/** Why there is no graph, in a sentence. */
function reason(landscape) {
  if (!landscape.request.saddles) {
    return "Saddles were not asked for. Tick “find saddles and the minima they join” and compute " +
      "again to see which barriers separate the minima.";
  }
  return "No saddle of index 1 between two of the listed minima was found in the structures searched.";
}

/** What its parts mean, in sentences: of a stem and of a copy only where there is one. */
function note(roots, copies) {
  const trees = roots.filter((root) => root.children.length).length;
  const parts = ["Minima are leaves; two branches merge at the lowest saddle known to join them."];
  parts.push(trees > 1
    ? "A stem that goes on to the top ends there: no saddle found joins its minima to the others."
    : "The stem goes on to the top: it joins nothing else.");
  if (roots.some((root) => !root.children.length)) parts.push("A leaf without a branch is joined to no other.");
  if (copies.length) {
    const { key } = copies[0].point;
    parts.push(`${key}′ is a copy of ${key} with its units relabelled, which a saddle joins to it.`);
  }
  return parts.join(" ");
}

/** Draw the graph, or say why there is none. `place` is {element, empty, legend, note}. */
export function drawGraph({ element, empty, legend, note: caption }, landscape, context) {
  const data = landscape?.disconnectivity;
  const roots = data ? forest(landscape.fixed_points, data) : [];
  const joined = roots.some((root) => root.children.length);
  for (const each of [element, legend, caption]) show(each, joined);
  show(empty, !joined);
  if (!joined) {
    empty.textContent = landscape ? reason(landscape) : "Drawn when the computation has finished.";
    return;
  }
  // Minima that nothing joins stand apart on the right, as leaves without a branch.
  const next = { value: 0 };
  for (const root of roots) place(root, next);
  const nodes = roots.flatMap((root) => [...all(root)]);
  const merges = nodes.filter((node) => node.saddle).length;
  const saddles = new Map(landscape.fixed_points.map((point) => [point.key, point]));
  const range = lossRange(nodes);
  const leaves = nodes.filter((node) => node.point);
  caption.textContent = note(roots, leaves.filter((leaf) => leaf.copy));
  legend.replaceChildren(...legendElements(
    ["global", "minimum"].filter((name) => leaves.some((leaf) => family(leaf.point) === name)).concat("saddle")));
  draw(element, (theme) => picture(roots, saddles, range, context, theme), {
    label: `Disconnectivity graph: ${plural(next.value, "leaf", "leaves")}, merging at ` +
      `${plural(merges, "saddle", "saddles")}. The pathways are listed with each saddle.`,
    click: context.choose,
  });
}
