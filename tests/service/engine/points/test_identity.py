"""Identity of points, against brute force over permutations, at every scale of the teacher."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from relu_landscape.engine.model.teacher import Teacher, make_teacher
from relu_landscape.engine.points import classify, identity
from relu_landscape.engine.points.classify import Point
from tests.service.engine import known
from tests.service.engine.certificates import points
from tests.service.engine.oracles import Real, gram_matrix

SCALES = [1.0, 1e-3, 250.0]
#: Two cycles that no permutation exchanges: teachers may turn and mirror, no more.
CYCLIC = np.array(
    [[1.0, 0.3, 0.1, 0.3], [0.3, 1.0, 0.3, 0.1], [0.1, 0.3, 1.0, 0.3], [0.3, 0.1, 0.3, 1.0]]
)


def _scaled(T: Real, scale: float) -> Teacher:
    return make_teacher(len(T), T * scale**2)


def _weights(R: Real, teacher: Teacher) -> Real:
    """The weights (K, M) that have the overlaps R."""
    return np.asarray(np.linalg.solve(teacher.V, R.T).T)


def _copies(R: Real, T: Real) -> list[Real]:
    """Every relabelled copy of overlaps, by going through all permutations."""
    K, M = R.shape
    return [
        R[np.ix_(rows, columns)]
        for columns in itertools.permutations(range(M))
        if np.array_equal(T[np.ix_(columns, columns)], T)
        for rows in itertools.permutations(range(K))
    ]


def _by_brute_force(left: Real, right: Real, T: Real) -> str:
    """The relation of two overlap matrices with entries that differ by nothing or by much."""

    def same(copy: Real) -> bool:
        return bool(np.abs(copy - left).max() < 1e-6)

    if same(right):
        return "same copy"
    if any(same(right[list(rows)]) for rows in itertools.permutations(range(len(right)))):
        return "student order"
    return "relabelled" if any(same(copy) for copy in _copies(right, T)) else "different"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("T", [np.eye(4), CYCLIC, np.diag([1.0, 2.0, 1.0, 2.0])])
def test_relations_are_those_of_brute_force(T: Real, scale: float) -> None:
    teacher = _scaled(T, scale)
    rng = np.random.default_rng(1)
    seen = set()
    for seed in range(24):
        R = np.random.default_rng([7, seed]).integers(0, 3, (3, 4)) / 4.0
        every = np.array(_copies(R, T))
        other = (
            every[rng.integers(len(every))],  # an honest copy
            R[rng.permutation(3)],
            R[:, rng.permutation(4)],  # a copy only if the teacher allows it
            rng.permutation(R.ravel()).reshape(R.shape),  # the same entries elsewhere
        )[seed % 4]
        wanted = _by_brute_force(R, other, T)
        noise = 1e-8 * scale * rng.standard_normal(R.shape)
        left, right = (_weights(each * scale**2, teacher) for each in (R, other))
        assert identity.relation(left, right + noise, teacher) == wanted
        seen.add(wanted)
    assert seen == {"same copy", "student order", "relabelled", "different"}


@pytest.mark.parametrize("scale", SCALES)
def test_invariants_do_not_prove_a_relation(scale: float) -> None:
    """A six-cycle and two triangles: every norm, sum and sorted entry agrees."""
    ring = np.zeros((6, 6))
    pairs = np.zeros((6, 6))
    for i in range(6):
        ring[i, [i, (i + 1) % 6]] = scale
        pairs[i, [i, 3 * (i // 3) + (i + 1) % 3]] = scale
    teacher = _scaled(np.eye(6), scale)
    numbers = [identity.invariants(W, teacher, 0.1 * scale**2) for W in (ring, pairs)]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=0, atol=1e-14)
    assert identity.nearest(numbers[:1], numbers[1]) == 0
    assert identity.relation(ring, pairs, teacher) == "different"
    assert identity.labelled_distance(ring, pairs, teacher) == math.inf


@pytest.mark.parametrize("scale", SCALES)
def test_invariants_do_not_depend_on_the_scale_or_the_labels(scale: float) -> None:
    T = gram_matrix(4, np.random.default_rng(3))
    W = np.random.default_rng(4).standard_normal((5, 4))
    plain = identity.invariants(W, _scaled(T, 1.0), 0.3)
    there = identity.invariants(scale * W[::-1], _scaled(T, scale), scale**2 * 0.3)
    assert plain.shape == (1 + 5 + 2 * 4 + 5 * 4,)
    np.testing.assert_allclose(there, plain, rtol=1e-12)
    orthonormal = make_teacher(4)
    np.testing.assert_allclose(
        identity.invariants(W, orthonormal, 0.3),
        identity.invariants(W[::-1, ::-1], orthonormal, 0.3),
        rtol=1e-14,
    )


def test_the_nearest_of_several_is_found() -> None:
    base = np.linspace(0.0, 1.0, 9)
    known_numbers = [base + 4e-6, base + 1e-6, base - 1.0]
    assert identity.nearest(known_numbers, base) == 1
    assert identity.nearest(known_numbers[::-1], base) == 1
    assert identity.nearest(known_numbers, base + 2e-5) is None
    assert identity.nearest(known_numbers, base, tolerance=5e-7) is None
    assert identity.nearest([], base) is None
    # As far as is allowed is not too far; of two that are equally near it is the first.
    step = 2.0**-20
    assert identity.nearest([base + 1.0, base], base, tolerance=0.0) == 1
    assert identity.nearest([np.ones(3), np.ones(3) + step], np.ones(3) + 2 * step) == 1
    assert identity.nearest([np.ones(3) + step, np.ones(3) - step], np.ones(3)) == 0
    assert identity.nearest([np.ones(3) + step] * 2, np.ones(3), tolerance=step) == 0
    # The first number alone does not decide.
    other = base.copy()
    other[5] += 1e-4
    assert identity.nearest([base], other) is None


@pytest.mark.parametrize("scale", SCALES)
def test_the_distance_of_copies_is_that_of_the_best_relabelling(scale: float) -> None:
    teacher = _scaled(np.eye(4), scale)
    rng = np.random.default_rng(5)
    W = scale * rng.standard_normal((4, 4))
    moved = W + 1e-8 * scale * rng.standard_normal(W.shape)
    copy = moved[rng.permutation(4)][:, rng.permutation(4)]
    best = min(np.linalg.norm(each - W) for each in _copies(copy, np.eye(4)))
    assert identity.labelled_distance(W, copy, teacher) == pytest.approx(best, rel=1e-6)
    assert identity.labelled_distance(W, W, teacher) == 0.0
    assert identity.labelled_distance(W, W + 1e-3 * scale, teacher) == math.inf


def test_the_distance_is_one_of_weights_not_of_overlaps() -> None:
    teacher = make_teacher(4, CYCLIC)
    rng = np.random.default_rng(6)
    W = rng.standard_normal((3, 4))
    move = 1e-8 * rng.standard_normal(W.shape)
    turned = classify.overlaps(W + move, teacher)[::-1][:, [1, 2, 3, 0]]
    distance = identity.labelled_distance(W, _weights(turned, teacher), teacher)
    assert distance == pytest.approx(np.linalg.norm(move), rel=1e-5)


def _saddle_beside(minimum: Point) -> Point:
    """A saddle about 1e-3 from the near-degenerate minimum: textbook Newton from points around."""
    H = points.hessian(minimum.W, 17)
    slow = np.linalg.eigh(H)[1][:, :2].T.reshape(2, 18, 17)
    for angle in np.linspace(0.0, 2 * np.pi, 12, endpoint=False):
        guess = minimum.W + 1.2e-3 * (np.cos(angle) * slow[0] + np.sin(angle) * slow[1])
        W = points.newton(guess, 17)
        if 1e-4 < np.linalg.norm(W - minimum.W) < 0.05:
            return classify.classify(W, make_teacher(17))
    raise AssertionError("No saddle was found beside the minimum.")


def test_a_minimum_is_told_from_the_saddle_beside_it() -> None:
    """K = 18, M = 17: 1e-3 apart and 8e-12 in loss; equal losses do not decide identity."""
    teacher = make_teacher(17)
    minimum = classify.classify(known.near_degenerate(), teacher)
    saddle = _saddle_beside(minimum)
    assert np.linalg.norm(saddle.W - minimum.W) < 5e-3
    assert 0.0 < saddle.loss - minimum.loss < 1e-10
    assert (minimum.index_span, saddle.index_span) == (0, 1)
    assert not identity.same_point(minimum, saddle, teacher)
    assert identity.relation(minimum.W, saddle.W, teacher) == "different"
    numbers = [identity.invariants(each.W, teacher, each.loss) for each in (minimum, saddle)]
    assert identity.nearest(numbers[:1], numbers[1]) is None
    # Either is the same as its own relabelled copy.
    rng = np.random.default_rng(1)
    for point in (minimum, saddle):
        copy = point.W[rng.permutation(18)][:, rng.permutation(17)]
        assert identity.same_point(point, classify.classify(copy, teacher), teacher)
        assert identity.relation(point.W, copy, teacher) == "relabelled"


@pytest.mark.parametrize("scale", SCALES)
def test_copies_under_a_general_teacher(scale: float) -> None:
    """Students may be exchanged; teachers of different length may not."""
    teacher = _scaled(np.diag([1.0, 1.5, 1.0]), scale)
    move = np.random.default_rng(0).standard_normal((3, 3))
    whole = classify.spectrum_at(teacher.V + 0.5 * scale * move / np.linalg.norm(move), teacher)
    students = classify.spectrum_at(whole.W[[2, 0, 1]], teacher)
    equal = classify.spectrum_at(whole.W[:, [2, 1, 0]], teacher)
    other = classify.spectrum_at(whole.W[:, [1, 0, 2]], teacher)
    assert identity.same_point(whole, students, teacher)
    assert identity.same_point(whole, equal, teacher)
    assert not identity.same_point(whole, other, teacher)


@pytest.mark.parametrize("scale", SCALES)
def test_every_number_has_to_agree(scale: float) -> None:
    teacher = _scaled(np.eye(5), scale)
    W = scale * (np.eye(5) + 0.1 * np.random.default_rng(8).standard_normal((5, 5)))
    point = classify.spectrum_at(W, teacher)
    near = 1e-10 * scale
    assert identity.same_point(point, replace(point, W=W + near), teacher)
    assert not identity.same_point(point, replace(point, W=W + 1e-4 * scale), teacher)
    assert not identity.same_point(point, replace(point, span=point.span + 1e-4), teacher)
    assert not identity.same_point(
        point, replace(point, loss=point.loss + 1e-4 * scale**2), teacher
    )
    fewer = classify.spectrum_at(W[:4], teacher)
    assert not identity.same_point(point, replace(fewer, loss=point.loss), teacher)
    # Losses agree to 1e-9, of the unit and of themselves where they are larger than that.
    for loss in (0.0, 1.0, 100.0):
        allowed = 1e-9 * (1.0 + loss) * scale**2
        here = replace(point, loss=loss * scale**2)
        for sign in (1.0, -1.0):
            for share, is_same in ((0.9, True), (1.1, False)):
                other = replace(here, loss=here.loss + sign * share * allowed)
                assert identity.same_point(here, other, teacher) is is_same


@pytest.mark.parametrize("seed", range(20))
def test_many_points_join_the_groups_that_one_after_the_other_would(seed: int) -> None:
    """Chains of points, each near the next, so that who opens a group decides who joins it."""
    rng = np.random.default_rng([17, seed])
    centres = rng.standard_normal((4, 5)) * 1e-5
    numbers = centres[rng.integers(4, size=60)] + rng.uniform(-9e-6, 9e-6, (60, 5))
    openers: list[int] = []
    places: list[int] = []
    for row, own in enumerate(numbers):
        place = identity.nearest([numbers[opener] for opener in openers], own)
        if place is None:
            openers.append(row)
            place = len(openers) - 1
        places.append(place)
    assert 1 < len(openers) < 60
    found, joined = identity.groups_of(numbers)
    assert (found, joined.tolist()) == (openers, places)
    assert identity.groups_of(numbers[:0])[0] == []
