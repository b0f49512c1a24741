// From values to pixels and back, and where an axis bears numbers.

import { real } from "../format.js";

/** A scale over `range` of values; `kind` is "linear" or "log". */
export function scale(kind, [low, high], [from, to]) {
  const there = kind === "log" ? Math.log10 : (value) => value;
  const back = kind === "log" ? (value) => 10 ** value : (value) => value;
  const [a, b] = [there(low), there(high)];
  const per = (to - from) / (b - a || 1);
  return {
    at: (value) => from + (there(value) - a) * per,
    value: (pixel) => back(a + (pixel - from) / per),
    range: [low, high],
  };
}

/** A range from data, with a little air. */
export function padded(low, high, share = 0.06) {
  const air = (high - low || Math.abs(high) || 1) * share;
  return [low - air, high + air];
}

/** A range that holds zero where no value is below it: a loss has no axis beneath zero. */
export function fromZero(values, share = 0.06) {
  const high = Math.max(0, ...values);
  return [0, high + (high || 1) * share];
}

// Products of a step and a whole number carry the rounding of doubles; 12 digits hide it.
const tidy = (value) => Number(value.toPrecision(12));

function linearTicks([low, high], most) {
  const rough = (high - low) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const at = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) at.push(tidy(i * step));
  return at;
}

/** Readable values on a logarithmic axis: 1, 2, 3, 5 times powers of ten where they fit. */
function logTicks([low, high], most) {
  const decades = Math.log10(high / low);
  const choices = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5], [1, 3], [1]];
  const steps = choices.find((each) => each.length * decades <= most) ?? [1];
  const stride = Math.max(1, Math.ceil(decades / Math.max(1, most)));
  const at = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    if (power % stride) continue;
    for (const step of steps) {
      const value = tidy(step * 10 ** power);
      if (value >= 0.999 * low && value <= 1.001 * high) at.push(value);
    }
  }
  return at;
}

/** Ticks {at, text} of an axis that has room for about `most` of them. */
export function ticks(kind, range, most) {
  const at = kind === "log" ? logTicks(range, most) : linearTicks(range, most);
  return at.map((value) => ({ at: value, text: real(value, 6) }));
}
