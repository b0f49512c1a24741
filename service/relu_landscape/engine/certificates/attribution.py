"""Which ends of training provably belong to a certified minimum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.certificates.balls import Doubles
from relu_landscape.errors import InputError

#: Unit roundoff of IEEE doubles.
UNIT = 2.0**-53

#: Expanding a block structure into K x M doubles: at most this many numbers (80 MB).
LARGEST_EXPANSION = 10_000_000


def attributed(ends: Doubles, certificate: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Whether exact gradient flow from each end is proven to converge to the certified minimum.

    Parameters: ``ends`` either (n, K, p) weights, p >= M, whose first M columns are the coordinates
    along the teacher's units and whose students stand in the certificate's order, or (n,) distances
    from the certificate's stored point, already rounded upwards; ``certificate`` from ``certify``
    or ``certify_reduced``.

    Returns (n,): ``distance + radius < attribution_radius``. Inside that ball around the exact
    minimum the loss is strongly convex in every input dimension, so the distance to the minimum
    falls along the flow. False everywhere for a saddle, for "not certified", and for ends that are
    not finite. An end that is a relabelled copy counts only after it has been relabelled.

    Raises ``InputError`` for other shapes. Accuracy: rounding counts against the claim.
    """
    array = np.asarray(ends, dtype=np.float64)
    if array.ndim not in (1, 3):
        raise InputError(f"ends of shape {array.shape} are not accepted: (n, K, p) or (n,).")
    if certificate.get("verdict") != "minimum":
        return np.zeros(len(array), dtype=np.bool_)
    distances = array if array.ndim == 1 else _distances(array, certificate)
    # Two roundings of the sum: one part in 2^51 each way is enough.
    reach = (distances + float(certificate["radius"])) * (1 + 4 * UNIT)
    inside = reach < float(certificate["attribution_radius"])
    return np.asarray(inside & (distances >= 0), dtype=np.bool_)


def _distances(ends: Doubles, certificate: Mapping[str, Any]) -> Doubles:
    """Euclidean distances from the stored point, (n,), rounded upwards."""
    stored, error = stored_weights(certificate)
    K, M = stored.shape
    if ends.shape[1] != K or ends.shape[2] < M:
        raise InputError(
            f"ends of shape {ends.shape} do not fit a certificate for {K} students and {M} "
            f"teachers: (n, {K}, p) with p >= {M} is needed."
        )
    inside = ends[:, :, :M] - stored
    square = np.sum(inside * inside, axis=(1, 2)) + np.sum(ends[:, :, M:] ** 2, axis=(1, 2))
    # A sum of m squares errs by at most (m + 3) u relative, its root by half of that and one u.
    distances: Doubles = np.sqrt(square) * (1 + (K * ends.shape[2] + 8) * UNIT) + error
    return distances


def stored_weights(certificate: Mapping[str, Any]) -> tuple[Doubles, float]:
    """The stored point as doubles, (K, M), and how far in Euclidean norm they may be from it.

    Raises ``InputError`` where a block structure is too wide to be written out.
    """
    if certificate.get("method") == "dense":
        return np.array(certificate["weights"], dtype=np.float64), 0.0
    point = certificate["structured_point"]
    teachers = np.array(point["teacher_blocks"], dtype=np.int64)
    first = np.concatenate([[0], np.cumsum(teachers)])
    sizes = [int(block["size"]) for block in point["student_blocks"]]
    if sum(sizes) * int(first[-1]) > LARGEST_EXPANSION:
        raise InputError(
            "the certificate is too wide to be written out: give distances instead of weights."
        )
    rows: list[Doubles] = []
    total = 0.0
    for size, block, x, y in zip(
        sizes, point["student_blocks"], point["x"], point["y"], strict=True
    ):
        along = np.array([float(value) for value in x])
        row = np.repeat(along / np.sqrt(teachers), teachers)
        group = np.tile(row, (size, 1))
        own = 0.0 if y is None else float(y)
        t = block["teacher_block"]
        if t is not None and y is not None:
            group[:, first[t] : first[t + 1]] += own * (np.eye(size) - 1.0 / size)
        rows.append(group)
        total += size * float(along @ along + own * own)
    # Every entry takes at most 6 roundings of terms below |x_t| / sqrt(p_t) and |y|: 16 u of the
    # norm of x and y together covers a whole row.
    return np.concatenate(rows), 16 * UNIT * float(np.sqrt(total))
