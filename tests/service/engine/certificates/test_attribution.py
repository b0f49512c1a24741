"""Which ends provably belong to a minimum: distances, shapes, rounding against the claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from relu_landscape.engine.certificates import attributed, certify, certify_reduced
from relu_landscape.engine.certificates.attribution import stored_weights
from relu_landscape.errors import InputError
from tests.service.engine.certificates.points import Doubles, anti_aligned


def _certificate() -> tuple[Doubles, dict[str, Any]]:
    W = anti_aligned(7, 1)
    return W, certify(W, mode="fast", teacher_width=7)


def _ends(W: Doubles, lengths: list[float], extra: int) -> Doubles:
    rng = np.random.default_rng(1)
    ends = np.zeros((len(lengths), W.shape[0], W.shape[1] + extra))
    for k, length in enumerate(lengths):
        step = rng.normal(size=ends.shape[1:])
        ends[k] = length * step / np.linalg.norm(step)
        ends[k, :, : W.shape[1]] += W
    return ends


@pytest.mark.parametrize("extra", [0, 1, 5])
def test_ends_count_inside_the_attribution_radius_alone(extra: int) -> None:
    W, certificate = _certificate()
    reach = certificate["attribution_radius"]
    ends = _ends(W, [0.0, 1e-12, 0.5 * reach, 0.999 * reach, 1.001 * reach, 1.0], extra)
    expected = [True, True, True, True, False, False]
    assert attributed(ends, certificate).tolist() == expected
    ends.flags.writeable = False
    assert attributed(ends, certificate).dtype == np.bool_


def test_distances_may_be_given_instead() -> None:
    _, certificate = _certificate()
    reach, radius = certificate["attribution_radius"], certificate["radius"]
    near = [reach - 2 * radius, reach - radius / 2]
    distances = np.array([0.0, reach / 2, *near, reach, np.inf, np.nan, -1.0])
    expected = [True, True, True, False, False, False, False, False]
    assert attributed(distances, certificate).tolist() == expected


def test_no_ends_at_all() -> None:
    _, certificate = _certificate()
    assert attributed(np.zeros((0, 7, 7)), certificate).shape == (0,)
    assert attributed(np.zeros(0), certificate).shape == (0,)


def test_a_saddle_or_a_refusal_attracts_nothing() -> None:
    W = anti_aligned(4, 4)
    saddle = certify(W, mode="fast", teacher_width=4)
    assert saddle["verdict"] == "saddle"
    assert not attributed(W[None], saddle).any()
    refused = certify(np.full((2, 2), 0.3), mode="fast", teacher_width=2)
    assert not attributed(np.zeros(3), refused).any()


def test_not_finite_ends_do_not_count() -> None:
    W, certificate = _certificate()
    ends = np.stack([W, np.full_like(W, np.nan), np.full_like(W, np.inf)])
    assert attributed(ends, certificate).tolist() == [True, False, False]


@pytest.mark.parametrize("shape", [(7, 7), (2, 6, 7), (2, 7, 6), (2, 2, 2, 2)])
def test_other_shapes_raise(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"not accepted|do not fit"):
        attributed(np.zeros(shape), _certificate()[1])


def test_structured_point_is_written_out_to_rounding() -> None:
    W = anti_aligned(7, 2)
    x = [
        [W[0, :2].sum() / np.sqrt(2), W[0, 2:].sum() / np.sqrt(5)],
        [W[2, :2].sum() / np.sqrt(2), W[2, 2:].sum() / np.sqrt(5)],
    ]
    y = [W[0, 0] - W[0, 1], W[2, 2] - W[2, 3]]
    certificate = certify_reduced([2, 5], [(2, 0), (5, 1)], x, y)
    found, error = stored_weights(certificate)
    assert np.linalg.norm(found - W) < 1e-14 + error
    assert attributed(W[None], certificate).tolist() == [certificate["verdict"] == "minimum"]


def test_a_huge_structured_point_is_not_written_out() -> None:
    certificate = certify_reduced([10**6], [(10**6, 0)], [[1e-3]], [1.0])
    assert certificate["verdict"] == "minimum"
    with pytest.raises(InputError, match="distances"):
        attributed(np.zeros((1, 2, 2)), certificate)
    assert attributed(np.array([1e-9]), certificate).tolist() == [True]
