// A PDF file of one page that is one picture: pixels without loss, in the size in which it is printed.

const INCH = 72;
const bytes = (text) => new TextEncoder().encode(text);

/** Red, green and blue of every pixel; pictures have a white ground, so nothing shows through. */
function rgb({ data, width, height }) {
  const found = new Uint8Array(3 * width * height);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    found[to++] = data[from];
    found[to++] = data[from + 1];
    found[to++] = data[from + 2];
  }
  return found;
}

/** As PDF's FlateDecode reads it. */
async function deflated(content) {
  const stream = new Blob([content]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The pixels of `image` as a page on which `dots` of them are an inch. */
export async function onePage(image, dots) {
  const { width, height } = image;
  const [across, along] = [width, height].map((pixels) => ((pixels / dots) * INCH).toFixed(3));
  const pixels = await deflated(rgb(image));
  const drawing = bytes(`${across} 0 0 ${along} 0 0 cm /P Do`);
  const stream = (entries, content) => [bytes(`<< ${entries} /Length ${content.length} >>\nstream\n`), content, bytes("\nendstream")];
  const objects = [
    [bytes("<< /Type /Catalog /Pages 2 0 R >>")],
    [bytes("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")],
    [bytes(`<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${across} ${along}] /Resources << /XObject << /P 4 0 R >> >> /Contents 5 0 R >>`)],
    stream(`/Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /FlateDecode`, pixels),
    stream("", drawing),
  ];
  const parts = [bytes("%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n")];
  const at = () => parts.reduce((sum, part) => sum + part.length, 0);
  const places = objects.map((object, i) => {
    const place = at();
    parts.push(bytes(`${i + 1} 0 obj\n`), ...object, bytes("\nendobj\n"));
    return place;
  });
  const start = at();
  const table = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  parts.push(bytes(`xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}` +
    `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`));
  return new Blob(parts, { type: "application/pdf" });
}
