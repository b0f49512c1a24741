"""A proven lower bound of D over all directions, in whatever dimension of the inputs.

With c the cosine of u and a student or teacher, ``g = k(c)`` per unit of length, and

    k(c) = c/4 + E(c^2),    E(t) = (sqrt(1 - t) + sqrt(t) asin(sqrt(t))) / (2 pi),

E convex on [0, 1], since ``E' = asin(sqrt(t)) / (4 pi sqrt(t))`` rises. A student's term is
therefore at least that of any tangent of E, and a teacher's, which is subtracted, at most that of
the chord from E(0) = 1/(2 pi) to E(1) = 1/4:

    D(u) >= q(u) = const + S.u/4 + sum_i n_i E'(t_i) c_i^2 - (1/4 - 1/(2 pi)) sum_m |v_m| c_m^2,

exact where students touch their tangents and teachers are at right angles or met. The least of a
quadratic form with a linear term on the sphere has no gap to its dual: for each lambda >= 0 that
makes the form positive definite,

    q(u) >= const - lambda - b' (A + lambda I)^-1 b / 4      for all |u| <= 1,

so parts of u beside the coordinates are allowed too. Tangents are chosen in doubles, to make the
bound large; what it is with them is computed in balls (Arb), and rounded downwards.
"""

from __future__ import annotations

import math

import numpy as np
from flint import arb
from numpy.typing import NDArray

from relu_landscape.engine.model.teacher import Teacher

Real = NDArray[np.float64]

#: More coordinates are not looked at: the elimination in balls takes seconds from there on.
MOST_COORDINATES = 100
#: The bound holds for all weights so near to the given ones (norm over all of them): a fixed point
#: that was polished, or certified, is nearer to its exact one.
NEAR = 1e-9
#: Turns of choosing tangents, and of the bisection for lambda.
TURNS, HALVINGS = 40, 100
#: The form is made positive definite by this much of its size, where the best lambda leaves it
#: singular: eliminated in balls it must not touch zero.
DEFINITE = 1e-8
#: Angles of tangents are no smaller: the slope is a quotient that tends to its value at zero.
SMALLEST_ANGLE = 1e-6

CHORD = 0.25 - 0.5 / math.pi


def lower_bound(W: Real, teacher: Teacher, near: Real | None = None) -> float | None:
    """At least this is D of every unit vector, for all networks within ``NEAR`` of ``W`` (K, p).

    ``near`` (p,): where tangents may begin, the direction of lowest D if it is known. None: not
    proved (more than ``MOST_COORDINATES``, or numbers out of range).
    """
    if W.shape[1] > MOST_COORDINATES:
        return None
    V = np.zeros((teacher.width, W.shape[1]))
    V[:, : teacher.width] = teacher.V
    angles, multiplier = _chosen(W, V, near)
    return _proved(W, V, angles, multiplier)


def _chosen(W: Real, V: Real, near: Real | None) -> tuple[Real, float]:
    """Angles (K,) whose squared sines are the points of tangents, and lambda, of the largest bound
    that was met; in doubles."""
    norms = np.linalg.norm(W, axis=1)
    units = W / norms[:, None]
    b = (W.sum(axis=0) - V.sum(axis=0)) / 4.0
    teachers = CHORD * (V.T / np.linalg.norm(V, axis=1)) @ V
    t = np.full(len(W), 0.5) if near is None else (units @ near) ** 2
    best: tuple[float, Real, float] = (-math.inf, t, 0.0)
    for turn in range(TURNS):
        angles = np.arcsin(np.sqrt(np.clip(t, SMALLEST_ANGLE**2, 1.0)))
        slopes = angles / (4.0 * math.pi * np.sin(angles))
        A = (units.T * (norms * slopes)) @ units - teachers
        least, multiplier, squares = _dual(A, b, units)
        constants = np.cos(angles) / (2.0 * math.pi) + slopes * np.sin(angles) ** 2
        found = least + float(norms @ constants)
        if found > best[0]:
            best = (found, angles, multiplier)
        t = t + (squares - t) * (2.0 / (turn + 3.0))
    return best[1], best[2]


