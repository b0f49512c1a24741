"""Critical points on what a pattern leaves fixed: many starts, damped Newton steps, what is kept.

Levenberg and Marquardt's method on the square of the Riemannian gradient, with pure Newton steps
where they are far better (as ``families.solver``), and back to the surface after each. Starts come
in rounds; what a round finds depends on the table and its number alone, for it is one batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descents.structured.equations import (
    Here,
    cosines,
    evaluate,
    invariants,
    returned,
)
from relu_landscape.engine.descents.structured.table import Table
from relu_landscape.engine.points import identity

Real = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Starts of a round, and rounds of a pattern for so many unknowns: as many starts per unknown as
#: the search of families lets pass without news before it ends.
ROUND = 128
STARTS_PER_UNKNOWN = 64
#: As in ``families.solver``.
NEWTON_BELOW, NEWTON_GAIN = 1e-3, 16.0
DIAGONAL_SHARE = 1e-3
FIRST_DAMPING, EASE, TIGHTEN, MOST_DAMPING = 1e-2, 0.3, 4.0, 1e8
MOST_TRIALS = 80
#: Steps of Newton's method at the end, as long as they lower the gradient.
MOST_STEPS = 8
#: Norm of the gradient at a point: its rounding, and what is left where
#: eigenvalues are small.
CRITICAL = 1e-12
#: Own row sums up to this, and sizes of y between these; a third of the starts is shorter
#: (``families.starts``).
ROW_SUM, SIZES = 2.5, (0.2, 1.4)
SHORT_SHARE, SHORT = 1.0 / 3.0, 0.3
#: As in ``families.rounds``: students that count as zero, in lengths of the shortest that stands
#: for a teacher; and curvature, in its unit, that counts as none.
SMALLEST_NORM, FLAT = 1e-3, 1e-8
#: One less the cosine of students that coincide, and that cannot be told from it.
COINCIDE = 1e-9
#: Norm at which a student has run away, in lengths of the longest that stands for a teacher.
FAR = 1e2
#: Loss, in its unit, of a start on its way to a set of zero loss.
NEAR_ZERO_LOSS = 1e-8

#: Saddles with more distinct negative eigenvalues are not kept: each may be repeated, as symmetry
#: makes it; and eigenvalues that differ by less, in units of one, are one.
MOST_NEGATIVE, DISTINCT = 2, 1e-6

#: Why starts end at no point, in words.
SET_ASIDE = (
    "zero_loss", "zero_student", "ran_away", "coincide", "degenerate", "high_index", "failed",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What is a point, in lengths of the longest teacher."""

    shortest: float  # of a teacher
    zero_loss: float  # below it a start is given up; minus infinity: never
    keeps_norms: bool


@dataclass(frozen=True)
class Round:
    """Distinct points ``z`` (S, m) of a round in the order of their first starts, ``hits`` (S,),
    and counts of what was set aside."""

    z: Real
    hits: tuple[int, ...]
    set_aside: dict[str, int]


def rounds_of(unknowns: int) -> int:
    """How many rounds a pattern is searched."""
    return math.ceil(STARTS_PER_UNKNOWN * unknowns / ROUND)


def run_round(table: Table, limits: Limits, number: int) -> Round:
    """One round of a search."""
    with np.errstate(all="ignore"):
        z = returned(table, starts(table, limits.shortest, number))
        z, success, at_zero = converge(table, z, limits)
        aside = dict.fromkeys(SET_ASIDE, 0)
        aside["zero_loss"] = int(np.sum(at_zero))
        aside["failed"] = int(np.sum(~success & ~at_zero))
        return _distinct(table, z[success], limits, aside)


