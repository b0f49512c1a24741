// Which points of two or more landscapes belong together. The rules are those of the Python client
// (relu_landscape_client.comparison), and a test holds the two against each other: points are the
// same where widths and overlaps agree; what is left is paired by structure, but for the size of its
// largest block, where both landscapes have equally many such points, in order of loss; global
// minima are paired.

/** Overlaps of one point, computed twice, agree to 1e-10; neighbouring points differ by 1e-3. */
const SAME = 1e-6;
const BLOCKS = /^\d+(?:\+\d+)*(?: extra \d+)?$/;
const COMPARED = ["minimum", "global_continuum"];

/** The structure with a star for its largest block, where it has a single largest one. */
function familyOf({ structure: { name } }) {
  if (!BLOCKS.test(name)) return name;
  const [blocks, ...extra] = name.split(" extra ");
  const sizes = blocks.split("+");
  const largest = String(Math.max(...sizes.map(Number)));
  if (sizes.filter((size) => size === largest).length > 1) return name;
  return [sizes.map((size) => (size === largest ? "*" : size)).join("+"), ...extra].join(" extra ");
}

const agree = (a, b) => a.length === b.length && (a[0]?.length ?? 0) === (b[0]?.length ?? 0) &&
  a.every((row, i) => row.every((value, j) => Math.abs(value - b[i][j]) <= SAME));

const isSame = (one, other) => one.kind === other.kind &&
  agree(one.overlaps.R, other.overlaps.R) && agree(one.overlaps.Q, other.overlaps.Q);

function hasSameStructure(one, other) {
  if (one.is_global && other.is_global) return true; // isolated ones and a continuum of them
  return familyOf(one) === familyOf(other) && one.kind === other.kind && one.is_global === other.is_global &&
    one.structure.anti_aligned === other.structure.anti_aligned;
}

function lineOf(points, relation) {
  const there = points.filter(Boolean);
  let kind = relation;
  // Between two landscapes a point has come or gone; among more, the columns tell.
  if (there.length < points.length) kind = points.length > 2 ? "partly" : points[0] ? "gone" : "born";
  const names = new Set(there.map((point) => point.structure.name));
  const structure = there.every((point) => point.is_global) ? "global minima"
    : names.size === 1 ? [...names][0] : familyOf(there[0]);
  return { structure, relation: kind, points };
}

/** Lines of points that belong together; they are taken out of `columns`. */
function paired(columns, belong, relation, byLoss) {
  const lines = [];
  columns.forEach((column, place) => {
    for (const point of [...column]) {
      if (!column.includes(point)) continue;
      const groups = columns.map((other, rank) => (rank >= place ? other.filter((each) => belong(point, each)) : []));
      const counts = new Set(groups.map(({ length }) => length).filter(Boolean));
      if (groups.filter(({ length }) => length).length < 2 || (byLoss && counts.size > 1)) continue;
      for (let row = 0; row < Math.min(...counts); row += 1) {
        const points = groups.map((group) => group[row] ?? null);
        lines.push(lineOf(points, relation));
        points.forEach((found, at) => found && columns[at].splice(columns[at].indexOf(found), 1));
      }
    }
  });
  return lines;
}

/** The minima of `landscapes` line by line: {structure, relation, points}, a point or null for each. */
export function compared(landscapes) {
  const columns = landscapes.map(({ fixed_points: points }) => points.filter(({ kind }) => COMPARED.includes(kind)));
  const lines = [...paired(columns, isSame, "same", false), ...paired(columns, hasSameStructure, "same structure", true)];
  columns.forEach((column, place) => {
    for (const point of column) lines.push(lineOf(columns.map((_, at) => (at === place ? point : null)), "partly"));
  });
  const lowest = ({ points }) => Math.min(...points.filter(Boolean).map((point) => point.loss));
  return lines.sort((a, b) => lowest(a) - lowest(b));
}

/** "9/8" for each, numbered where one occurs again. */
export function columnNames(landscapes) {
  const plain = landscapes.map(({ request }) => `${request.student_width}/${request.teacher_width}`);
  return plain.map((name, place) => {
    const isAlone = plain.filter((other) => other === name).length === 1;
    return isAlone ? name : `${name} (${plain.slice(0, place + 1).filter((other) => other === name).length})`;
  });
}
