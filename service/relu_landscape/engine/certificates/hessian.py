r"""The Hessian in the teacher's span, as doubles with a proven error bound or as balls.

With unit vectors ``u_i``, ``a = u_i + u_j``, ``b = u_i - u_j``, ``tau = tan(t_ij / 2)``,

    H_ij = A_ij I + (tau a a^T - b b^T / tau) / (4 pi),                               i != j
    H_ii = I/2 + D_i (I - u_i u_i^T) + sum_j n_j e_j e_j^T / (2 pi n_i sin t_ij)
                                     - sum_m     e_m e_m^T / (2 pi n_i sin t_im),
    e_j  = u_j - cos(t_ij) u_i.

``tau a a^T - b b^T / tau`` equals ``2 sin t`` times the map that swaps ``u_i`` and ``u_j`` and is
zero across their plane; written with sum and difference it loses no digits as the angle closes.

The error bound of the doubles (u = 2^-53, all angles rounded from balls, no transcendental function
evaluated in doubles; derivation in docs/mathematics/certificates.md, section 2):

    off the diagonal, per block:  32 u (sqrt(M) + 1)
    diagonal block i:             u (2 (K + M + 64) O_i + 32 |D_i| (sqrt(M) + 1) + 4 sqrt(M)),
                                  O_i = (sum_j n_j + M) / (2 pi n_i),

in the Frobenius norm, both at least twice what the count of operations gives. Where vectors are
parallel or antiparallel to 2^-40 the terms that divide by the sine are left out, and their exact
size is added to the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from flint import arb, arb_mat

from relu_landscape.engine.certificates.balls import (
    Doubles,
    above,
    scalar_matrix,
    spectral_norm,
    symmetric,
)
from relu_landscape.engine.certificates.geometry import Angle, Geometry, isotropic

#: Unit roundoff of IEEE doubles.
UNIT = 2.0**-53


@dataclass(frozen=True)
class DoubleHessian:
    """``matrix`` (K M, K M), its spectral ``error``, and an upper bound of each ``h_i``."""

    matrix: Doubles
    error: float
    curvatures: list[arb]


@dataclass(frozen=True)
class BallHessian:
    """``matrix`` (K M, K M) that encloses the Hessian, and an upper bound of each ``h_i``."""

    matrix: arb_mat
    curvatures: list[arb]


def _float(x: arb) -> float:
    return float(x.mid())


def _half_tangent(pair: Angle) -> arb:
    """``tan(t / 2)``, by whichever of its two forms does not cancel."""
    if pair.cosine > 0:
        return pair.sine / (1 + pair.cosine)
    return (1 - pair.cosine) / pair.sine


def _off_diagonal(point: Geometry, units: Doubles) -> tuple[Doubles, float]:
    """Blocks ``i != j`` (diagonal blocks zero), and the size of what was left out."""
    K, M = units.shape
    two_pi = 2 * arb.pi()
    scalar = np.zeros((K, K))
    swap = np.zeros((K, K))
    swap_inverse = np.zeros((K, K))
    left_out = arb(0)
    for i in range(K):
        for j in range(i):
            pair = point.between[i][j]
            scalar[i, j] = scalar[j, i] = _float(pair.obtuse / two_pi)
            if pair.parallel:
                left_out += abs(pair.sine) / two_pi
                continue
            tangent = _half_tangent(pair)
            swap[i, j] = swap[j, i] = _float(tangent / (2 * two_pi))
            swap_inverse[i, j] = swap_inverse[j, i] = _float(1 / (2 * two_pi * tangent))
    blocks = np.empty((K, M, K, M))
    identity = np.eye(M)
    for i in range(K):
        total, difference = units[i] + units, units[i] - units
        blocks[i] = (
            scalar[i, :, None, None] * identity
            + swap[i, :, None, None] * (total[:, :, None] * total[:, None, :])
            - swap_inverse[i, :, None, None] * (difference[:, :, None] * difference[:, None, :])
        ).transpose(1, 0, 2)
    return blocks, above(left_out)


def _diagonal(point: Geometry, units: Doubles, diagonal: list[arb]) -> tuple[Doubles, Doubles]:
    """``H_ii - I/2``, shape (K, M, M), and the bound of the error of each."""
    K, M = units.shape
    two_pi = 2 * arb.pi()
    everyone = np.concatenate([units, np.eye(M)])
    length = _float(sum(point.norms, arb(0)))
    blocks, errors = np.empty((K, M, M)), np.empty(K)
    for i, own in enumerate(point.norms):
        weight, cosine = np.zeros(K + M), np.zeros(K + M)
        left_out = arb(0)
        for j in range(K + M):
            if j == i:
                continue
            pair = point.pair(i, j) if j < K else point.towards[i][j - K]
            factor = (point.norms[j] if j < K else arb(-1)) / (two_pi * own)
            if pair.parallel:
                left_out += abs(factor * pair.sine)
                continue
            weight[j], cosine[j] = _float(factor / pair.sine), _float(pair.cosine)
        across = everyone - cosine[:, None] * units[i]
        gram = (across * weight[:, None]).T @ across
        d = _float(diagonal[i])
        blocks[i] = d * (np.eye(M) - np.outer(units[i], units[i])) + (gram + gram.T) / 2
        share = (length + M) / (6.28 * _float(own))  # 6.28 < 2 pi: an upper bound
        rounding = 2 * (K + M + 64) * share + 32 * abs(d) * (M**0.5 + 1) + 4 * M**0.5
        errors[i] = above(left_out) + 1.001 * UNIT * rounding  # 1.001: rounding of this line
    return blocks, errors


def _curvatures(blocks: Doubles, errors: Doubles, diagonal: list[arb]) -> list[arb]:
    """Upper bounds of ``h_i = max(|H_ii - I/2|_2, |A_ii - 1/2|)`` from doubles.

    ``|F|_2 <= |F^16|_F^(1/16)``. A squaring errs by at most ``M^(3/2) u`` relative to its own
    Frobenius norm and multiplies an earlier error by at most ``2 sqrt(M)``, so four of them err by
    at most ``9 M^3 u``: below 1e-6 for M up to 1000.
    """
    scale = np.linalg.norm(blocks, axis=(1, 2))
    power = blocks / np.where(scale > 0, scale, 1.0)[:, None, None]
    for _ in range(4):
        power = power @ power
    bounds = scale * np.linalg.norm(power, axis=(1, 2)) ** (1 / 16) * (1 + 1e-6) + errors
    return [arb(x).max(abs(d).upper()).upper() for x, d in zip(bounds, diagonal, strict=True)]


def in_doubles(point: Geometry) -> DoubleHessian:
    """The Hessian in doubles, shape (K M, K M), symmetric, with its proven error."""
    K, M = point.width, point.teachers
    units = np.array([[_float(x) for x in row] for row in point.units]).reshape(K, M)
    diagonal = isotropic(point)
    own, errors = _diagonal(point, units, diagonal)
    blocks, left_out = _off_diagonal(point, units)
    for i in range(K):
        blocks[i, :, i, :] = own[i] + 0.5 * np.eye(M)
    error = left_out + 1.001 * UNIT * 32 * K * (M**0.5 + 1) + float(errors.max())
    return DoubleHessian(blocks.reshape(K * M, K * M), error, _curvatures(own, errors, diagonal))


def _outer(column: list[arb]) -> arb_mat:
    vector = arb_mat(len(column), 1, column)
    return vector * vector.transpose()


def _uncertain(size: int, radius: arb) -> arb_mat:
    return arb_mat(size, size, [symmetric(radius)] * (size * size))


def _ball_off_diagonal(point: Geometry, i: int, j: int) -> arb_mat:
    M, pair, two_pi = point.teachers, point.pair(i, j), 2 * arb.pi()
    block = scalar_matrix(M, pair.obtuse / two_pi)
    if pair.parallel:
        return block + _uncertain(M, pair.sine / two_pi)
    tangent = _half_tangent(pair)
    both = list(zip(point.units[i], point.units[j], strict=True))
    along = _outer([x + y for x, y in both]) * (tangent / (2 * two_pi))
    return block + along - _outer([x - y for x, y in both]) * (1 / (2 * two_pi * tangent))


def _axis(size: int, m: int) -> list[arb]:
    return [arb(int(k == m)) for k in range(size)]


def _others(point: Geometry, i: int) -> Iterator[tuple[Angle, arb, list[arb]]]:
    """Angle to ``w_i``, signed length and unit vector of every other student and every teacher."""
    for j in range(point.width):
        if j != i:
            yield point.pair(i, j), point.norms[j], point.units[j]
    for m in range(point.teachers):
        yield point.towards[i][m], arb(-1), _axis(point.teachers, m)


def _ball_diagonal(point: Geometry, i: int, d: arb) -> arb_mat:
    """``H_ii - I/2``."""
    M, own, two_pi = point.teachers, point.units[i], 2 * arb.pi()
    columns, weights = [], []
    doubt = arb(0)
    for pair, length, unit in _others(point, i):
        factor = length / (two_pi * point.norms[i])
        if pair.parallel:
            doubt += abs(factor * pair.sine)
            continue
        columns.append([x - pair.cosine * y for x, y in zip(unit, own, strict=True)])
        weights.append(factor / pair.sine)
    block = scalar_matrix(M, d) - _outer(own) * d + _uncertain(M, doubt)
    if columns:
        scaled = arb_mat(
            [[w * x for x in column] for w, column in zip(weights, columns, strict=True)]
        )
        block += scaled.transpose() * arb_mat(columns)
    return block


def in_balls(point: Geometry) -> BallHessian:
    """The Hessian in balls, shape (K M, K M); no rounding of doubles enters the proof."""
    K, M = point.width, point.teachers
    rows: list[list[arb]] = [[arb(0)] * (K * M) for _ in range(K * M)]
    curvatures = []
    half = scalar_matrix(M, arb(1) / 2)
    for i, d in enumerate(isotropic(point)):
        own = _ball_diagonal(point, i, d)
        curvatures.append(spectral_norm(own).max(abs(d).upper()).upper())
        for j in range(i + 1):
            block = own + half if j == i else _ball_off_diagonal(point, i, j)
            for k, line in enumerate(block.table()):
                rows[i * M + k][j * M : (j + 1) * M] = line
                if j < i:
                    rows[j * M + k][i * M : (i + 1) * M] = line  # blocks are symmetric
    return BallHessian(arb_mat(rows), curvatures)
