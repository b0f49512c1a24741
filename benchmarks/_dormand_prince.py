"""Accurate paths of gradient flow, by another integrator than the engine's.

Dormand and Prince's pair of orders 5 and 4 (J. Comput. Appl. Math. 6, 1980; table 5.2 of Hairer,
Norsett and Wanner, Solving ODEs I) on a batch of paths, each with its own step size. Forces are the
native kernel's, whose formula the tests compare with NumPy's; the steps have nothing in common with
the engine's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]

STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
#: Weights of the fifth order less those of the fourth.
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
FIRST_STEP = 1e-3
SAFETY, LEAST_FACTOR, LARGEST_FACTOR = 0.9, 0.2, 5.0
#: A student that passes through zero turns its direction at once: no step is small enough there.
LEAST_STEP = 1e-11
#: One that has come to zero is pushed back again and again, by steps that are longer than that. A
#: path of the widest networks makes 10,000.
MOST_STEPS = 200_000
#: Paths followed together: their stages then stay in a core's own cache.
TOGETHER = 64


def follow(
    force: Callable[[Real], Real],
    W: Real,
    is_done: Callable[[Real, Real], NDArray[np.bool_]],
    *,
    rtol: float,
    longest: float,
) -> tuple[Real, Real, int]:
    """Follow dW/dt = force(W) from ``W`` (n, K, p) until ``is_done(W, force)`` or t = ``longest``.

    A step's error is at most ``rtol`` times 1 plus the largest weight, entry by entry. Returns the
    last points (n, K, p), the times (n,), and the number of forces. A path whose step falls below
    ``LEAST_STEP``, or that has made ``MOST_STEPS``, is left where it is.
    """
    ends, times, forces = np.empty_like(W), np.empty(len(W)), 0
    for first in range(0, len(W), TOGETHER):
        rows = slice(first, first + TOGETHER)
        ends[rows], times[rows], count = _batch(force, W[rows], is_done, rtol, longest)
        forces += count
    return ends, times, forces


def _batch(
    force: Callable[[Real], Real],
    W: Real,
    is_done: Callable[[Real, Real], NDArray[np.bool_]],
    rtol: float,
    longest: float,
) -> tuple[Real, Real, int]:
    ends, times = W.copy(), np.zeros(len(W))
    alive, steps = np.arange(len(W)), 0
    here, h, t = W.copy(), np.full(len(W), FIRST_STEP), np.zeros(len(W))
    slope = force(here)
    count = len(W)
    while len(alive) and steps < MOST_STEPS:
        steps += 1
        stages = np.empty((7, *here.shape))
        stages[0] = slope
        trial = here
        for number, weights in enumerate(STAGES, start=1):
            trial = here + h[:, None, None] * np.tensordot(weights, stages[:number], axes=1)
            stages[number] = force(trial)
            count += len(alive)
        error = np.abs(h[:, None, None] * np.tensordot(ERROR, stages, axes=1))
        allowed = rtol * (1.0 + np.abs(here).max(axis=(-2, -1)))
        ratio = error.max(axis=(-2, -1)) / allowed
        ratio = np.where(np.isfinite(ratio), ratio, np.inf)
        good = ratio <= 1.0
        here[good], slope[good] = trial[good], stages[6][good]
        t[good] += h[good]
        with np.errstate(divide="ignore"):
            h *= np.clip(SAFETY * ratio**-0.2, LEAST_FACTOR, LARGEST_FACTOR)
        over = (good & (is_done(here, slope) | (t >= longest))) | (h < LEAST_STEP)
        if np.any(over):
            ends[alive[over]], times[alive[over]] = here[over], t[over]
            kept = ~over
            alive, h, t = alive[kept], h[kept], t[kept]
            here, slope = here[kept], slope[kept]
    ends[alive], times[alive] = here, t
    return ends, times, count
