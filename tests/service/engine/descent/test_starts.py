"""Random starts: the law of d dimensions in reduced coordinates, and one stream per start."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from relu_landscape.engine.descent import starts
from relu_landscape.engine.model.teacher import make_teacher
from tests.service.engine.oracles import Real

DRAWS = 3000
#: Seeded comparisons, about thirty of them: this asks each for odds no worse than 1 to 1000.
P_VALUE = 1e-3


def _draw(indices: list[int], K: int, M: int, d: int, *, seed: int = 3, scale: float = 1.0) -> Real:
    return starts.draw(
        indices, seed=seed, students=K, teacher=make_teacher(M), dimension=d, scale=scale
    )


def _statistics(W: Real, M: int) -> dict[str, Real]:
    """Numbers of a batch (B, K, .) that the flow can see: overlaps of both kinds."""
    R, beside = W[:, :, :M], W[:, :, M:]
    Q = W @ np.swapaxes(W, 1, 2)
    perpendicular = beside @ np.swapaxes(beside, 1, 2)
    return {
        "R": R[:, -1, 0],
        "Q first": Q[:, 0, 0],
        "Q last": Q[:, -1, -1],
        "Q between": Q[:, 0, -1],
        "largest eigenvalue": np.linalg.eigvalsh(perpendicular)[:, -1],
        "sum of the perpendicular": perpendicular.sum(axis=(1, 2)),
    }


@pytest.mark.parametrize(
    ("K", "M", "d"), [(3, 2, 3), (4, 3, 5), (4, 3, 6), (4, 3, 7), (3, 2, 40), (1, 4, 9)]
)
def test_overlaps_follow_the_law_of_d_dimensions(K: int, M: int, d: int) -> None:
    """Against weights drawn plainly in R^d: d - M below, at and above K."""
    scale = 1.7
    reduced = _draw(list(range(DRAWS)), K, M, d, scale=scale)
    assert reduced.shape == (DRAWS, K, starts.reduced_dimension(K, M, d))
    plain = np.random.default_rng(5).normal(0.0, scale / np.sqrt(d), (DRAWS, K, d))
    plainly = _statistics(plain, M)
    for name, values in _statistics(reduced, M).items():
        assert stats.ks_2samp(values, plainly[name]).pvalue > P_VALUE, name


def test_moments_of_the_perpendicular_part_in_a_million_dimensions() -> None:
    K, M, d = 3, 2, 1_000_000
    W = _draw(list(range(DRAWS)), K, M, d)
    assert W.shape[-1] == M + K
    gram = W[:, :, M:] @ np.swapaxes(W[:, :, M:], 1, 2) * d
    for i in range(K):
        assert stats.kstest(gram[:, i, i], stats.chi2(d - M).cdf).pvalue > P_VALUE
    between = gram[:, 0, 2] / np.sqrt(d - M)  # normal up to 1/d
    assert stats.kstest(between, stats.norm.cdf).pvalue > P_VALUE
    assert stats.kstest(W[:, 1, 1] * np.sqrt(d), stats.norm.cdf).pvalue > P_VALUE


def test_inputs_in_the_span_alone() -> None:
    W = _draw([0, 1], 4, 3, 3)
    assert W.shape == (2, 4, 3)
    assert np.all(W != 0.0)


@pytest.mark.parametrize("d", [4, 6, 100])
def test_a_start_does_not_depend_on_its_company(d: int) -> None:
    everything = _draw(list(range(10)), 5, 4, d)
    assert np.array_equal(_draw([7], 5, 4, d)[0], everything[7])
    assert np.array_equal(_draw([9, 2, 2], 5, 4, d), everything[[9, 2, 2]])
    assert _draw([], 5, 4, d).shape == (0, *everything.shape[1:])


def test_distinct_starts_of_distinct_seeds_are_distinct() -> None:
    drawn = [
        _draw([index], 2, 2, 5, seed=seed).tobytes()
        for seed in (0, 1, 2, 2**32, 2**53 - 1)
        for index in (0, 1, 2, 999_999, 2**40)
    ]
    assert len(set(drawn)) == len(drawn)


def test_streams_of_neighbours_do_not_overlap() -> None:
    """Start n must not begin where start n - 1 goes on."""
    long = starts.generator(1, 0).standard_normal(10_000)
    for index in (1, 2, 3):
        assert not np.isin(starts.generator(1, index).standard_normal(100), long).any()


def test_scale_is_the_length_of_a_student() -> None:
    W = _draw(list(range(200)), 3, 2, 500, scale=0.01)
    np.testing.assert_allclose(np.linalg.norm(W, axis=-1), 0.01, rtol=0.15)  # 5 / sqrt(2 d)
