"""Norms, angles and Hessian coefficients of a batch of structured points, one per class of pairs.

What the isotypic matrices (``isotypic``, ``standard``) are made of: for units i, j at angle t the
blocks of the whole Hessian are

    H_ii = A_i I - D_i u u^T + sum_j n_j / (2 pi n_i sin t_ij) e e^T - (the same over teachers),
    H_ij = A_ij I + [u_i u_j^T + u_j u_i^T - cos t (u_i u_i^T + u_j u_j^T)] / (2 pi sin t),

with e = u_j - cos t u_i, A_ij = (pi - t)/(2 pi), A_i = 1/2 + D_i (``activation.tilt`` more where
units leak) and
D_i = (sum_{j != i} n_j sin t_ij - sum_m sin t_im) / (2 pi n_i).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from relu_landscape.engine.families.layout import Array, Layout
from relu_landscape.engine.families.reduced import TWO_PI, pair_table, totals
from relu_landscape.engine.model import activation

#: Terms in 1/sin t vanish like sin t at parallel and antiparallel vectors; below this sine they are
#: under 1e-9 and their quotient is noise (cosines carry 1e-16, so such sines have an error of 1e-8
#: themselves): the limit, zero, is used.
SMALLEST_SINE = 1e-9


@dataclass(frozen=True)
class Frame:
    """Arrays over a batch of ``S`` points; pair classes are looked up with ``pair``."""

    table: Layout
    x: Array  # (S, n, B)
    y: Array  # (S, n), zero for student-only units
    norm: Array  # (S, n)
    cosine: Array  # (S, P + E)
    inverse_sine: Array  # (S, P + E), zero below SMALLEST_SINE
    angle_share: Array  # (S, P + E): (pi - t) / (2 pi)
    tension: Array  # (S, n): D_s
    own_share: Array  # (S, n): A_s = 1/2 + D_s

    def pair(self, kind: str, s: int, other: int, relation: str) -> int:
        """Column of a pair class; student pairs in either order."""
        if kind == "ss" and s > other:
            s, other = other, s
        return self.table.pairs[kind, s, other, relation]

    def naturals(self, t: int) -> list[int]:
        """Natural student blocks on teacher block ``t``."""
        return [s for s, own in enumerate(self.table.own) if own == t]


def frame(table: Layout, deviations: Array, signs: Array) -> Frame:
    """The frame of a batch of points: ``deviations`` (S, m), ``signs`` (S, c)."""
    with np.errstate(all="ignore"):
        pairs = pair_table(table, deviations, signs)
        N, _ = totals(table, deviations, pairs)
        inverse = np.where(pairs.sine < SMALLEST_SINE, 0.0, 1 / pairs.sine)
        tilt = activation.tilt(table.structure.leak)
        share = (math.pi / 2 + np.arctan2(pairs.cosine, pairs.sine)) / TWO_PI + tilt
        tension = _tension(table, N, pairs)
    S, n, blocks = len(deviations), len(table.q), len(table.p)
    y = np.zeros((S, n))
    y[:, table.natural] = pairs.z[:, n * blocks :]
    x = pairs.z[:, : n * blocks].reshape(S, n, blocks)
    own = 0.5 + tension + tilt
    return Frame(table, x, y, pairs.norm, pairs.cosine, inverse, share, tension, own)


def _tension(table: Layout, N: Array, pairs: Any) -> Array:
    """D_s, with sum n_j - M = N taken out: n sin t - n = -n c^2 / (1 + sin t) does not cancel.

    The two sums are of order K each and their difference of order 1.
    """
    P = len(table.forms)
    short = pairs.cosine**2 / (1 + pairs.sine)
    total = np.repeat(N[:, None], len(table.q), axis=1) - pairs.norm
    for pair, (s, weight) in enumerate(zip(table.first, table.weight, strict=True)):
        # the weight counts pairs; divided by the block's size, partners of one unit
        if pair >= P:
            total[:, s] -= weight / table.q[s] * short[:, pair]
            continue
        other = table.second[pair]
        total[:, s] -= weight / table.q[s] * short[:, pair] * pairs.norm[:, other]
        total[:, other] -= weight / table.q[other] * short[:, pair] * pairs.norm[:, s]
    return np.asarray(total / (TWO_PI * pairs.norm))