def starts(table: Table, shortest: float, number: int) -> Real:
    """Starts (ROUND, m) of a round, from a stream of its own, in lengths of all teachers."""
    rng = np.random.Generator(np.random.Philox(key=number))
    n, B = len(table.students), len(table.axes)
    z = np.empty((ROUND, table.unknowns))
    own = set(table.natural)
    for s, block in enumerate(table.students):
        for t, axis in enumerate(table.axes):
            q, p = float(block.size), float(axis.size)
            if (s, t) in own:
                z[:, s * B + t] = rng.uniform(-ROW_SUM, ROW_SUM, ROUND)
                continue
            scales = np.sqrt(q) * np.array([1.0, 1.0 / np.sqrt(q * p), np.sqrt(p) / q, q**-0.5])
            z[:, s * B + t] = rng.standard_normal(ROUND) * rng.choice(scales, ROUND)
    for place, (s, _) in enumerate(table.natural):
        size = rng.uniform(*SIZES, ROUND) * rng.choice([-1.0, 1.0], ROUND)
        z[:, n * B + place] = size * math.sqrt(table.students[s].size - 1)
    z *= np.where(rng.random((ROUND, 1)) < SHORT_SHARE, SHORT, 1.0)
    z *= shortest ** rng.random((ROUND, 1))
    return z


def converge(table: Table, z: Real, limits: Limits) -> tuple[Real, Flags, Flags]:
    """Every start (S, m) run to a critical point: the points, who got there, and who was given up
    for zero loss."""
    tolerance = CRITICAL
    final = z.copy()
    norms = np.full(len(z), np.inf)
    at_zero = np.zeros(len(z), dtype=bool)
    state = _State.begun(table, z)
    for trial in range(MOST_TRIALS):
        final[state.index] = state.z
        norms[state.index] = np.sqrt(state.merit)
        zero = state.here.loss <= limits.zero_loss
        at_zero[state.index[zero]] = True
        done = state.merit <= tolerance**2
        state = state.keep(~done & ~zero & (state.damping < MOST_DAMPING))
        if not len(state.index) or trial == MOST_TRIALS - 1:
            break
        _trial(table, state)
    final = _refined(table, final, norms <= tolerance)
    return final, (norms <= tolerance) & ~at_zero, at_zero


@dataclass
class _State:
    """The starts still running."""

    index: Any
    z: Real
    here: Here
    merit: Real
    damping: Real
    newton: Flags

    @staticmethod
    def begun(table: Table, z: Real) -> _State:
        here = evaluate(table, z)
        merit = np.sum(here.gradient**2, axis=1)
        count = len(z)
        state = _State(
            np.arange(count), z.copy(), here, merit, np.full(count, FIRST_DAMPING),
            merit < NEWTON_BELOW,
        )  # fmt: skip
        return state.keep(_finite(here, merit))

    def keep(self, mask: Flags) -> _State:
        return _State(
            self.index[mask], self.z[mask], _chosen(self.here, mask), self.merit[mask],
            self.damping[mask], self.newton[mask],
        )  # fmt: skip


def _chosen(here: Here, mask: Any) -> Here:
    return Here(here.loss[mask], here.gradient[mask], here.hessian[mask], here.across[mask])


def _finite(here: Here, merit: Real) -> Flags:
    return np.asarray(np.isfinite(merit) & np.all(np.isfinite(here.hessian), axis=(1, 2)))


def _trial(table: Table, state: _State) -> None:
    """One trial point for every running start; moves those that get better."""
    trial = returned(table, state.z + _steps(state))
    there = evaluate(table, trial)
    merit = np.sum(there.gradient**2, axis=1)
    merit = np.where(_finite(there, merit), merit, np.inf)
    better = merit < np.where(state.newton, state.merit / NEWTON_GAIN, state.merit)
    eased = state.damping * np.where(better, EASE, TIGHTEN)
    state.damping = np.where(state.newton, state.damping, eased)
    state.z[better] = trial[better]
    for mine, theirs in (
        (state.here.loss, there.loss), (state.here.gradient, there.gradient),
        (state.here.hessian, there.hessian), (state.here.across, there.across),
    ):  # fmt: skip
        mine[better] = theirs[better]
    state.merit[better] = merit[better]
    state.newton = np.where(state.newton, better, better & (state.merit < NEWTON_BELOW))


