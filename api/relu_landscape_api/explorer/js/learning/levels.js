// Which fixed point of the landscape shown an end is: the same widths and teacher, and overlaps that
// agree but for the order of students and teachers.

/** Overlaps of one point, computed twice, agree to 1e-10; neighbouring points differ by 1e-3. */
const SAME = 1e-6;

const sorted = (matrix) => matrix.flat().sort((a, b) => a - b);
const agree = (a, b) => a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) <= SAME);

/** Whether students and teachers of a request leak; without the field they do not. */
export const hasLeak = (request) => "leak" in request && request.leak !== 0;

/** A member of a request that is left out where it is what it is for most. */
export const asked = (request, name, otherwise = null) => (name in request ? request[name] : otherwise);

/** Whether a request has second layers of its own; landscapes have layers of 1. */
export const hasLayers = (request) => ["student_layer", "teacher_layer"]
  .some((name) => asked(request, name)?.some((weight) => weight !== 1));

/** Whether a landscape is of these widths, this teacher and this leak, and the request has no second layers. */
export function isOf(landscape, request) {
  if (!landscape || hasLayers(request) || asked(landscape.request, "leak", 0) !== asked(request, "leak", 0)) return false;
  const { student_width: students, teacher_width: teachers, teacher_gram: gram } = landscape.request;
  return students === request.student_width && teachers === request.teacher_width &&
    JSON.stringify(gram ?? null) === JSON.stringify(request.teacher_gram ?? null);
}

/**
 * The fixed point of `landscape` at an end with {R, Q, loss, isContinuum}, or null. The sorted
 * entries of R and Q do not change when units are relabelled, and tell all points listed apart.
 */
export function levelOf(landscape, { R, Q, isContinuum }) {
  return landscape.fixed_points.find((point) => (isContinuum
    ? point.kind === "global_continuum"
    : point.kind !== "global_continuum" && agree(sorted(point.overlaps.R), sorted(R)) && agree(sorted(point.overlaps.Q), sorted(Q)))) ?? null;
}
