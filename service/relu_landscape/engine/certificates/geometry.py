r"""Angles, gradient, loss and perpendicular block at an exact point, in balls.

The point is a K x M matrix of doubles, taken as exact; the teacher is orthonormal and its units are
the coordinate axes. With ``s = sqrt(|a|^2 |b|^2 - (a.b)^2)`` and ``t = atan2(s, a.b)``

    g(a, b) = (s + (pi - t) a.b) / (2 pi)                      Cho and Saul 2009
    grad L  = A W - B,   A_ij = (pi - t_ij) / (2 pi),   A_ii = 1/2 + D_i,   B_im likewise
    D_i     = (sum_{j != i} |w_j| sin t_ij - sum_m sin t_im) / (2 pi |w_i|).

Angles come from ``atan2``, never from ``acos`` of an enclosure, which loses half the digits near
parallel vectors. Accuracy: the balls are rigorous; at 128 bits the gradient's norm is known to
about 1e-35 absolutely, 1e-18 where vectors are exactly parallel and not axes.
"""

from __future__ import annotations

from dataclasses import dataclass

from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import (
    PARALLEL_SINE,
    Doubles,
    enclosing_sqrt,
    from_doubles,
    spectral_norm,
    upper_sqrt,
)


@dataclass(frozen=True)
class Angle:
    """One pair of vectors: ``sine``, ``cosine``, ``obtuse = pi - t`` and ``product = |a| |b|``.

    ``parallel`` says that the sine is too small to divide by (``PARALLEL_SINE``).
    """

    sine: arb
    cosine: arb
    obtuse: arb
    product: arb
    parallel: bool


def angle(square_a: arb, square_b: arb, inner: arb) -> Angle:
    """The angle between vectors of these squared lengths and this inner product."""
    product = (square_a * square_b).sqrt()
    area = enclosing_sqrt(square_a * square_b - inner * inner)
    # The cut of atan2 lies on the negative axis, where a ball around zero would span 2 pi.
    obtuse = arb.atan2(area, -inner) if inner < 0 else arb.pi() - arb.atan2(area, inner)
    sine = area / product
    return Angle(sine, inner / product, obtuse, product, not sine > PARALLEL_SINE)


def kernel(pair: Angle) -> arb:
    """``g = |a| |b| (sin t + (pi - t) cos t) / (2 pi)`` of the pair."""
    return pair.product * (pair.sine + pair.obtuse * pair.cosine) / (2 * arb.pi())


@dataclass(frozen=True)
class Geometry:
    """An exact point with everything that gradient, loss and Hessian need.

    ``between[i][j]`` (j < i) pairs two students, ``towards[i][m]`` student and teacher.
    """

    weights: arb_mat
    norms: list[arb]
    units: list[list[arb]]
    operator_norm: arb
    between: list[list[Angle]]
    towards: list[list[Angle]]

    @property
    def width(self) -> int:
        """Student width K."""
        return int(self.weights.nrows())

    @property
    def teachers(self) -> int:
        """Teacher width M."""
        return int(self.weights.ncols())

    def pair(self, i: int, j: int) -> Angle:
        """The angle between students ``i != j``."""
        return self.between[i][j] if j < i else self.between[j][i]


def measure(W: Doubles) -> Geometry:
    """All lengths and angles at ``W``, shape (K, M), no row zero, orthonormal teacher."""
    weights = from_doubles(W)
    rows = weights.table()
    gram = (weights * weights.transpose()).table()
    squares = [gram[i][i] for i in range(len(rows))]
    norms = [x.sqrt() for x in squares]
    one = arb(1)
    return Geometry(
        weights=weights,
        norms=norms,
        units=[[x / n for x in row] for row, n in zip(rows, norms, strict=True)],
        operator_norm=upper_sqrt(spectral_norm(arb_mat(gram))),
        between=[
            [angle(squares[i], squares[j], gram[i][j]) for j in range(i)] for i in range(len(rows))
        ],
        towards=[
            [angle(square, one, x) for x in row] for square, row in zip(squares, rows, strict=True)
        ],
    )


def isotropic(point: Geometry) -> list[arb]:
    """``D_i = A_ii - 1/2``, one per student."""
    two_pi = 2 * arb.pi()
    result = []
    for i, own in enumerate(point.norms):
        others = sum(
            (point.norms[j] * point.pair(i, j).sine for j in range(point.width) if j != i), arb(0)
        )
        teachers = sum((x.sine for x in point.towards[i]), arb(0))
        result.append((others - teachers) / (two_pi * own))
    return result


def perpendicular_block(point: Geometry) -> arb_mat:
    """The K x K matrix A: the Hessian of every direction perpendicular to the teacher."""
    two_pi = 2 * arb.pi()
    half = arb(1) / 2
    diagonal = isotropic(point)
    rows = [
        [
            half + diagonal[i] if i == j else point.pair(i, j).obtuse / two_pi
            for j in range(point.width)
        ]
        for i in range(point.width)
    ]
    return arb_mat(rows)


def gradient(point: Geometry, perpendicular: arb_mat) -> arb_mat:
    """``grad L``, (K, M); ``perpendicular`` is the block A of this point."""
    two_pi = 2 * arb.pi()
    pull = arb_mat([[x.obtuse / two_pi for x in row] for row in point.towards])
    return perpendicular * point.weights - pull


def excess(point: Geometry) -> list[arb]:
    """Coordinates of ``S = sum_i w_i - sum_m v_m``, (M,)."""
    columns = zip(*point.weights.table(), strict=True)
    return [sum(column, arb(0)) - 1 for column in columns]


def loss(point: Geometry) -> arb:
    """Enclosure of the population loss ``L = 1/2 E (f - f*)^2``, which is never negative."""
    teachers = point.teachers
    students = sum((kernel(x) for row in point.between for x in row), arb(0))
    own = sum((n * n for n in point.norms), arb(0)) / 4
    cross = sum((kernel(x) for row in point.towards for x in row), arb(0))
    constant = arb(teachers) / 4 + arb(teachers * (teachers - 1)) / (4 * arb.pi())
    return students + own - cross + constant
