"""Steps along a branch of critical points that cannot leave it unnoticed.

A step predicts along the tangent, corrects by Newton's method across it, and is taken only if all
of what a smooth curve shows holds: Newton contracts from its first step, the correction is small
against the step, the tangent turns little, and the chord lies between the two tangents. The last
one tells branches apart that run side by side: an offset shows in the chord and in neither tangent.
What fails is tried again with half the step. At folds nothing is special; see ``curve``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from relu_landscape.engine.families.curve import (
    ROUNDING,
    Arc,
    Curve,
    Node,
    bordered,
    metric,
    solved,
)
from relu_landscape.engine.families.layout import Array
from relu_landscape.engine.families.points import rebased
from relu_landscape.errors import InputError

#: First and largest step. Lengths are logarithms of the width where the point changes little: a
#: factor of four is what the power laws of known families bear.
FIRST_STEP, LARGEST_STEP = 0.1, float(np.log(4.0))
#: A branch that needs smaller steps than this has no tangent: a student vanishes, say.
SMALLEST_STEP = 1e-4
#: Steps of one branch; from width 3 to 10^9 the known families take 30 to 130.
MOST_STEPS = 2000
#: Newton steps of one correction: quadratic convergence from a fair prediction needs 2 to 4.
MOST_CORRECTIONS = 5
#: A correction must be at most this share of the one before it.
CONTRACTION = 0.25
#: All corrections together are at most this share of the step.
LARGEST_CORRECTION = 0.1
#: Largest angle between successive tangents, in radians: a fold takes ten steps at least.
LARGEST_ANGLE = 0.3
#: Largest distance of the chord's direction from the mean of the tangents' (both of unit length).
#: On a circle it is 0; elsewhere it is of second order in the step.
LARGEST_SKEW = 0.03
#: The next step is larger by ``LENGTHEN`` where every measure is below this share of its bound.
EASY, LENGTHEN = 0.4, 1.6
#: Deviations decay like the powers 1/2 to 2 of the size; a coordinate with a rate beyond this is
#: passing through zero and is extrapolated linearly instead.
LARGEST_POWER = 3.0


@dataclass(frozen=True)
class Bounds:
    """The parameters between which a branch is followed."""

    low: float
    high: float

    def ahead(self, heading: float) -> float:
        return self.high if heading > 0 else self.low

    def beyond(self, parameter: float, heading: float) -> bool:
        return (parameter - self.ahead(heading)) * heading >= 0


def trace(
    curve: Curve, start: Node, bounds: Bounds, *, largest: float = LARGEST_STEP
) -> Iterator[Arc]:
    """The arcs of a branch from ``start`` on, until the parameter reaches a bound.

    The last arc ends exactly at the bound. Where the iterator ends before, the branch cannot be
    followed further. Steps depend on the start, the bounds and ``largest`` alone.
    """
    node, size = start, min(FIRST_STEP, largest)
    for _ in range(MOST_STEPS):
        found = None
        while found is None and size >= SMALLEST_STEP:
            found = _attempt(curve, node, bounds, size)
            size = size if found else size / 2
        if found is None:
            return
        arc, effort = found
        yield arc
        if arc.right.parameter in (bounds.low, bounds.high):
            return
        node = _rebased(curve, arc)
        size = min(size * LENGTHEN, largest) if effort < EASY else size


def _attempt(curve: Curve, node: Node, bounds: Bounds, size: float) -> tuple[Arc, float] | None:
    """One step: the arc, and the largest measure as a share of its bound; ``None`` if refused."""
    weights = metric(node.position)
    tangent = _unit(node.tangent, weights)
    heading, pace = node.heading, float(tangent[-1])
    try:
        if not bounds.beyond(node.parameter + pace * size, heading):
            found = _stepped(curve, node, tangent, weights, size)
            if found is None or not bounds.beyond(found[0].right.parameter, heading):
                return found
        # onto the bound itself: corrected at that parameter
        reach = (bounds.ahead(heading) - node.parameter) / pace
        if reach > 2 * size:
            return None
        return _stepped(curve, node, tangent, weights, reach, bounds.ahead(heading))
    except InputError:  # a block would become smaller than 1
        return None


def _stepped(
    curve: Curve,
    node: Node,
    tangent: Array,
    weights: Array,
    size: float,
    bound: float | None = None,
) -> tuple[Arc, float] | None:
    guess = predicted(node.position, tangent, size)
    row = weights * tangent
    if bound is not None:
        guess[-1] = bound
        row = np.zeros_like(row)
        row[-1] = 1.0
    corrected = _corrected(curve, guess, node.signs, row, weights)
    if corrected is None:
        return None
    position, known, contraction = corrected
    if bound is not None:
        position[-1] = bound
    right = curve.node(position, node.signs, weights * tangent, known)
    if right is None:
        return None
    moved = _length(position - guess, weights)
    arc = Arc(curve, node, right, weights)
    chord, after = _unit(arc.chord, weights), _unit(right.tangent, weights)
    angle = 2 * np.arcsin(min(1.0, _length(after - tangent, weights) / 2))
    skew = _length(chord - _unit(after + tangent, weights), weights)
    # rounding of the positions is no sign of anything
    fuzz = ROUNDING / max(_length(arc.chord, weights), ROUNDING)
    effort = max(
        contraction / CONTRACTION,
        moved / (LARGEST_CORRECTION * size + ROUNDING),
        angle / LARGEST_ANGLE,
        skew / (LARGEST_SKEW + fuzz),
    )
    return (arc, float(effort)) if effort <= 1 else None


def _corrected(
    curve: Curve, guess: Array, signs: Array, row: Array, weights: Array
) -> tuple[Array, tuple[Array, Array], float] | None:
    """The point on the plane, gradient and Hessian there, and Newton's worst contraction.

    ``None`` where it does not converge. The derivative in the parameter is that at the prediction.
    """
    position, slope, worst = guess.copy(), None, 0.0
    lengths: list[float] = []
    while True:
        gradient, hessian, tolerance = curve.equations(position, signs)
        if np.linalg.norm(gradient) <= tolerance:
            return position, (gradient, hessian), worst
        if len(lengths) == MOST_CORRECTIONS:
            return None
        if slope is None:
            slope = curve.slope(position, signs, gradient, rough=True)
        step = solved(bordered(hessian, slope, row), np.append(-gradient, 0.0))
        if step is None:
            return None
        position = position + step
        lengths.append(_length(step, weights))
        if len(lengths) > 1 and lengths[-1] > ROUNDING:
            worst = max(worst, lengths[-1] / lengths[-2])
            if worst > CONTRACTION:
                return None


def predicted(position: Array, tangent: Array, size: float) -> Array:
    """Power laws where the logarithmic rate is moderate, straight lines elsewhere."""
    with np.errstate(all="ignore"):
        rate = tangent / position
    moderate = np.isfinite(rate) & (np.abs(rate) <= LARGEST_POWER)
    moderate[..., -1] = False
    power = position * np.exp(np.where(moderate, rate, 0) * size)
    return np.where(moderate, power, position + tangent * size)


def _rebased(curve: Curve, arc: Arc) -> Node:
    """The right node with the signs that its point has now: where a ``y`` passed through zero."""
    node = arc.right
    table = curve.table(node.parameter)
    point = rebased(table, node.position[:-1] / table.scale, node.signs[0])
    signs = np.array(point.signs, dtype=np.float64).reshape(1, -1)
    if np.array_equal(signs, node.signs):
        return node
    # v = scale (y - sign): the scale moves with the parameter
    h = curve.growth * 1e-6
    growth = (curve.table(node.parameter + h).scale - table.scale) / h
    shift = np.zeros(table.unknowns)
    shift[len(shift) - signs.shape[1] :] = (node.signs - signs)[0]
    position = np.append(node.position[:-1] + table.scale * shift, node.parameter)
    tangent = node.tangent.copy()
    tangent[:-1] += growth * shift * node.tangent[-1]
    return curve.node(position, signs, metric(position) * tangent) or node


def _length(vector: Array, weights: Array) -> float:
    return float(np.sqrt(weights @ (vector * vector)))


def _unit(vector: Array, weights: Array) -> Array:
    return vector / _length(vector, weights)
