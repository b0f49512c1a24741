// Random numbers that are the same wherever an address is opened, and the kick made of them.

/** Numbers in (0, 1), a function of the seed alone (splitmix32). */
export function uniform(seed) {
  // Both halves of a seed of up to 53 bits count.
  let state = (seed ^ Math.imul(Math.floor(seed / 2 ** 32) + 1, 0x85ebca6b)) | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z ^= z >>> 15;
    z = Math.imul(z, 0x735a2d97);
    z ^= z >>> 15;
    return ((z >>> 0) + 0.5) / 2 ** 32;
  };
}

/** Standard normal numbers (Box and Muller). */
export function normal(seed) {
  const next = uniform(seed);
  return () => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
}

/**
 * Weights (a row per student, the teacher's span first) with every student moved by
 * size N(0, I / n): by a length of about `size`, in the span and in as many directions beside it as
 * the students can tell apart, n = min(M + K, d) in all.
 */
export function kicked(weights, { size, seed, teachers, dimension }) {
  const columns = Math.min(teachers + weights.length, dimension);
  const draw = normal(seed);
  const scale = size / Math.sqrt(columns);
  return weights.map((row) => Array.from({ length: columns }, (_, j) => (row[j] ?? 0) + scale * draw()));
}
