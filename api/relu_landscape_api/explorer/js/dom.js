// Builds elements. Text goes in as text nodes only, so nothing that a server answers can become
// markup.

const MATHML = "http://www.w3.org/1998/Math/MathML";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

/** An HTML element with attributes, `on...` listeners and children (strings become text). */
export const h = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

/** A MathML element. */
export const m = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(MATHML, tag), attributes, children);

export const $ = (id) => document.getElementById(id);

/** Show or hide by the attribute, which assistive technology respects too. */
export function show(element, visible) {
  element.hidden = !visible;
}

/** Tell screen readers something that sighted users see change. */
export function announce(text) {
  let region = $("announcer");
  if (!region) {
    region = h("div", { id: "announcer", class: "unseen", role: "status" });
    document.body.append(region);
  }
  region.textContent = text;
}
