"""Fixed points beside whole weights by their symmetry, against Newton's method among them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.recognised import beside, recognised
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.landscape import COMPOSITION
from relu_landscape.engine.landscape.classified import Classify
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine import known
from tests.service.engine.landscape.solving import NUMPY
from tests.service.engine.oracles import Real

from .shapes import KINDS, random_point

#: How far a polished end of a start is from its fixed point at least: 1e-11 in gradient.
RAW = 1e-10
#: What Newton's method leaves: the gradient's floor, K^1.5 times 2e-15, over the smallest
#: eigenvalue, on both sides; and twice as much in eigenvalues, which change by some units per unit.
FLOOR = 2e-15


def _shuffled(W: Real, rng: np.random.Generator) -> Real:
    return W[rng.permutation(W.shape[0])][:, rng.permutation(W.shape[1])]


def _found(name: str) -> list[CriticalPoint]:
    points = search(parse(name), most_starts=512).points
    assert points, name
    return points


@pytest.mark.parametrize(
    "name",
    ["1", "2", "5", "1+6", "3+4", "1+2+4", "1+3+4 extra 1", "5+2x0 extra 1", "4+3x0 extra 1"],
)
def test_it_is_the_point_that_newtons_method_finds_among_all_weights(name: str) -> None:
    """With the labels that the weights had, every eigenvalue, and the same verdict on each."""
    rng = np.random.default_rng([9, *name.encode()])
    taken = 0
    for each in _found(name):
        W = _shuffled(embed(each.point), rng)
        teacher = make_teacher(W.shape[1])
        W = W + RAW * rng.standard_normal(W.shape)
        found, dense = beside(W, teacher), classify.classify(W, teacher)
        if found is None:
            continue
        taken += 1
        error = 2 * FLOOR * len(W) ** 1.5 / np.abs(dense.span).min() + 1e-13
        np.testing.assert_allclose(found.W, dense.W, rtol=0, atol=error)
        np.testing.assert_allclose(found.span, dense.span, rtol=0, atol=10 * error)
        np.testing.assert_allclose(
            found.perpendicular, dense.perpendicular, rtol=0, atol=10 * error
        )
        assert found.loss == pytest.approx(dense.loss, rel=0, abs=1e-14)
        assert found.moved == pytest.approx(np.linalg.norm(found.W - W), rel=1e-12)
        assert (found.index_span, found.index_perpendicular) == (
            dense.index_span, dense.index_perpendicular
        )  # fmt: skip
    assert taken >= 0.8 * len(_found(name))


@pytest.mark.parametrize("name", KINDS)
def test_weights_of_a_structure_are_recognised_whatever_their_order(name: str) -> None:
    """At points that nothing else distinguishes; with their labels, entry by entry."""
    rng = np.random.default_rng(6)
    W = _shuffled(embed(random_point(name, 3)), rng)
    found = recognised(W, np.linalg.norm(W, axis=1), make_teacher(W.shape[1]))
    assert found is not None
    mine = W[np.ix_(found.students, found.teachers)]
    np.testing.assert_allclose(embed(found.point), mine, rtol=0, atol=1e-14 * np.abs(W).max())


def test_what_has_no_structure_is_left_to_dense_matrices() -> None:
    rng = np.random.default_rng(1)
    teacher = make_teacher(9)
    assert beside(rng.standard_normal((9, 9)), teacher) is None  # each unit alone: 81 unknowns
    assert beside(rng.standard_normal((12, 9)), teacher) is None  # 108
    assert beside(np.vstack([np.zeros(9), np.eye(9)[1:]]), teacher) is None
    assert beside(np.full((9, 9), np.nan), teacher) is None
    # Two blocks that can only be exchanged as a whole.
    pairs = np.kron(np.eye(2), np.array([[1.0, 0.2], [0.2, 1.0]])) + 0.05
    assert beside(pairs, make_teacher(4)) is None


def test_symmetric_weights_far_from_rest_are_no_point() -> None:
    """1e-4 from the minimum, along its own symmetry: another point might be as near."""
    teacher = make_teacher(7)
    (minimum, *_) = (each for each in _found("1+6") if each.is_minimum)
    away = embed(replace(minimum.point, deviations=minimum.point.deviations + 1e-3))
    assert recognised(away, np.linalg.norm(away, axis=1), teacher) is not None
    assert beside(away, teacher) is None
    assert beside(embed(minimum.point), teacher) is not None


def test_a_broken_symmetry_is_seen() -> None:
    """Entries 3e-6 apart are two. The fixed point may have more symmetry all the same."""
    teacher = make_teacher(7)
    broken = np.eye(7)
    broken[3, 4] += 3e-6
    seen = recognised(broken, np.linalg.norm(broken, axis=1), teacher)
    assert seen is not None
    assert seen.point.structure.name == "1+1+5"
    found = beside(broken, teacher)
    assert found is not None
    np.testing.assert_allclose(found.W, np.eye(7), rtol=0, atol=1e-12)


def test_where_the_loss_is_flat_newtons_method_has_to_say() -> None:
    """A student split in two parallel ones is a line of critical points, with an eigenvalue 0."""
    (minimum, *_) = (each for each in _found("1+6") if each.is_minimum)
    W = embed(minimum.point)
    split = np.vstack([0.3 * W[:1], 0.7 * W[:1], W[1:]])
    teacher = make_teacher(7)
    assert recognised(split, np.linalg.norm(split, axis=1), teacher) is not None
    assert beside(split, teacher) is None


def test_a_minimum_with_a_saddle_beside_it_is_itself() -> None:
    """K = 18, M = 17: smallest eigenvalue 3.8e-5, a saddle 1e-3 away."""
    teacher = make_teacher(17)
    rng = np.random.default_rng(2)
    W = _shuffled(known.near_degenerate(), rng)
    found = beside(W + 1e-9 * rng.standard_normal(W.shape), teacher)
    assert found is not None
    assert found.index_span == 0
    np.testing.assert_allclose(found.W, classify.classify(W, teacher).W, rtol=0, atol=1e-9)


def test_wide_symmetric_ends_need_no_dense_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """At K = M = 40 it took 0.47 s of each, at 64 ten times as much; irregular ones still do."""
    problem = COMPOSITION.problem(LandscapeRequest(student_width=24, teacher_width=24, starts=0))
    point = next(each for each in _found("1+23") if each.is_minimum)
    rng = np.random.default_rng(4)
    W = _shuffled(embed(point.point), rng) + RAW * rng.standard_normal((24, 24))
    expected = classify.classify(W, problem.teacher)
    asked: list[Real] = []

    def dense(W: Real, teacher: object) -> classify.Point:
        asked.append(W)
        return expected

    monkeypatch.setattr(classify, "classify", dense)
    irregular = W + 1e-3 * rng.standard_normal(W.shape)
    task = Classify(key="a", weights=np.stack([W, irregular]))
    symmetric, other = task.run(problem, NUMPY).points
    assert symmetric is not None
    np.testing.assert_allclose(symmetric.W, expected.W, rtol=0, atol=1e-12)
    np.testing.assert_allclose(symmetric.span, expected.span, rtol=0, atol=1e-11)
    assert other is expected
    assert [np.array_equal(each, irregular) for each in asked] == [True]
