r"""How fast the Hessian can change near a point: one number that replaces interval Hessians.

For ``|W' - W|_F <= r`` with ``4 r`` below the shortest student norm, and in every input dimension,

    |H(W') - H(W)|_2 <= B(r) r,
    B(r) = (c / pi) (sqrt(sum_i n_i^-2) + sqrt(K) / n_min)
           + max_i sqrt(a_i^2 + (K - 1) b_i^2),
    a_i = c (3 h_i + S / (pi n_i)) / (n_i - r),     b_i = 1 / (pi (n_i - r)),
    S = sqrt(M) + sqrt(K - 1) |W|_2,                c = asin(q) / q,  q = r / n_min,

with ``n_i = |w_i|`` and ``h_i >= max(|H_ii - I/2|_2, |A_ii - 1/2|)``. The first line is what
turning the students does to the blocks off the diagonal, the second what turning, lengthening and
moving the others does to the diagonal blocks. Derivation: docs/mathematics/certificates.md,
section 3.

Where units leak, with the slope c below zero, B is (1 - c)^2 times as large: what else there is in
the Hessian does not change.

The teacher is orthonormal. Parallel and antiparallel students are allowed; zero students are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flint import arb

from relu_landscape.engine.certificates.balls import upper_sqrt
from relu_landscape.engine.certificates.leaking import height
from relu_landscape.errors import NumericalError


@dataclass(frozen=True)
class Students:
    """What the bound needs to know of a point: one entry per type of equivalent students.

    ``norms`` encloses ``|w_i|``; ``curvatures`` bounds ``h_i`` from above; ``counts`` says how many
    students are of that type (all 1 in the dense method); ``operator_norm`` bounds ``|W|_2`` from
    above; ``teachers`` is the teacher width M; all of ReLU. ``leak`` is the slope c of the units.
    """

    norms: Sequence[arb]
    curvatures: Sequence[arb]
    counts: Sequence[int]
    operator_norm: arb
    teachers: int
    leak: float = 0.0

    @property
    def width(self) -> int:
        """Student width K."""
        return sum(self.counts)

    @property
    def shortest(self) -> arb:
        """Lower bound (exact) of the shortest student norm."""
        lows = [n.lower() for n in self.norms]
        return min(lows, key=float)


def lipschitz(students: Students, radius: arb) -> arb:
    """Upper bound B(r) (exact) of ``|H(W') - H(W)|_2 / r`` over the ball of this radius.

    ``radius``: r > 0, exact or a ball; its upper end counts. Raises ``NumericalError`` unless
    ``4 r`` is below the shortest student norm. Accuracy: proven, rounded upwards; adversarial
    sampling reaches 0.15 to 0.42 of it.
    """
    r = radius.upper()
    shortest = students.shortest
    if not (r > 0 and 4 * r < shortest):
        raise NumericalError(
            "the Hessian cannot be bounded on a ball that reaches a quarter of the shortest "
            "student's norm: take a smaller radius."
        )
    pi = arb.pi()
    width = students.width
    sine = r / shortest
    curve = sine.asin() / sine
    inverse_squares = sum(
        (q / (n * n) for n, q in zip(students.norms, students.counts, strict=True)), arb(0)
    )
    off_diagonal = curve / pi * (inverse_squares.sqrt() + arb(width).sqrt() / shortest)
    spread = arb(students.teachers).sqrt() + arb(width - 1).sqrt() * students.operator_norm
    diagonal = arb(0)
    for n, h in zip(students.norms, students.curvatures, strict=True):
        own = curve * (3 * h + spread / (pi * n)) / (n - r)
        other = 1 / (pi * (n - r))
        diagonal = diagonal.max(upper_sqrt(own * own + (width - 1) * other * other))
    bound = off_diagonal + diagonal
    return (bound if students.leak == 0.0 else height(students.leak) * bound).upper()


def reach(students: Students, gap: arb) -> arb:
    """A radius R (exact) with ``B(R) R < gap``, within 1% of the largest one can have.

    B grows with the radius, so ``gap / B(R)`` at a radius R that is too large is small enough; two
    rounds leave less than 1%, since B changes by little over a ball.
    """
    # 0.2 rather than the 1/4 at which the bound ends: outward rounding needs room.
    limit = students.shortest * arb("0.2").lower()
    radius = limit
    for _ in range(3):
        shrunk = (gap / lipschitz(students, radius)).lower()
        if shrunk > limit:
            break
        # The bound must hold with strict inequality: give up one part in 10^6.
        radius = (shrunk * (1 - arb(2) ** -20)).lower()
    return radius
