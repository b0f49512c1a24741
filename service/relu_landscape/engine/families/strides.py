"""One step of several branches of one structure at once, under the rules of ``trace``.

At one parameter all branches share their table of pairs, so a step costs little more for fifty
branches than for one. Steps go to a given parameter, which is right away from folds; what the rules
refuse is left to ``trace``.
"""

from __future__ import annotations

import contextlib

import numpy as np

from relu_landscape.engine.families import trace as rules
from relu_landscape.engine.families.curve import DIFFERENCE, ROUNDING, Curve
from relu_landscape.engine.families.layout import Array, Flags
from relu_landscape.engine.families.points import Point, rebased, stacked
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.solver import gradient_tolerance


def stride(points: list[Point], curve: Curve, start: float, end: float) -> list[Point | None]:
    """The points at ``end``; ``None`` where a rule refuses the step."""
    deviations, signs = stacked(points)
    before, after = curve.table(start), curve.table(end)
    v = deviations * before.scale
    weights = np.ones((len(v), v.shape[1] + 1))
    weights[:, :-1] /= 1 + np.sum(v * v, axis=1, keepdims=True)
    heading = 1.0 if end > start else -1.0
    tangent = heading * _tangents(curve, start, v, signs)
    position = np.column_stack([v, np.full(len(v), start)])
    guess = rules.predicted(position, tangent, abs(end - start))[:, :-1]
    found, good, worst = _corrected(curve, end, guess, signs, weights)
    with np.errstate(all="ignore"):
        moved = _lengths(found - guess, weights[:, :-1])
        size = abs(end - start) * _lengths(tangent, weights)
        chord = np.column_stack([found - v, np.full(len(v), end - start)])
        first, middle, last = (
            _units(rows, weights)
            for rows in (tangent, chord, heading * _tangents(curve, end, found, signs))
        )
        angle = 2 * np.arcsin(np.minimum(1, _lengths(last - first, weights) / 2))
        skew = _lengths(middle - _units(first + last, weights), weights)
        good &= (worst <= rules.CONTRACTION) & (angle <= rules.LARGEST_ANGLE)
        good &= moved <= rules.LARGEST_CORRECTION * size + ROUNDING
        good &= skew <= rules.LARGEST_SKEW + ROUNDING / _lengths(chord, weights)
    moves = found / after.scale
    return [rebased(after, moves[i], signs[i]) if good[i] else None for i in range(len(points))]


def _tangents(curve: Curve, parameter: float, v: Array, signs: Array) -> Array:
    """Derivatives of the points in the parameter, (S, m + 1); the last is 1."""
    h = curve.growth * DIFFERENCE
    values = []
    for steps in (0, 1, 2):
        table = curve.table(parameter + steps * h)
        values.append(evaluate(table, v / table.scale, signs))
    here, once, twice = (value.gradient for value in values)
    slope = (4 * once - twice - 3 * here) / (2 * h)
    return np.column_stack([-_solved(values[0].hessian, slope), np.ones(len(v))])


def _corrected(
    curve: Curve, parameter: float, guess: Array, signs: Array, weights: Array
) -> tuple[Array, Flags, Array]:
    """Newton's method: points (S, m), which converged, and the worst contraction of each."""
    table = curve.table(parameter)
    tolerance = 10 * gradient_tolerance(table)
    found, worst = guess.copy(), np.zeros(len(guess))
    before = np.full(len(guess), np.inf)
    for turn in range(rules.MOST_CORRECTIONS + 1):
        here = evaluate(table, found / table.scale, signs)
        near = np.linalg.norm(here.gradient, axis=1) <= tolerance
        if np.all(near) or turn == rules.MOST_CORRECTIONS:
            break
        step = np.where(near[:, None], 0, _solved(here.hessian, here.gradient))
        length = _lengths(step, weights[:, :-1])
        with np.errstate(all="ignore"):
            worst = np.where(length > ROUNDING, np.maximum(worst, length / before), worst)
        before = length
        found = found - step
    return found, near, worst


def _solved(matrices: Array, right: Array) -> Array:
    """Solutions (S, m); NaN where a matrix is singular or not finite."""
    found = np.full_like(right, np.nan)
    fine = np.all(np.isfinite(matrices), axis=(1, 2)) & np.all(np.isfinite(right), axis=1)
    # where one of them is exactly singular, all go one by one
    with contextlib.suppress(np.linalg.LinAlgError):
        found[fine] = np.linalg.solve(matrices[fine], right[fine][:, :, None])[:, :, 0]
    return found


def _lengths(vectors: Array, weights: Array) -> Array:
    return np.asarray(np.sqrt(np.sum(weights * vectors * vectors, axis=1)))


def _units(vectors: Array, weights: Array) -> Array:
    return vectors / _lengths(vectors, weights)[:, None]
