// The page's colours by their name in the style sheet, without the dashes.

const NAMES = ["ink", "soft", "faint", "line", "surface", "accent", "global", "minimum", "saddle", "unclassified", "negative"];
const SERIES = [0, 1, 2, 3, 4, 5];

function read(element) {
  const style = getComputedStyle(element);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ...Object.fromEntries(NAMES.map((name) => [name, get(name)])), series: SERIES.map((i) => get(`series-${i}`)) };
}

/** The colours that hold now. */
export const colours = () => read(document.documentElement);

/** The light ones, whatever holds now: for what is printed. */
export function lightColours() {
  const probe = document.createElement("div");
  probe.className = "as-light";
  document.body.append(probe);
  const found = read(probe);
  probe.remove();
  return found;
}