def _dual(A: Real, b: Real, units: Real) -> tuple[float, float, Real]:
    """The bound of b.u + u'Au on the ball, its lambda, and the squared cosines with ``units`` where
    it is attained (of two opposite places their mean)."""
    values, vectors = np.linalg.eigh(A)
    along = vectors.T @ b
    size = float(np.abs(values).max()) + float(np.abs(b).max()) + 1e-300
    low = max(0.0, -float(values[0])) + DEFINITE * size
    high = low + float(np.linalg.norm(b)) + size
    if np.sum((along / (values + low)) ** 2) <= 4.0:
        high = low
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if np.sum((along / (values + middle)) ** 2) > 4.0:
            low = middle
        else:
            high = middle
    u = -vectors @ (along / (values + high)) / 2.0
    # Inside the ball only where the form has no downward direction; else along that to the sphere.
    rest = max(0.0, 1.0 - float(u @ u)) if values[0] < 0.0 else 0.0
    squares = (units @ u) ** 2 + rest * (units @ vectors[:, 0]) ** 2
    least = -float(np.sum(along**2 / (values + high))) / 4.0 - high
    return least, high, np.minimum(squares, 1.0)


def _proved(W: Real, V: Real, angles: Real, multiplier: float) -> float | None:
    """The bound with these tangents and this lambda, in balls, rounded downwards."""
    if multiplier < 0.0:
        return None
    p, pi = W.shape[1], arb.pi()
    students = [[arb(x) for x in row] for row in W.tolist()]
    teachers = [[arb(x) for x in row] for row in V.tolist()]
    matrix = [[arb(0)] * p for _ in range(p)]
    constant = arb(0)
    for row, alpha in zip(students, map(arb, angles.tolist()), strict=True):
        norm = _norm(row)
        slope = alpha / (4 * pi * alpha.sin())
        constant += norm * (alpha.cos() / (2 * pi) + slope * alpha.sin() ** 2)
        _add(matrix, row, slope / norm)
    for row in teachers:
        norm = _norm(row)
        constant -= norm / (2 * pi)
        _add(matrix, row, -(arb(1) / 4 - 1 / (2 * pi)) / norm)
    linear = [
        (sum((row[c] for row in students), arb(0)) - sum((row[c] for row in teachers), arb(0))) / 4
        for c in range(p)
    ]
    for c in range(p):
        matrix[c][c] += arb(multiplier)
    square = _inverse_form(matrix, linear)
    if square is None:
        return None
    # A student that moves by delta changes D by at most |delta|/2.
    allowed = arb(NEAR) * arb(len(W)).sqrt() / 2
    bound = constant - arb(multiplier) - square / 4 - allowed
    lower = float(bound.lower())
    return math.nextafter(lower, -math.inf) if math.isfinite(lower) else None


def _norm(row: list[arb]) -> arb:
    return sum((x * x for x in row), arb(0)).sqrt()


def _add(matrix: list[list[arb]], row: list[arb], factor: arb) -> None:
    """Add ``factor`` times the square of a row."""
    for i, x in enumerate(row):
        scaled = factor * x
        for j in range(i + 1):
            matrix[i][j] = matrix[i][j] + scaled * row[j]


def _inverse_form(matrix: list[list[arb]], b: list[arb]) -> arb | None:
    """``b' S^-1 b`` of a symmetric matrix given by its lower half, by elimination without pivoting;
    None unless every pivot is certainly positive, which says that S is positive definite."""
    rows = [[*row[: i + 1], b[i]] for i, row in enumerate(matrix)]
    p, total = len(rows), arb(0)
    for k in range(p):
        pivot, right = rows[k][k], rows[k][-1]
        if not pivot > 0:
            return None
        total += right * right / pivot
        column = [rows[i][k] for i in range(k + 1, p)]
        for i in range(k + 1, p):
            factor = column[i - k - 1] / pivot
            for j in range(k + 1, i + 1):
                rows[i][j] = rows[i][j] - factor * column[j - k - 1]
            rows[i][-1] = rows[i][-1] - factor * right
    return total
