"""Passages from saddles to minima, by Runge-Kutta on the dense loss, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.points.pathways import (
    Passage,
    disconnectivity,
    passage,
    relation,
    same_class,
)
from relu_landscape.errors import InputError, NumericalError
from tests.service.engine.families import oracle


def _saddle(name: str, loss: float) -> CriticalPoint:
    found = [p for p in search(parse(name)).points if p.index == 1]
    return min(found, key=lambda p: abs(p.loss - loss))


def _pass(name: str, loss: float) -> Passage:
    saddle = _saddle(name, loss)
    return passage(
        embed(coarsest(saddle.point)),
        descend=oracle.flow_batch, hessian=oracle.hessian, loss=oracle.loss,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("width", "height", "spurious", "barrier"),
    [(6, 0.025092331, 0.025080581, 1.2e-5), (7, 0.023431036, 0.0232027149, 2.3e-4)],
)
def test_one_anti_aligned_student_is_joined_to_the_global_minimum(
    width: int, height: float, spurious: float, barrier: float
) -> None:
    """The mountain pass (1, 1, k-2) that removes the anti-aligned student."""
    found = _pass(f"1+1+{width - 2}", height)
    assert found.saddle_loss == pytest.approx(height, abs=1e-9)
    assert sorted(found.losses) == pytest.approx([0, spurious], abs=1e-9)
    assert found.relation == "different"
    assert min(found.barriers) == pytest.approx(barrier, rel=0.05)  # given with two digits
    assert max(found.barriers) == pytest.approx(height, abs=1e-9)


def test_the_alternating_saddle_joins_two_copies_of_the_global_minimum() -> None:
    found = _pass("3+4", 0.023693)
    assert found.losses == pytest.approx((0, 0), abs=1e-9)
    assert found.relation == "student order"
    assert not found.same_copy
    assert np.max(np.abs(found.ends[0] - found.ends[1])) > 0.5


def _ridge(W: np.ndarray) -> float:
    """1 + (x^2 - 1)^2 + y^2 (1/2 - x^2) + y^4.

    From the saddle at 0 the flow runs along y = 0 to (+-1, 0), saddles themselves: y has to be
    stirred to reach the four minima x^2 = 7/6, y^2 = 1/3.
    """
    x, y = W[0]
    return float(1 + (x**2 - 1) ** 2 + y**2 * (0.5 - x**2) + y**4)


def _ridge_hessian(W: np.ndarray) -> np.ndarray:
    x, y = W[0]
    cross = -4 * x * y
    return np.array([[12 * x**2 - 4 - 2 * y**2, cross], [cross, 1 - 2 * x**2 + 12 * y**2]])


def _ridge_flow(batch: np.ndarray) -> np.ndarray:
    """Plain small steps; exact on the ridge, where no noise enters."""
    x, y = batch[:, 0, 0].copy(), batch[:, 0, 1].copy()
    for _ in range(20000):
        slope_x = 4 * x * (x**2 - 1) - 2 * x * y**2
        slope_y = 2 * y * (0.5 - x**2) + 4 * y**3
        x, y = x - 5e-3 * slope_x, y - 5e-3 * slope_y
    return np.stack([x, y], axis=1)[:, None, :]


SADDLE = np.zeros((1, 2))
MINIMUM = np.sqrt([[7 / 6, 1 / 3]])


def test_a_ridge_is_not_an_end() -> None:
    along = _ridge_flow(np.array([[[1e-3, 0.0]]]))[0]
    np.testing.assert_allclose(along, [[1, 0]], atol=1e-9)  # a saddle, by symmetry
    found = passage(SADDLE, descend=_ridge_flow, hessian=_ridge_hessian, loss=_ridge)
    assert found.ridges == (1, 1)
    for end in found.ends:
        np.testing.assert_allclose(np.abs(end), MINIMUM, atol=1e-6)
    assert np.sign(found.ends[0][0, 0]) != np.sign(found.ends[1][0, 0])
    assert found.barriers == pytest.approx([2 - _ridge(MINIMUM)] * 2, abs=1e-9)
    again = passage(SADDLE, descend=_ridge_flow, hessian=_ridge_hessian, loss=_ridge)
    assert all(np.array_equal(a, b) for a, b in zip(found.ends, again.ends, strict=True))


def test_a_flow_that_stops_at_small_gradients_is_caught() -> None:
    with pytest.raises(NumericalError, match="came back"):
        passage(SADDLE, descend=np.zeros_like, hessian=_ridge_hessian, loss=_ridge)


def test_a_longer_step_helps_where_the_flow_stops_near_the_saddle() -> None:
    def lazy(batch: np.ndarray) -> np.ndarray:
        near = np.linalg.norm(batch, axis=(1, 2)) < 5e-3
        return np.where(near[:, None, None], 0.0, _ridge_flow(batch))

    found = passage(SADDLE, descend=lazy, hessian=_ridge_hessian, loss=_ridge)
    for end in found.ends:
        np.testing.assert_allclose(np.abs(end), MINIMUM, atol=1e-6)


def test_only_saddles_of_index_one_have_two_sides() -> None:
    with pytest.raises(InputError, match="index 1, not 0"):
        passage(MINIMUM, descend=_ridge_flow, hessian=_ridge_hessian, loss=_ridge)
    with pytest.raises(InputError, match="index 1, not 2"):
        passage(MINIMUM, descend=_ridge_flow, hessian=lambda _: -np.eye(2), loss=_ridge)


def test_copies_are_told_apart() -> None:
    generator = np.random.default_rng(0)
    W = generator.normal(size=(5, 4))
    rows, columns = generator.permutation(5), np.array([1, 2, 3, 0])
    assert relation(W, W + 1e-6) == "same copy"
    assert relation(W, W[rows]) == "student order"
    assert relation(W, W[rows][:, columns]) == "relabelled"
    assert relation(W, W + 0.01) == "different"
    assert same_class(W, W[:, columns])
    assert not same_class(W, -W)
    assert not same_class(W, W[:4])


def test_minima_merge_at_the_lowest_saddles() -> None:
    minima = {"m1": 0.0, "m2": 0.02, "m3": 0.03, "m4": 0.05}
    graph = disconnectivity(
        minima,
        [
            {"saddle": "s3", "loss": 0.06, "minima": ["m1", "m2"]},
            {"saddle": "s1", "loss": 0.04, "minima": ["m2", "m3"]},
            {"saddle": "s2", "loss": 0.045, "minima": ["m3", "m1"]},
            {"saddle": "s5", "loss": 0.09, "minima": ["m1", "m1"]},
            {"saddle": "s4", "loss": 0.08, "minima": ["m1", "m1"]},
        ],
    )
    assert [leaf["key"] for leaf in graph["leaves"]] == ["m1", "m2", "m3", "m4"]
    assert [(n["level"], n["saddle"], n["children"]) for n in graph["nodes"]] == [
        (0.04, "s1", ["m2", "m3"]),
        (0.045, "s2", ["m1", "n1"]),
    ]
    assert graph["nodes"][1]["leaves"] == ["m1", "m2", "m3"]
    assert graph["roots"] == ["m4", "n2"]
    assert graph["copies"] == [{"minimum": "m1", "saddle": "s4", "level": 0.08}]


@pytest.mark.parametrize(
    "transition",
    [
        {"saddle": "s1", "loss": 0.01, "minima": ["m1", "m2"]},
        {"saddle": "s1", "loss": 0.9, "minima": ["m1", "m9"]},
    ],
)
def test_saddles_below_their_minima_are_refused(transition: dict[str, object]) -> None:
    with pytest.raises(InputError, match="cannot lead down"):
        disconnectivity({"m1": 0.0, "m2": 0.02}, [transition])


def test_no_minima_make_an_empty_graph() -> None:
    assert disconnectivity({}, []) == {"leaves": [], "nodes": [], "roots": [], "copies": []}
