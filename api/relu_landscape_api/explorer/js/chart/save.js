// Pictures as files for a paper: light, with the page's typeface inside, one or two columns wide.

import { lightColours } from "./colours.js";
import { description } from "./mount.js";
import { render } from "./render.js";
import { FONT } from "./svg.js";

/** Widths of a column and of two (Physical Review), in centimetres. */
export const WIDTHS = { "one column": 8.6, "two columns": 17.8 };
/** CSS has 96 pixels in an inch of 2.54 cm. */
const PIXELS_PER_CM = 96 / 2.54;
/** Pixels of text: 8 points, as journals ask for in figures. */
const TEXT = 8 / 0.75;
/** Pixels of a picture on the page, for which the sizes of marks are given. */
const ON_THE_PAGE = 480;
const DOTS_PER_INCH = 600;
const SHAPES = { tall: 0.72, wide: 0.55, square: 1 };

let typeface = null;

/** The typeface as a data address, so that a file looks the same where it is not installed. */
async function embedded() {
  typeface ??= fetch("explorer/vendor/inter/inter-latin-wght-normal.woff2").then(async (response) => {
    if (!response.ok) throw new Error(`the typeface could not be read (${response.status})`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return `data:font/woff2;base64,${btoa(binary)}`;
  }).catch((error) => {
    typeface = null;
    throw error;
  });
  return `@font-face{font-family:"Inter Variable";src:url(${await typeface}) format("woff2");font-weight:100 900}`;
}

/** The picture in `element` as the text of an SVG file, `centimetres` wide. */
export async function svgFile(element, centimetres) {
  const make = description(element);
  if (!make) throw new Error("it has not been drawn yet");
  const theme = lightColours();
  const spec = make(theme);
  const width = centimetres * PIXELS_PER_CM;
  const height = width * (SHAPES[spec.form] ?? SHAPES.tall);
  const { svg } = render(spec, { width, height, theme, size: TEXT, marksBy: Math.min(1, width / ON_THE_PAGE), withLegend: true });
  svg.setAttribute("width", `${centimetres}cm`);
  svg.setAttribute("height", `${(height / PIXELS_PER_CM).toFixed(3)}cm`);
  svg.setAttribute("font-family", FONT);
  const text = new XMLSerializer().serializeToString(svg);
  // Written into the text, not into the page, whose policy allows no style elements.
  const start = text.indexOf(">") + 1;
  return `${text.slice(0, start)}<style>${await embedded()}</style><rect width="100%" height="100%" fill="#ffffff"/>${text.slice(start)}`;
}

/** The same as pixels, 600 to an inch. */
async function canvasOf(element, centimetres) {
  const address = URL.createObjectURL(new Blob([await svgFile(element, centimetres)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.round((centimetres / 2.54) * DOTS_PER_INCH);
    canvas.height = Math.round((canvas.width * image.height) / image.width);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** The picture as a PNG file. */
export async function pngFile(element, centimetres) {
  const canvas = await canvasOf(element, centimetres);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("this browser could not draw it");
  return blob;
}

/** The picture as a PDF file; what writes it is loaded when it is first asked for. */
export async function pdfFile(element, centimetres) {
  const [canvas, { onePage }] = await Promise.all([canvasOf(element, centimetres), import("./pdf.js")]);
  const { width, height } = canvas;
  return onePage(canvas.getContext("2d").getImageData(0, 0, width, height), DOTS_PER_INCH);
}
