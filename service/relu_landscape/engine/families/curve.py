"""One branch of critical points as a curve in (point, parameter), and its pieces.

The reduced gradient vanishes along a curve in the space of orthonormal deviations ``v`` and a
parameter, the logarithm of a width. A *node* is a point of the curve with its tangent; an *arc* is
the piece between two nodes that a step of ``trace`` joined. On an arc the curve is known in between
too: its point on any plane across the chord, by Newton's method on the equations bordered with that
plane, which are regular at folds.

Method: pseudo-arclength continuation, Keller (1977); step control and events as in AUTO-07p
(Doedel and Oldeman) and BifurcationKit.jl (Veltz).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout, layout
from relu_landscape.engine.families.points import Point, rebased, stacked
from relu_landscape.engine.families.reduced import evaluate
from relu_landscape.engine.families.solver import gradient_tolerance, refine
from relu_landscape.engine.families.structures import Structure

#: Step of the difference quotient for the derivative in the parameter: its square (the error) and
#: rounding over it are both below 1e-8, and folds feel the square of that.
DIFFERENCE = 1e-4
#: Newton steps that polish a point of an arc: a cubic between two nodes is right to 1e-3 or better,
#: from where three steps reach rounding; near a branch point they are fewer digits each.
MOST_STEPS = 8
#: Events are located to this share of an arc, whose length is at most of order 1.
SHARE_TOLERANCE = 1e-14
#: Corrections below this (in the norm of weights) are rounding, never a jump: distinct points of
#: one structure are at least 7e-4 apart where they are not about to meet.
ROUNDING = 1e-8
#: A point at a wanted parameter may be this share of the way to the arc's next end away from where
#: the cubic has it; otherwise it is found by bisection on the arc.
NEAR = 0.05


class Sizes(Protocol):
    """Block sizes along a path; its parameter counts in logarithms of a size or width."""

    def sizes(self, parameter: float) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Node:
    """A point of the curve: ``position`` and ``tangent`` (m + 1,), the parameter comes last.

    ``tangent`` points the way the branch is followed; its length has no meaning. ``turn`` is the
    sign of the determinant of the equations bordered with it, which changes at branch points and
    not at folds.
    """

    position: Array
    tangent: Array
    turn: float
    signs: Array

    @property
    def parameter(self) -> float:
        return float(self.position[-1])

    @property
    def heading(self) -> float:
        """1 where the parameter grows along the tangent, -1 where it falls."""
        return 1.0 if self.tangent[-1] >= 0 else -1.0


@dataclass(frozen=True)
class Curve:
    """The equations along a path of block sizes.

    ``growth`` is the sign of the parameter's direction in which blocks grow: differences are taken
    that way, since blocks cannot shrink below 1.
    """

    structure: Structure
    path: Sizes
    growth: float

    @staticmethod
    def along(structure: Structure, path: Sizes, start: float, end: float) -> Curve:
        """The curve of this kind of structure; ``start`` and ``end`` are two parameters."""
        rise = sum(path.sizes(end)) - sum(path.sizes(start))
        return Curve(structure, path, 1.0 if rise * (end - start) >= 0 else -1.0)

    def table(self, parameter: float) -> Layout:
        """The coordinates there; ``InputError`` where a block would be smaller than 1."""
        return layout(self.structure.resized(self.path.sizes(parameter)))

    def value(self, parameter: float) -> float:
        """What the parameter stands for: a width, whose logarithm it is."""
        return math.exp(parameter)

    def equations(self, position: Array, signs: Array) -> tuple[Array, Array, float]:
        """Gradient (m,), Hessian (m, m) and the norm at which a gradient counts as zero."""
        table = self.table(float(position[-1]))
        found = evaluate(table, (position[:-1] / table.scale)[None], signs)
        return found.gradient[0], found.hessian[0], 10 * gradient_tolerance(table)

    def slope(
        self, position: Array, signs: Array, gradient: Array, *, rough: bool = False
    ) -> Array:
        """Derivative of the gradient in the parameter (m,), of second or (rough) first order."""
        h = self.growth * DIFFERENCE
        ahead = position.copy()
        ahead[-1] = position[-1] + h
        once = self.equations(ahead, signs)[0]
        if rough:
            return np.asarray((once - gradient) / h)
        ahead[-1] = position[-1] + 2 * h
        twice = self.equations(ahead, signs)[0]
        return np.asarray((4 * once - twice - 3 * gradient) / (2 * h))

    def node(
        self, position: Array, signs: Array, row: Array, known: tuple[Array, Array] | None = None
    ) -> Node | None:
        """A node at a point of the curve; its tangent has a positive product with ``row``.

        ``known``: gradient and Hessian there.
        """
        gradient, hessian = known or self.equations(position, signs)[:2]
        matrix = bordered(hessian, self.slope(position, signs, gradient), row)
        right = np.zeros(len(position))
        right[-1] = 1.0
        tangent = solved(matrix, right)
        if tangent is None:
            return None
        return Node(position, tangent, float(np.linalg.slogdet(matrix)[0]), signs)

    def begin(self, point: Point, parameter: float, heading: float) -> Node | None:
        """The node at a point, with a tangent along which the parameter grows (1) or falls (-1)."""
        deviations, signs = stacked([point])
        table = self.table(parameter)
        row = np.zeros(table.unknowns + 1)
        row[-1] = heading
        return self.node(np.append(deviations[0] * table.scale, parameter), signs, row)

    def point(self, position: Array, signs: Array) -> Point:
        """The point of the structure at a position, stored from its own base."""
        table = self.table(float(position[-1]))
        return rebased(table, position[:-1] / table.scale, signs[0])

    def polished(self, guess: Array, signs: Array, row: Array) -> Array | None:
        """The point of the curve on the plane across ``row`` through ``guess``, to rounding."""
        position, slope = guess, None
        for _ in range(MOST_STEPS):
            gradient, hessian, tolerance = self.equations(position, signs)
            norm = float(np.linalg.norm(gradient))
            if slope is None:
                slope = self.slope(position, signs, gradient, rough=True)
            step = solved(bordered(hessian, slope, row), np.append(-gradient, 0.0))
            if step is None:
                return position if norm <= tolerance else None
            if norm <= tolerance:
                # one more step ends at rounding; next to a branch point it could be anything
                return position + step if np.linalg.norm(step) <= ROUNDING else position
            position = position + step
        return None


@dataclass(frozen=True)
class Arc:
    """The curve between two nodes, by the share ``s`` of the chord, from 0 to 1."""

    curve: Curve
    left: Node
    right: Node
    metric: Array  # (m + 1,)

    @property
    def chord(self) -> Array:
        return np.asarray(self.right.position - self.left.position)

    @property
    def _row(self) -> Array:
        return np.asarray(self.metric * self.chord)

    def guess(self, share: float) -> Array:
        """The cubic with the nodes' positions and tangents."""
        s, chord, row = share, self.chord, self._row
        a, b = (
            node.tangent * (row @ chord) / (row @ node.tangent) for node in (self.left, self.right)
        )
        rise = s * s * (3 - 2 * s) * chord
        return np.asarray(self.left.position + rise + s * (1 - s) ** 2 * a - s * s * (1 - s) * b)

    def position(self, share: float) -> Array | None:
        """The point of the curve on the plane across the chord at this share, to rounding."""
        if share in (0, 1):
            return (self.left if share == 0 else self.right).position
        return self.curve.polished(self.guess(share), self.left.signs, self._row)

    def at(self, share: float) -> Node | None:
        """The node there."""
        position = self.position(share)
        return None if position is None else self.curve.node(position, self.left.signs, self._row)

    def fold(self) -> float | None:
        """The share at which the parameter turns around; ``None`` where it does not."""
        if self.left.heading == self.right.heading:
            return None
        return self.root(lambda share: _pace(self.at(share)))

    def passes(self, parameter: float, turned: float) -> bool:
        """Whether the parameter is reached before the fold at the share ``turned``."""
        position = self.position(turned)
        return position is not None and (position[-1] - parameter) * self.left.heading >= 0

    def root(self, function: Callable[[float], float]) -> float:
        """Where a function of the share changes its sign."""
        from scipy.optimize import brentq  # heavy, and seldom needed

        return float(brentq(function, 0.0, 1.0, xtol=SHARE_TOLERANCE, rtol=1e-14))

    def point(self, share: float) -> Point | None:
        """The point of the structure at this share."""
        position = self.position(share)
        return None if position is None else self.curve.point(position, self.left.signs)

    def reach(self, parameter: float, start: float, end: float) -> Point | None:
        """The point at a parameter between those at two shares, with no fold between them.

        From the cubic by Newton's method at that parameter; where the correction is no longer small
        against the way to the nearer end (the other sheet is as near next to a fold), by bisection
        on the arc itself.
        """
        from scipy.optimize import brentq  # heavy, and seldom needed

        def above(share: float) -> float:
            return float(self.guess(share)[-1]) - parameter

        if above(start) * above(end) <= 0:
            share = float(brentq(above, start, end, xtol=1e-12))
            found = self._fixed(self.guess(share), parameter, self._room(share, start, end))
            if found is not None:
                return found

        def beyond(share: float) -> float:
            position = self.position(share)
            return np.nan if position is None else float(position[-1]) - parameter

        if not beyond(start) * beyond(end) <= 0:
            # a parameter within rounding of an end
            share = min((start, end), key=lambda s: abs(beyond(s)))
        else:
            share = float(brentq(beyond, start, end, xtol=SHARE_TOLERANCE))
        position = self.position(share)
        if position is None:
            return None
        found = self._fixed(position, parameter, self._room(share, start, end))
        return found or self.curve.point(position, self.left.signs)

    def _room(self, share: float, start: float, end: float) -> float:
        length = float(np.sqrt(self._row @ self.chord))
        return NEAR * length * min(abs(share - start), abs(share - end)) + ROUNDING

    def _fixed(self, guess: Array, parameter: float, room: float) -> Point | None:
        table = self.curve.table(parameter)
        before = (guess[:-1] / table.scale)[None]
        after, norms = refine(table, before, self.left.signs)
        change = (after - before)[0] * table.scale
        moved = float(np.sqrt(self.metric[:-1] @ (change * change)))
        if norms[0] > 10 * gradient_tolerance(table) or moved > room:
            return None
        return rebased(table, after[0], self.left.signs[0])


def _pace(node: Node | None) -> float:
    return np.nan if node is None else float(node.tangent[-1])


def metric(position: Array) -> Array:
    """Weights of a square length (m + 1,): of changes of ``v`` against the size of ``v`` itself.

    Steps then are of order 1 at any width, and count in logarithms of the width where the point
    changes little.
    """
    v = position[:-1]
    weights = np.full(len(position), 1 / (1 + float(v @ v)))
    weights[-1] = 1.0
    return weights


def bordered(hessian: Array, slope: Array, row: Array) -> Array:
    """The matrix of the equations and one plane: (m + 1, m + 1)."""
    return np.vstack([np.column_stack([hessian, slope]), row])


def solved(matrix: Array, right: Array) -> Array | None:
    """The solution, or ``None`` where the matrix is singular or not finite."""
    try:
        found = np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return None
    return np.asarray(found) if np.all(np.isfinite(found)) else None