def _steps(state: _State) -> Real:
    """Newton's or damped steps (S, m), along the surface."""
    H, g = state.here.hessian, state.here.gradient
    normal = H @ H
    k = np.arange(H.shape[1])
    normal[:, k, k] += state.damping[:, None] * (1.0 + DIAGONAL_SHARE * normal[:, k, k])
    pull = (H @ g[:, :, None])[:, :, 0]
    newton = state.newton[:, None]
    matrix = np.where(newton[:, :, None], H + state.here.across, normal)
    return -_solved(matrix, np.where(newton, g, pull))


def _solved(matrix: Real, right: Real) -> Real:
    try:
        return np.asarray(np.linalg.solve(matrix, right[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:  # one of them is exactly singular
        return np.asarray((np.linalg.pinv(matrix) @ right[:, :, None])[:, :, 0])


def _refined(table: Table, z: Real, mask: Flags) -> Real:
    """Newton's steps as long as they lower the gradient."""
    best = z.copy()
    running = np.flatnonzero(mask)
    here = evaluate(table, best[running])
    norms = np.linalg.norm(here.gradient, axis=1)
    for _ in range(MOST_STEPS):
        if not len(running):
            break
        step = _solved(here.hessian + here.across, here.gradient)
        trial = returned(table, best[running] - step)
        there = evaluate(table, trial)
        size = np.linalg.norm(there.gradient, axis=1)
        better = np.isfinite(size) & (size < norms)
        best[running[better]] = trial[better]
        running, norms, here = running[better], size[better], _chosen(there, better)
    return best


def _distinct(table: Table, z: Real, limits: Limits, aside: dict[str, int]) -> Round:
    """The points that differ."""
    keys = invariants(table, z) if len(z) else np.zeros((0, 1))
    rows: list[int] = []
    hits: list[int] = []
    for row, reason in enumerate(reasons(table, z, limits)):
        if reason:
            aside[reason] += 1
            continue
        place = identity.nearest(
            [keys[each] for each in rows], keys[row], tolerance=identity.POLISHED
        )
        if place is None:
            rows.append(row)
            hits.append(1)
        else:
            hits[place] += 1
    return Round(z[rows], tuple(hits), aside)


def is_high(values: Real, tolerance: float) -> bool:
    """Whether more than ``MOST_NEGATIVE`` distinct eigenvalues (ascending) are negative."""
    negative = values[values < -tolerance]
    return bool(np.sum(np.diff(negative) > DISTINCT) + (len(negative) > 0) > MOST_NEGATIVE)


def reasons(table: Table, z: Real, limits: Limits) -> list[str]:
    """Why each converged point (S, m) is set aside; empty where it is not."""
    if not len(z):
        return []
    n, c = cosines(table, z)
    heavy = np.abs(table.weights / [block.copies for block in table.students])
    lengths = n * heavy
    found = {
        "zero_student": np.min(lengths, axis=1) < SMALLEST_NORM * limits.shortest,
        "ran_away": np.max(lengths, axis=1) > FAR,
        # Without a constraint two students that coincide are one split in parts, or, of opposite
        # signs, a pair that grows without end.
        "coincide": np.any(c > 1.0 - COINCIDE, axis=1) & (not limits.keeps_norms),
    }
    rest = np.flatnonzero(~np.any(list(found.values()), axis=0))
    found["degenerate"], found["high_index"] = np.zeros((2, len(z)), dtype=bool)
    here = evaluate(table, z[rest])
    values = np.linalg.eigvalsh(here.hessian + here.across)
    found["degenerate"][rest] = np.min(np.abs(values), axis=1) <= FLAT
    found["high_index"][rest] = [is_high(each, FLAT) for each in values]
    return [next((why for why, flags in found.items() if flags[row]), "") for row in range(len(z))]
