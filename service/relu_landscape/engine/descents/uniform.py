"""The closed-form family of orthonormal students: k of M reflected together, and its proof.

On orthonormal students (K = M, orthonormal teacher) the loss is ``const - sum_im phi(R_im)`` with
``phi'(r) = 1/4 + asin(r) / (2 pi)``. ``R = I_(M-k) (+) ((2/k) J - I_k)`` is critical for every k,
for ``phi'(R) R'`` is symmetric; k = 2 is a relabelling of zero loss. Its loss is

    L_k = k (h(1) - h(1 - 2/k)) - k (k - 1) h(2/k),     2 pi h(c) = s + c asin c - 1

The Riemannian Hessian ``-sum phi''(R_im) xi_im^2 + tr(xi' P xi)``, ``P = phi'(R) R'``, on
``xi = Omega R`` with Omega skew, and P itself on what sticks out of the span, commute with
``S_(M-k) x S_k``. Sorted by its representations they are ten blocks of one or two rows, whatever
the widths (derivation: docs/mathematics/descents.md). With m = M - k and

    2 pi p = asin(2/k) + asin(1 - 2/k),   q = asin(2/k)/(2 pi) - (2/k) p,   c0 = 1/(2 pi),
    c1 = 1/(2 pi sqrt((4/k)(1 - 1/k))),   c2 = 1/(2 pi sqrt(1 - 4/k^2))

the one that decides is ``p - c2``, positive for k > 5.7721215.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from flint import arb
from numpy.typing import NDArray

from relu_landscape.engine.certificates.balls import precision

Real = NDArray[np.float64]

#: Working precision of the proof, in bits: the smallest eigenvalue is 0.0014, at k = 6.
BITS = 128
#: Overlaps agree with the family's to this (``points.symmetry.SAME_ENTRY``).
SAME = 1e-6
#: The smallest k whose point is not one of zero loss.
SMALLEST = 3


@dataclass(frozen=True)
class Block:
    """A block of the Hessian, [[a, c], [c, b]] or a alone, that occurs ``multiplicity`` times."""

    name: str
    multiplicity: int
    a: arb
    b: arb | None = None
    c: arb | None = None

    @property
    def is_positive(self) -> bool:
        """Whether it is proved to be positive definite."""
        if self.b is None or self.c is None:
            return bool(self.a > 0)
        return bool(self.a > 0) and bool(self.a * self.b - self.c * self.c > 0)

    @property
    def eigenvalues(self) -> tuple[float, ...]:
        """Ascending, to rounding."""
        a = float(self.a.mid())
        if self.b is None or self.c is None:
            return (a,)
        b, c = float(self.b.mid()), float(self.c.mid())
        mean, half = (a + b) / 2.0, math.hypot((a - b) / 2.0, c)
        return (mean - half, mean + half)


@dataclass(frozen=True)
class Numbers:
    """p, q, c0, c1 and c2 of the module, enclosed."""

    p: arb
    q: arb
    c0: arb
    c1: arb
    c2: arb

    @staticmethod
    def of(k: int) -> Numbers:
        """Inside ``balls.precision``; k at least 3."""
        two_pi, share = 2 * arb.pi(), arb(2) / k
        near, far = share.asin(), (1 - share).asin()
        p = (near + far) / two_pi
        return Numbers(
            p=p,
            q=near / two_pi - share * p,
            c0=1 / two_pi,
            c1=1 / (two_pi * (2 * share * (1 - arb(1) / k)).sqrt()),
            c2=1 / (two_pi * (1 - share * share).sqrt()),
        )


def blocks(teachers: int, k: int) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    """The Hessian at the point with this k, K = M = ``teachers``: on the tangent space in the span,
    and on one direction beside it. k from 3 to M. Inside ``balls.precision``."""
    if not SMALLEST <= k <= teachers:
        raise ValueError(f"k is {k}; 3 to {teachers} make sense.")
    m, n = teachers - k, Numbers.of(k)
    quarter, across = arb(1) / 4, arb(m * k).sqrt()
    mixed = quarter + n.p - 2 * n.c0
    pair = n.p - n.c2 + n.q * k / 2 - 2 * (n.c1 - n.c2) / k + arb(k) / 8
    inside = [Block("pairs of k", (k - 1) * (k - 2) // 2, n.p - n.c2)]
    if m == 0:
        inside.append(Block("one of k", k - 1, pair))
        return tuple(inside), (
            Block("one of k", k - 1, n.p),
            Block("all", 1, n.p + k * n.q + arb(k) / 4),
        )
    inside += [
        Block("one of k", k - 1, pair, (mixed + arb(m) / 4) / 2, -across / 8),
        Block("one of both", (m - 1) * (k - 1), mixed / 2),
        Block("all", 1, (mixed + n.q * k + arb(teachers) / 4) / 2),
    ]
    if m >= 2:
        own = quarter - n.c0
        inside += [
            Block("pairs of m", (m - 1) * (m - 2) // 2, own),
            Block(
                "one of m", m - 1, own + arb(m) / 8, (mixed + n.q * k + arb(k) / 4) / 2, across / 8
            ),
        ]
    beside = [
        Block("one of m", m - 1, quarter),
        Block("one of k", k - 1, n.p),
        Block("all", 1, quarter + arb(m) / 4, n.p + k * n.q + arb(k) / 4, across / 4),
    ]
    return tuple(each for each in inside if each.multiplicity), tuple(
        each for each in beside if each.multiplicity
    )


def is_proved_minimum(teachers: int, k: int, *, has_beside: bool) -> bool:
    """Whether the Riemannian Hessian at the point is positive, by interval arithmetic.

    ``has_beside``: whether inputs have directions beside the teacher's span. That the point is
    critical is proved on paper, for every k.
    """
    with precision(BITS):
        inside, beside = blocks(teachers, k)
        chosen = inside + beside if has_beside else inside
        return all(each.is_positive for each in chosen)


def deciding_eigenvalue(k: float) -> float:
    """p - c2, for real k > 2: negative below 5.7721215, positive above. Error about 1e-16.

    >>> deciding_eigenvalue(5) < 0 < deciding_eigenvalue(6)
    True
    """
    share = 2.0 / k
    turned = math.asin(share) + math.asin(1.0 - share)
    return (turned - 1.0 / math.sqrt(1.0 - share * share)) / (2.0 * math.pi)


def loss(k: int) -> float:
    """L_k, to about 1e-15 k.

    >>> round(loss(6), 7), round(loss(17), 7)
    (0.0558779, 0.0965146)
    """
    share = 2.0 / k
    return k * (_h(1.0) - _h(1.0 - share)) - k * (k - 1) * _h(share)


def point(teachers: int, k: int) -> Real:
    """R (M, M) of the point, which are the weights as well."""
    R = np.eye(teachers)
    R[teachers - k :, teachers - k :] = 2.0 / k - np.eye(k)
    return R


def recognised(R: Real) -> int | None:
    """k of a point of the family with overlaps ``R`` (M, M), relabelled as it may be, or None."""
    teachers = len(R)
    if R.shape != (teachers, teachers):
        return None
    k = teachers - int(np.sum(np.abs(R - 1.0) <= SAME))
    if k < SMALLEST:
        return None
    turned = np.flatnonzero(np.min(R, axis=1) < -SAME) if k > 2 else np.arange(0)
    order = np.argmin(R[turned], axis=1)
    rest = np.setdiff1d(np.arange(teachers), turned)
    if len(turned) != k or len(set(order.tolist())) != k:
        return None
    partners = np.argmax(R[rest], axis=1)
    if len({*partners.tolist(), *order.tolist()}) != teachers:
        return None
    sorted_rows = np.concatenate([R[rest][:, partners], R[rest][:, order]], axis=1)
    lower = np.concatenate([R[turned][:, partners], R[turned][:, order]], axis=1)
    whole = np.concatenate([sorted_rows, lower])
    return k if float(np.abs(whole - point(teachers, k)).max()) <= SAME else None


def _h(c: float) -> float:
    """h(c) of ``model.kernel``, in the form that keeps its digits at small c."""
    return c * (math.asin(c) - c / (1.0 + math.sqrt((1.0 - c) * (1.0 + c)))) / (2.0 * math.pi)
