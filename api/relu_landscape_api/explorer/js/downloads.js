// Files: the landscape as JSON, a point as a NumPy archive, pictures as SVG.

import { h } from "./dom.js";
import { archive } from "./api.js";
import { svg } from "./plot.js";

function save(blob, name) {
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
  spectrum: "Spectrum", families: "Families",
};

/** One button that saves a picture. */
export function pictureButton(name, element, prefix, report) {
  return h("button", { type: "button", class: "quiet", onclick: async () => {
    try {
      save(new Blob([await svg(element())], { type: "image/svg+xml" }), `${prefix()}-${name}.svg`);
    } catch (error) {
      report(`The picture could not be saved: ${error.message}`);
    }
  } }, `${PICTURES[name]}, SVG`);
}

/** The row of download buttons for what is on the screen. */
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
  return h("div", { class: "buttons" }, json, npz, shown.map(([key, element]) =>
    pictureButton(key, () => element, () => (["R", "Q", "spectrum"].includes(key) ? `${name}-${point.key}` : name), report)));
}
