// plotly.js in the page's clothes: theme colours, no toolbar, a text for screen readers.

let ready = null;

/** plotly.js, once its script (async, so that it delays nothing) has run. */
function library() {
  ready ??= new Promise((resolve, reject) => {
    if (window.Plotly) return resolve(window.Plotly);
    const script = document.getElementById("plotly-script");
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.js could not be loaded.")));
  });
  return ready;
}

/** The page's colours by their name in the style sheet, without the dashes. */
export function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ink", "soft", "faint", "line", "surface", "accent", "global", "minimum", "saddle", "unclassified", "negative"];
  const series = [0, 1, 2, 3, 4, 5].map((i) => get(`series-${i}`));
  return { ...Object.fromEntries(names.map((name) => [name, get(name)])), series };
}

const FONT = '"Inter Variable", system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

export function axis(theme, extra = {}) {
  const { title, ...rest } = extra;
  return {
    gridcolor: theme.line,
    linecolor: theme.line,
    zerolinecolor: theme.faint,
    zeroline: false,
    tickfont: { color: theme.soft, size: 12 },
    title: title ? { text: title, font: { color: theme.soft, size: 12.5 }, standoff: 8 } : undefined,
    automargin: true,
    ...rest,
  };
}

const drawn = new Map();
let line = Promise.resolve();

/**
 * Draw into `element`; resolves to whether a picture came of it. `make(theme)` returns {data,
 * layout}, and is called again when the theme changes; `label` says in words what the picture
 * shows; `click(point)` gets a clicked mark. No <b> or <sub> in texts: plotly would set style
 * attributes, which the policy refuses.
 */
export function draw(element, make, { label, click } = {}) {
  drawn.set(element, { make, label, click });
  // One after the other, with a breath between, so that the first picture is seen before the
  // last one is made.
  const turn = line.then(() => paint(element, make, label, click));
  line = turn.catch(() => {}).then(() => new Promise((resolve) => setTimeout(resolve)));
  return turn;
}

async function paint(element, make, label, click) {
  const Plotly = await library();
  // Something newer waits for this place, or it is gone or hidden (redraw fills it when shown).
  if (drawn.get(element)?.make !== make || !element.offsetParent) return false;
  const theme = colours();
  const { data, layout } = make(theme);
  const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  await Plotly.react(
    element,
    data,
    {
      font: { family: FONT, color: theme.ink, size: 13 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 64, r: 16, t: 12, b: 48 },
      showlegend: false,
      hovermode: "closest",
      hoverlabel: {
        bgcolor: theme.surface,
        bordercolor: theme.faint,
        align: "left",
        font: { family: FONT, color: theme.ink, size: 13 },
      },
      dragmode: window.matchMedia("(pointer: coarse)").matches ? false : "zoom",
      transition: still ? undefined : { duration: 0 },
      ...layout,
    },
    { displayModeBar: false, responsive: true, doubleClick: "reset" },
  );
  element.setAttribute("role", "img");
  if (label) element.setAttribute("aria-label", label);
  element.removeAllListeners?.("plotly_click");
  if (click) element.on("plotly_click", (event) => click(event.points[0]));
  return true;
}

/** Draw everything again, in the colours that hold now. */
export function redraw() {
  for (const [element, { make, ...rest }] of drawn) {
    if (element.isConnected) draw(element, make, rest);
    else drawn.delete(element);
  }
}

/** The picture as an SVG file's text. */
export async function svg(element) {
  const Plotly = await library();
  const { width, height } = element.getBoundingClientRect();
  const uri = await Plotly.toImage(element, {
    format: "svg", width: Math.round(width), height: Math.round(height), imageDataOnly: true,
  });
  return uri;
}

/** A range from data, with a little air. */
export function padded(low, high, share = 0.06) {
  const air = (high - low || Math.abs(high) || 1) * share;
  return [low - air, high + air];
}
