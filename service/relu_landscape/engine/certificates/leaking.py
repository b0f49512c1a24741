r"""What a leak changes: units ``max(x, c x)`` with the slope ``c`` below zero, ``-1 < c < 1``.

With ``h = (1 - c)^2`` and ``S = sum_i w_i - sum_m v_m`` every enclosure is that of ReLU and one
term more, at the same point (docs/mathematics/leak.md, "One number"):

    L_c = h L + c |S|^2 / 2,               G_c = h G + c 1 S^T,
    H_c = h H + c (1 1^T) (x) I,           A_c = h A + c 1 1^T.

What is added to the Hessian does not depend on the point, so ``|H_c(W') - H_c(W)|`` is ``h`` times
ReLU's, and no bound of section 3 of docs/mathematics/certificates.md needs more. ``c`` is a double
and exact. Everything here is in the units of ``L_c`` itself, as is whatever a certificate states.

A leak of zero changes nothing, bit by bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import Doubles, above
from relu_landscape.engine.certificates.hessian import UNIT


def height(leak: float) -> arb:
    """``h = (1 - c)^2``."""
    return (1 - arb(leak)) ** 2


def error_scale(leak: float) -> float:
    """By how much the absolute errors of losses and eigenvalues in doubles exceed ReLU's."""
    return max(1.0, (1.0 - leak) ** 2)


def own_curvature(leak: float) -> arb:
    """``u_i^T H_c u_i`` along a student itself: ``h/2 + c = (1 + c^2)/2``, 1/2 for ReLU.

    The smallest eigenvalue of a minimum does not exceed it.
    """
    return (1 + arb(leak) ** 2) / 2


def leaky_loss(relu: arb, sums: Sequence[arb], leak: float) -> arb:
    """``L_c`` from ReLU's; ``sums`` are the coordinates of S."""
    if leak == 0.0:
        return relu
    return height(leak) * relu + arb(leak) * sum((s * s for s in sums), arb(0)) / 2


def leaky_gradient(relu: arb_mat, sums: Sequence[arb], leak: float) -> arb_mat:
    """``G_c`` from ReLU's, (K, M); ``sums`` are the M coordinates of S."""
    if leak == 0.0:
        return relu
    rows = [[arb(leak) * s for s in sums] for _ in range(relu.nrows())]
    return relu * height(leak) + arb_mat(rows)


def leaky_block(relu: arb_mat, leak: float) -> arb_mat:
    """``A_c`` from ReLU's, (K, K)."""
    if leak == 0.0:
        return relu
    K = relu.nrows()
    return relu * height(leak) + arb_mat(K, K, [arb(leak)] * (K * K))


def leaky_balls(relu: arb_mat, students: int, leak: float) -> arb_mat:
    """``H_c`` from ReLU's, (K M, K M)."""
    if leak == 0.0:
        return relu
    matrix = relu * height(leak)
    M = matrix.nrows() // students
    for row in range(matrix.nrows()):
        for column in range(row % M, matrix.ncols(), M):
            matrix[row, column] = matrix[row, column] + arb(leak)
    return matrix


def leaky_doubles(relu: Doubles, error: float, students: int, leak: float) -> tuple[Doubles, float]:
    """``H_c`` in doubles from ReLU's, (K M, K M), known up to ``error``, and its own error.

    An entry is ``fl(fl(h^ F) + c)`` or ``fl(h^ F)``, with ``h^`` off by at most 2u of itself: it is
    off from ``h F + c`` by at most ``4.1 u h |F| + u |c|``. In the Frobenius norm these are
    ``4.1 u h |F|_F`` and, of K^2 M entries, ``u |c| K sqrt(M)``.
    """
    if leak == 0.0:
        return relu, error
    scale = float(height(leak).mid())
    M = len(relu) // students
    matrix = scale * relu
    tilted = matrix.reshape(students, M, students, M)  # a view
    at = np.arange(M)
    tilted[:, at, :, at] += leak
    size = float(np.linalg.norm(relu))
    rounding = 5 * scale * size + 2 * abs(leak) * students * math.sqrt(M)
    # 1.001: rounding of these lines
    return matrix, above(height(leak) * arb(error)) + 1.001 * UNIT * rounding
