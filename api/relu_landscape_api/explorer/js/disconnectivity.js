// The disconnectivity graph: minima are leaves, branches merge at the lowest saddle that joins
// them (Becker and Karplus, J. Chem. Phys. 106, 1495, 1997).

import { show } from "./dom.js";
import { family, kindWords, plural, real } from "./format.js";
import { lossRange } from "./ladder.js";
import { axis, draw } from "./plot.js";

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

function branches(roots, top) {
  const x = [];
  const y = [];
  for (const node of roots.flatMap((root) => [...all(root)])) {
    for (const child of node.children) {
      x.push(child.x, child.x, node.x, null);
      y.push(child.loss, node.loss, node.loss, null);
    }
  }
  for (const root of roots) {
    if (!root.children.length) continue;
    x.push(root.x, root.x, null);
    y.push(root.loss, top, null);
  }
  return { x, y };
}

function picture(roots, range, context, theme) {
  const nodes = roots.flatMap((root) => [...all(root)]);
  const leaves = nodes.filter((node) => node.point);
  const merges = nodes.filter((node) => node.saddle);
  const name = (leaf) => leaf.point.key + (leaf.copy ? "′" : "");
  const chosen = (key) => key === context.chosen;
  return {
    data: [
      { type: "scatter", mode: "lines", ...branches(roots, range[1]), hoverinfo: "skip",
        line: { color: theme.soft, width: 1.6 } },
      {
        type: "scatter", mode: "markers", cliponaxis: false,
        x: merges.map((node) => node.x), y: merges.map((node) => node.loss),
        customdata: merges.map((node) => node.saddle),
        text: merges.map((node) => `${node.saddle}: saddle<br>loss ${real(node.loss, 8)}`),
        hovertemplate: "%{text}<extra></extra>",
        marker: { symbol: "diamond", size: 9, color: theme.saddle,
          line: { width: merges.map((node) => (chosen(node.saddle) ? 3 : 1.5)),
            color: merges.map((node) => (chosen(node.saddle) ? theme.ink : theme.surface)) } },
      },
      {
        type: "scatter", mode: "markers+text", cliponaxis: false,
        x: leaves.map((leaf) => leaf.x), y: leaves.map((leaf) => leaf.loss),
        customdata: leaves.map((leaf) => leaf.point.key),
        text: leaves.map(name), textposition: "bottom center", textfont: { color: theme.soft, size: 12 },
        hovertext: leaves.map((leaf) => `${name(leaf)}: ${kindWords(leaf.point, context.request)}` +
          `${leaf.copy ? ", a relabelled copy" : ""}<br>loss ${real(leaf.loss, 8)}`),
        hovertemplate: "%{hovertext}<extra></extra>",
        marker: { size: 12, color: leaves.map((leaf) => theme[family(leaf.point)]),
          line: { width: leaves.map((leaf) => (chosen(leaf.point.key) ? 3 : 1.5)),
            color: leaves.map((leaf) => (chosen(leaf.point.key) ? theme.ink : theme.surface)) } },
      },
    ],
    layout: {
      xaxis: { visible: false, range: [-0.7, leaves.length - 0.3], fixedrange: true },
      yaxis: axis(theme, { title: "population loss", range, tickformat: "~g", nticks: 8 }),
    },
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

/** Draw the graph, or say why there is none. */
export function drawGraph(element, empty, landscape, context) {
  const data = landscape?.disconnectivity;
  const roots = data ? forest(landscape.fixed_points, data) : [];
  const joined = roots.some((root) => root.children.length);
  show(element, joined);
  show(empty, !joined);
  if (!joined) {
    empty.textContent = landscape ? reason(landscape) : "Drawn when the computation has finished.";
    return;
  }
  // Minima that nothing joins stand apart on the right, as leaves without a branch.
  const next = { value: 0 };
  for (const root of roots) place(root, next);
  const nodes = roots.flatMap((root) => [...all(root)]);
  const range = lossRange(nodes);
  const merges = nodes.filter((node) => node.saddle).length;
  draw(element, (theme) => picture(roots, range, context, theme), {
    label: `Disconnectivity graph: ${plural(next.value, "leaf", "leaves")}, merging at ` +
      `${plural(merges, "saddle", "saddles")}. The pathways are listed with each saddle.`,
    click: (point) => point.customdata && context.choose(point.customdata),
  });
}
