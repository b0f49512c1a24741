// Files: the landscape as JSON, a point as a NumPy archive, pictures as SVG, PNG or PDF.

import { h } from "./dom.js";
import { archive } from "./api.js";
import { pdfFile, pngFile, svgFile, WIDTHS } from "./chart/save.js";

export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // The browser has taken the blob when the click returns to the event loop.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}

/** Offer a value as a JSON file. */
export const saveJson = (value, name) =>
  save(new Blob([JSON.stringify(value, null, 1)], { type: "application/json" }), name);

const stem = ({ request }) => `landscape-K${request.student_width}-M${request.teacher_width}-seed${request.seed}`;

const PICTURES = {
  ladder: "Loss ladder", graph: "Disconnectivity graph", R: "Overlaps R", Q: "Overlaps Q",
  spectrum: "Spectrum", families: "Families", comparison: "Comparison", loss: "Loss", norms: "Norms",
  frequencies: "Frequencies", critical: "Largest learning rates", losses: "Losses at a learning rate", sweep: "Chart",
  rules: "Shares by rule", curves: "Curves by rule", layer: "Second layer",
};

/** How wide pictures are saved, and as what: chosen once for all of them. */
const chosen = { width: "one column", format: "SVG" };
const FORMATS = { SVG: svgFile, PNG: pngFile, PDF: pdfFile };

function choice(label, name, options, words = (option) => option) {
  return h("label", { class: "choice" }, label,
    h("select", { name, onchange: (event) => (chosen[name] = event.target.value) },
      options.map((option) => h("option", { value: option, selected: option === chosen[name] }, words(option)))));
}

/** A button that saves a picture. */
function pictureButton(name, element, stem, report) {
  return h("button", { type: "button", class: "quiet", onclick: async () => {
    const { width, format } = chosen;
    try {
      const file = await FORMATS[format](element, WIDTHS[width]);
      const blob = file instanceof Blob ? file : new Blob([file], { type: "image/svg+xml" });
      save(blob, `${stem}-${name}.${format.toLowerCase()}`);
    } catch (error) {
      report(`The picture could not be saved: ${error.message}`);
    }
  } }, PICTURES[name]);
}

/** Buttons that save `pictures` ([name, element, stem of the file]), with their width and format. */
export const pictureButtons = (pictures, report) => h("div", { class: "pictures", role: "group", "aria-label": "Pictures" },
  h("div", { class: "buttons" },
    choice("Pictures", "width", Object.keys(WIDTHS), (name) => `${name}, ${WIDTHS[name]} cm`),
    choice("as", "format", Object.keys(FORMATS))),
  h("div", { class: "buttons" }, pictures.map(([name, element, stem]) => pictureButton(name, element, stem, report))));

/** The download buttons for what is on the screen. */
export function downloads({ landscape, point, pictures, onServer, report }) {
  const name = stem(landscape);
  const json = h("button", { type: "button", class: "quiet", onclick: () => saveJson(landscape, `${name}.json`) },
  "Landscape, JSON");
  const npz = point && h("button", {
    type: "button", class: "quiet", disabled: !onServer,
    title: onServer ? null : "This stored example is not on the server yet: press Compute first.",
    onclick: async () => {
      try {
        save(await archive(landscape.id, point.key), `${name}-${point.key}.npz`);
      } catch (error) {
        report(error);
      }
    },
  }, `Point ${point.key}, NPZ`);
  const shown = Object.entries(pictures).filter(([, element]) => element && !element.hidden);
  return h("div", { class: "reproduce" }, h("div", { class: "buttons" }, json, npz),
    pictureButtons(shown.map(([key, element]) =>
      [key, element, ["R", "Q", "spectrum"].includes(key) ? `${name}-${point.key}` : name]), report));
}
