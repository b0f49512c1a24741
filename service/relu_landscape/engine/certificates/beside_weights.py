"""What a dense certificate's weights imply beside it: overlaps, norms and symmetry."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from relu_landscape.engine.certificates.automorphisms import (
    Automorphisms,
    automorphisms,
    labelled,
)
from relu_landscape.engine.certificates.balls import Doubles
from relu_landscape.engine.certificates.claims import Claims
from relu_landscape.engine.certificates.document import read_count
from relu_landscape.engine.certificates.reading import (
    read_integer,
    read_list,
    read_matrix,
    read_numbers,
)
from relu_landscape.engine.certificates.stored import Stored

#: Overlaps and norms are sums of up to 64 products of doubles of order one: rounding is 1e-14, and
#: relative to the largest where weights are larger.
COPY = 1e-12

#: Entries of the weights closer than this are equal if the point is symmetric; far above the radius
#: within which they are known, far below the differences of distinct ones (1e-5 and more are seen).
#: Which of them are equal is proven by ``_symmetry``.
SAME_ENTRY = 1e-6


class _Beside(Protocol):
    @property
    def claims(self) -> Claims: ...

    @property
    def stored(self) -> Stored: ...


def _weights(beside: _Beside) -> Doubles:
    weights = beside.stored.weights
    if weights is None:
        raise TypeError("these checks are for certificates with weights")
    return weights


def _same(value: Doubles, wanted: Doubles) -> bool:
    scale = max(1.0, float(np.abs(wanted).max(initial=0.0)))
    return bool((np.abs(value - wanted) <= COPY * scale).all())


def _matrix(name: str, wanted: Callable[[Doubles], Doubles]) -> Callable[[Any, _Beside], bool]:
    def check(value: object, beside: _Beside) -> bool:
        right = wanted(_weights(beside))
        shape = (right.shape[0], right.shape[1])
        return _same(read_matrix(value, f"the fixed point's {name}", shape), right)

    return check


def _stored_weights(value: object, beside: _Beside) -> bool:
    """Bit by bit: the certificate is about these doubles and no others."""
    weights = _weights(beside)
    shape = (weights.shape[0], weights.shape[1])
    return np.array_equal(read_matrix(value, "the fixed point's weights", shape), weights)


def _norms(value: object, beside: _Beside) -> bool:
    numbers = np.array(read_numbers(value, "the fixed point's norms"))
    wanted = np.linalg.norm(_weights(beside), axis=1)
    return numbers.shape == wanted.shape and _same(numbers, wanted)


def _symmetry(beside: _Beside) -> Automorphisms | None:
    """The relabellings that fix the exact point W*, proven; None where that fails.

    A relabelling s is an isometry that keeps the loss, so s W* is critical. If s takes each entry
    of W to one within ``spread`` of it, s W* is within 2 r + spread sqrt(K M) of W*, and equal to
    it if that is less than the attribution radius. If s W* = W*, s moves no entry of W by more than
    2 r, and keeps labels that no step of 2 r separates.
    """
    weights = _weights(beside)
    return _proven_symmetry(
        weights.tobytes(), weights.shape, beside.claims.radius, beside.claims.attribution_radius
    )


@lru_cache(maxsize=1)  # blocks and copies of one point are asked for in turn
def _proven_symmetry(
    content: bytes, shape: tuple[int, int], radius: float, attribution_radius: float
) -> Automorphisms | None:
    labels, spread = labelled(np.frombuffer(content).reshape(shape), SAME_ENTRY)
    # A factor of 2 on either side covers the rounding of these sums.
    if 4 * radius > SAME_ENTRY:
        return None
    if 2 * (2 * radius + spread * math.sqrt(labels.size)) >= attribution_radius:
        return None
    return automorphisms(labels)


def _orbit_size(value: object, beside: _Beside) -> bool | None:
    """Relabelled copies: K! M! over the order of the group that fixes the point."""
    count = read_integer(value, "the fixed point's orbit_size")
    found = _symmetry(beside)
    if found is None:
        return None
    stored = beside.stored
    return count * found.order == math.factorial(stored.students) * math.factorial(stored.teachers)


def _blocks(value: object, beside: _Beside) -> bool | None:
    """Sizes of the orbits of teachers, ascending."""
    name = "the fixed point's blocks"
    sizes = [read_count(size, name) for size in read_list(value, name)]
    found = _symmetry(beside)
    if found is None:
        return None
    return sizes == sorted(found.columns.count(orbit) for orbit in set(found.columns))


def _anti_aligned(value: object, beside: _Beside) -> bool:
    """Students whose overlap with the teacher they are matched to is negative: the assignment with
    the largest sum of |cosines|, in steps that rounding does not decide."""
    from scipy.optimize import linear_sum_assignment  # heavy, and seldom needed

    W = _weights(beside)
    cosines = np.abs(W) / np.linalg.norm(W, axis=1)[:, None]
    rows, columns = linear_sum_assignment(-np.round(cosines / SAME_ENTRY))
    matched = int(np.count_nonzero(W[rows, columns] < 0))
    return read_count(value, "the fixed point's anti_aligned") == matched


CHECKS: dict[str, Callable[[Any, _Beside], bool | None]] = {
    "weights": _stored_weights,
    "teacher": _matrix("teacher", lambda W: np.eye(W.shape[1])),
    "norms": _norms,
    "overlaps.R": _matrix("overlaps.R", lambda W: W),
    "overlaps.Q": _matrix("overlaps.Q", lambda W: W @ W.T),
    "structure.blocks": _blocks,
    "structure.orbit_size": _orbit_size,
    "structure.anti_aligned": _anti_aligned,
}
