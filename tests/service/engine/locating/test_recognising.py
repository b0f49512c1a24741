"""One network, relabelled, turned and disturbed in any way, is one attractor."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.service.engine.locating.test_locating import locate, rotation

Real = NDArray[np.float64]

DIMENSION, NOISE, COPIES = 23, 1e-3, 8


@cache
def attractors(K: int, M: int) -> tuple[Real, ...]:
    """Weights (K, M) of the minima that the structured search lists; with more students than
    teachers they are of zero loss, a teacher split in unequal parts."""
    if K > M:
        parts = np.r_[0.3, 0.7, np.ones(K - 2)]
        return (parts[:, None] * np.eye(M)[[0, *range(M)]],)
    anywhere = np.random.default_rng(0).standard_normal((K, M)) / M**0.5
    listed = locate(anywhere, teacher_width=M, nearest=20, spectrum=False, widening=False)
    minima = [each for each in listed.fixed_points if each.kind == "minimum"]
    # Beside an orthonormal teacher the overlaps with it are the weights in its span.
    return tuple(np.array(each.overlaps.R) for each in minima)


def disguised(F: Real, rng: np.random.Generator, turn: Real) -> Real:
    """Students and teachers exchanged, the inputs turned, every weight disturbed."""
    K, M = F.shape
    W = np.zeros((K, DIMENSION))
    W[:, :M] = F[rng.permutation(K)][:, rng.permutation(M)]
    return W @ turn + NOISE * rng.standard_normal((K, DIMENSION))


@pytest.mark.parametrize(("K", "M"), [(4, 4), (6, 5), (5, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_every_disguise_of_an_attractor_is_that_attractor(K: int, M: int, seed: int) -> None:
    rng, turn = np.random.default_rng(seed), rotation(DIMENSION, seed)
    known = attractors(K, M)
    assert known
    W = [disguised(F, rng, turn) for F in known for _ in range(COPIES)]
    body = locate(np.array(W), turn[:M], nearest=0)
    losses = {each.key: each.loss for each in body.fixed_points}
    found = np.array([point.end for point in body.points]).reshape(len(known), COPIES)
    assert None not in found
    # One key for all copies of each, another for every other one, and nothing besides.
    assert [len(set(row)) for row in found.tolist()] == [1] * len(known)
    assert len(set(found.ravel().tolist())) == len(known) == len(body.fixed_points)
    undisguised = locate(np.stack(known), teacher_width=M, nearest=0)
    there = {each.key: each.loss for each in undisguised.fixed_points}
    for row, point in zip(found, undisguised.points, strict=True):
        assert point.end is not None
        # Two polishes of one point agree to their gradient, 1e-11, squared over the eigenvalue.
        assert abs(losses[row[0]] - there[point.end]) < 1e-14
    for point in body.points:
        assert point.distance is not None
        # The noise is all that separates them, but for what it takes along the flat directions.
        assert point.distance < 10 * NOISE * (K * DIMENSION) ** 0.5
