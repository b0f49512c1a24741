// The exact lines that reproduce what is on the screen.

import { h, announce } from "./dom.js";
import { essentials } from "./state.js";

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

export function curl(request, base) {
  const body = JSON.stringify(essentials(request));
  return `curl -sS '${base}v1/landscapes' \\\n` +
    "  -H 'Content-Type: application/json' -H 'Prefer: wait=60' \\\n" +
    `  -d ${quoted(body)}`;
}

function literal(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

export function python(request, base, point) {
  const fields = Object.entries(essentials(request)).map(([name, value]) => `    ${name}=${literal(value)},`);
  const lines = [
    "from relu_landscape_client import Client",
    "",
    `landscape = Client(${JSON.stringify(base.replace(/\/$/, ""))}).landscape(`,
    ...fields,
    ")",
  ];
  if (point) {
    lines.push(
      `point = landscape.fixed_points[${JSON.stringify(point.key)}]`,
      "print(point.loss, point.R, point.Q)",
    );
  }
  return lines.join("\n");
}

export function citation(landscape) {
  const { id, provenance, digest } = landscape;
  const note = `Landscape ${id}, algorithm ${provenance.algorithm}, digest ${digest}`;
  return `@software{relu_landscape,
  title   = {relu-landscape: loss landscapes of two-layer ReLU networks},
  author  = {{The relu-landscape developers}},
  version = {${provenance.version}},
  note    = {${note}}
}

@inproceedings{huang2026sharp,
  title         = {Sharp description of local minima in the loss landscape of
                   high-dimensional two-layer {ReLU} neural networks},
  author        = {Huang and Loureiro and {Sarao Mannelli}},
  booktitle     = {International Conference on Machine Learning},
  year          = {2026},
  eprint        = {2604.09412},
  archivePrefix = {arXiv}
}`;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without a secure context there is no clipboard: select the text, so that a key copies it.
    const range = document.createRange();
    range.selectNodeContents(button.parentElement.querySelector("code"));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected";
  }
  announce(`${button.textContent}.`);
}

function snippet(title, text, open) {
  const button = h("button", { type: "button", class: "quiet copy", "aria-label": `Copy ${title}`,
    onclick: (event) => copy(text, event.currentTarget) }, "Copy");
  return h("details", { class: "snippet", open },
    h("summary", {}, title),
    h("div", { class: "code" }, h("pre", { tabindex: "0" }, h("code", {}, text)), button));
}

/** curl and Python for families along the width. */
export function familySnippets(names, { from, to, points, leak }, opened) {
  const base = new URL(".", document.baseURI).href;
  const query = (name) =>
    new URLSearchParams({ structure: name, from_width: from, to_width: to, points, ...(leak && { leak }) }).toString();
  const lines = names.map((name) => `curl -sS '${base}v1/families/continuation?${query(name)}'`);
  const code = [
    "from relu_landscape_client import Client",
    "",
    `client = Client(${JSON.stringify(base.replace(/\/$/, ""))})`,
    `for name in ${literal(names)}:`,
    `    family = client.continuation(name, ${from}, ${to}, points=${points}${leak ? `, leak=${leak}` : ""})`,
    "    print(name, family.changes)",
  ];
  return [
    snippet("curl", lines.join("\n"), opened.has("curl")),
    snippet("Python", code.join("\n"), opened.has("Python")),
  ];
}

/** The snippets as elements. */
export function snippets(landscape, point, opened) {
  const base = new URL(".", document.baseURI).href;
  return [
    snippet("curl", curl(landscape.request, base), opened.has("curl")),
    snippet("Python", python(landscape.request, base, point), opened.has("Python")),
    snippet("Citation", citation(landscape), opened.has("Citation")),
  ];
}
