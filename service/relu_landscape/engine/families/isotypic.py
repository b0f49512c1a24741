"""Isotypic matrices of the whole Hessian but for the trivial and the standard components.

Schur's lemma: on the weights, the structure's group S_{p_1} x ... x S_{p_B} acts by a few
irreducible representations, and the Hessian is one small matrix on each, whose eigenvalues occur
once per dimension of the representation. Here: products of two standards, the symmetric component
(p-2, 2), the alternating one (p-2, 1, 1), and the components perpendicular to the teachers.
All functions return matrices (S, k, k) for a batch of points.
"""

from __future__ import annotations

import numpy as np

from relu_landscape.engine.families.frame import Frame
from relu_landscape.engine.families.layout import Array
from relu_landscape.engine.families.reduced import TWO_PI


def _empty(frame: Frame, size: int) -> Array:
    return np.zeros((len(frame.norm), size, size))


def _curvature(frame: Frame, s: int, other: int, pair: int) -> Array:
    """y_s y_s' / (2 pi n_s n_s' sin t)."""
    product = frame.y[:, s] * frame.y[:, other] / (frame.norm[:, s] * frame.norm[:, other])
    return product * frame.inverse_sine[:, pair] / TWO_PI


def _teacher_curvature(frame: Frame, s: int, pair: int) -> Array:
    """1 / (2 pi n_s sin t) for a pair of student and teacher."""
    return np.asarray(frame.inverse_sine[:, pair] / (TWO_PI * frame.norm[:, s]))


def two_index(frame: Frame, t: int, *, alternating: bool) -> Array:
    """(p-2, 2) or, ``alternating``, (p-2, 1, 1) on teacher block ``t``: (S, c_t, c_t)."""
    naturals = frame.naturals(t)
    sign = -1.0 if alternating else 1.0
    M = _empty(frame, len(naturals))
    for i, s in enumerate(naturals):
        M[:, i, i] = frame.own_share[:, s]
        M[:, i, i] -= _teacher_curvature(frame, s, frame.pair("st", s, t, "off"))
        for j, other in enumerate(naturals):
            off = frame.pair("ss", s, other, "off")
            # y'^2/(n n') from the block's own diagonal: curvature along the other student
            along = frame.y[:, other] ** 2 / (frame.norm[:, s] * frame.norm[:, other])
            M[:, i, i] += along * frame.inverse_sine[:, off] / TWO_PI
            M[:, i, j] += sign * _curvature(frame, s, other, off) - frame.angle_share[:, off]
            if other != s:
                M[:, i, j] += frame.angle_share[:, frame.pair("ss", s, other, "same")]
    return M


def product(frame: Frame, t: int, u: int) -> Array:
    """Standard of block ``t`` times standard of block ``u``: (S, c_t + c_u, c_t + c_u)."""
    groups = (frame.naturals(t), frame.naturals(u))
    M = _empty(frame, len(groups[0]) + len(groups[1]))
    for start, mine, theirs, block in (
        (0, groups[0], groups[1], u),
        (len(groups[0]), groups[1], groups[0], t),
    ):
        for i, s in enumerate(mine, start):
            M[:, i, i] = frame.own_share[:, s]
            M[:, i, i] -= _teacher_curvature(frame, s, frame.pair("st", s, block, "apart"))
            for j, other in enumerate(mine, start):
                M[:, i, j] -= frame.angle_share[:, frame.pair("ss", s, other, "off")]
                if other != s:
                    M[:, i, j] += frame.angle_share[:, frame.pair("ss", s, other, "same")]
            other_start = len(groups[0]) - start
            for j, other in enumerate(theirs, 0 if start else other_start):
                pair = frame.pair("ss", s, other, "apart")
                along = frame.y[:, other] ** 2 / (frame.norm[:, s] * frame.norm[:, other])
                M[:, i, i] += along * frame.inverse_sine[:, pair] / TWO_PI
                M[:, i, j] = _curvature(frame, s, other, pair)
    return M


def perpendicular_trivial(frame: Frame) -> Array:
    """Fixed part of the perpendicular block: (S, n, n)."""
    q, own = frame.table.q, frame.table.own
    M = _empty(frame, len(q))
    for s in range(len(q)):
        M[:, s, s] = frame.own_share[:, s]
        if own[s] is not None:
            M[:, s, s] += (q[s] - 1) * frame.angle_share[:, frame.pair("ss", s, s, "off")]
        for other in range(s):
            if own[s] is not None and own[s] == own[other]:
                entry = frame.angle_share[:, frame.pair("ss", s, other, "same")]
                off = frame.angle_share[:, frame.pair("ss", s, other, "off")]
                entry = entry + (q[s] - 1) * off
            else:
                pair = frame.pair("ss", s, other, "apart")
                entry = np.sqrt(q[s] * q[other]) * frame.angle_share[:, pair]
            M[:, s, other] = M[:, other, s] = entry
    return M


def perpendicular_standard(frame: Frame, t: int) -> Array:
    """Standard component of block ``t`` in the perpendicular block: (S, c_t, c_t)."""
    naturals = frame.naturals(t)
    M = _empty(frame, len(naturals))
    for i, s in enumerate(naturals):
        M[:, i, i] = frame.own_share[:, s]
        for j, other in enumerate(naturals):
            M[:, i, j] -= frame.angle_share[:, frame.pair("ss", s, other, "off")]
            if other != s:
                M[:, i, j] += frame.angle_share[:, frame.pair("ss", s, other, "same")]
    return M
