"""Critical points of the structured search beside closed forms, landscapes and dense searches."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.optimize import root

from relu_landscape.engine.descents import COMPOSITION, sorting, uniform
from relu_landscape.engine.descents.layers import Layers
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import default_structures
from relu_landscape.engine.tasks import SilentMonitor, Task, run_here
from relu_landscape.wire.descents import DescentEnd, DescentsRequest
from relu_landscape.wire.requests import LandscapeRequest
from tests.service.engine.descents.solving import NUMPY, as_bytes, solve
from tests.service.engine.landscape import solving

Real = NDArray[np.float64]


def index_of(end: DescentEnd) -> int:
    assert end.curvature is not None
    return end.curvature.index


@pytest.mark.parametrize("width", [6, 8])
def test_the_closed_form_family_is_found_whole(width: int) -> None:
    """L_k for every k from 3 to M, though hardly any start ends there."""
    found = solve(student_width=width, teacher_width=width, rule="orthonormalised", starts=2,
                  structured=True)  # fmt: skip
    family = {end.family.k: end for end in found.ends if end.family is not None}
    assert sorted(family) == list(range(3, width + 1))
    for k, end in family.items():
        assert end.loss == pytest.approx(uniform.loss(k), abs=1e-12)
        assert (index_of(end) == 0) == (k >= 6)
        assert end.kind == ("minimum" if k >= 6 else "saddle")
        assert end.found_by is not None
        assert "structures" in end.found_by


def test_what_normalised_descents_find_is_structured() -> None:
    """Everything that 400 starts come to at K = M = 8 is found by the search as well."""
    found = solve(student_width=8, teacher_width=8, rule="normalised", starts=400, structured=True)
    reached = [end for end in found.ends if end.attraction.hits]
    assert sum(end.attraction.hits for end in reached) == 400
    assert len(reached) >= 2
    assert all(end.found_by == ["starts", "structures"] for end in reached)
    # And more: rare minima, and saddles, at which no descent ends.
    assert any(end.kind == "minimum" and not end.attraction.hits for end in found.ends)
    assert any(end.kind == "saddle" and index_of(end) == 1 for end in found.ends)
    for end in found.ends:
        assert np.diagonal(np.array(end.overlaps.Q)) == pytest.approx(1.0, abs=1e-13)
        assert end.curvature is not None
        assert end.curvature.gradient_norm < 1e-12


def test_they_are_those_of_a_landscape() -> None:
    request = LandscapeRequest(
        student_width=6, teacher_width=6, starts=0, saddles=True, input_dimension=50
    )
    listed = solving.body(solving.solve(request)).fixed_points
    found = solve(student_width=6, teacher_width=6, rule="gradient_flow", starts=2,
                  structured=True)  # fmt: skip
    assert {point.stability.index for point in listed} == {0, 1, 2}
    for point in listed:
        same = [end for end in found.ends if abs(end.loss - point.loss) < 1e-10]
        assert [index_of(end) for end in same] == [point.stability.index], point.key


@pytest.mark.parametrize("width", [7, 8])
def test_they_are_those_of_families(width: int) -> None:
    """The search of families, in its own coordinates and with its own formulas: all that it has of
    index 0 to 2 is here, and what is here of its structures is there."""
    theirs = {
        (round(point.loss, 9), point.index_span)
        for structure in default_structures(width, width)
        for point in search(structure).points
        if point.summary.is_attractive(1) or point.summary.min_eigenvalue_perpendicular > 0.0
    }
    assert {index for _, index in theirs} == {0, 1, 2}
    found = solve(student_width=width, teacher_width=width, rule="gradient_flow", starts=2,
                  structured=True)  # fmt: skip
    for loss, index in theirs:
        same = [end for end in found.ends if abs(end.loss - loss) < 1e-9]
        assert index in [index_of(end) for end in same], loss
    names = {structure.name for structure in default_structures(width, width)}
    for end in found.ends:
        if end.structure is None or end.structure.name not in names or index_of(end) > 2:
            continue
        assert any(
            abs(end.loss - loss) < 2e-9 and index_of(end) == index for loss, index in theirs
        ), end.key


def kernel(w: Real, v: Real) -> float:
    """E[ReLU(w . x) ReLU(v . x)], as Cho and Saul have it."""
    lengths = float(np.linalg.norm(w) * np.linalg.norm(v))
    angle = np.arccos(np.clip(w @ v / lengths, -1.0, 1.0))
    return float(lengths * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2.0 * np.pi))


def loss_of(W: Real, a: Sequence[float], b: Sequence[float]) -> float:
    """By plain sums over all units of both networks, teachers with the opposite sign."""
    units = [*W, *np.eye(len(b), W.shape[1])]
    weights = [*a, *(-each for each in b)]
    pairs = itertools.product(range(len(units)), repeat=2)
    return sum(weights[i] * weights[j] * kernel(units[i], units[j]) for i, j in pairs) / 2.0


def weights_of(end: DescentEnd) -> Real:
    """A network with these overlaps."""
    R, Q = np.array(end.overlaps.R), np.array(end.overlaps.Q)
    values, vectors = np.linalg.eigh(Q - R @ R.T)
    kept = values > 1e-10
    assert np.sum(kept) == end.outside_span
    return np.concatenate([R, vectors[:, kept] * np.sqrt(values[kept])], axis=1)


@pytest.mark.parametrize(
    ("a", "b", "least"),
    [
        # Beside (+, -) three students and one reach zero loss: one saddle beside the span is left.
        ([1, 1, 1, -1], [1, 1, 1], 5), ([1, 1, 1, -1], [1, -1], 1), ([1, 1, -1], [1, 1, -1], 8),
        ([2, -0.5, 2, 2], [1, 3, 1], 4),
    ],
)  # fmt: skip
def test_points_of_signed_layers_are_critical_by_differences(
    a: list[float], b: list[float], least: int
) -> None:
    found = solve(
        student_width=len(a), teacher_width=len(b), rule="gradient_flow", starts=1, until=10.0,
        student_layer=a, teacher_layer=b, structured=True,
    )  # fmt: skip
    points = [end for end in found.ends if end.curvature is not None]
    assert len(points) >= least
    tiny = 1e-5
    for end in points:
        W = weights_of(end)
        assert np.linalg.norm(W, axis=1).min() > 1e-4
        assert np.linalg.norm(W, axis=1).max() < 1e3
        layers = end.student_layer, end.teacher_layer
        assert loss_of(W, *layers) == pytest.approx(end.loss, abs=1e-12)
        for i, j in np.ndindex(W.shape):
            step = np.zeros_like(W)
            step[i, j] = tiny
            slope = loss_of(W + step, *layers) - loss_of(W - step, *layers)
            # Of the third derivative a difference has tiny^2, over the student's norm squared.
            assert abs(slope) / (2.0 * tiny) < 1e-8 / min(1.0, float(W[i] @ W[i]))


def automorphisms(W: Real, layers: Layers) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Relabellings of three students and three teachers, but the identity, that leave ``W``."""
    for students in itertools.permutations(range(3)):
        for teachers in itertools.permutations(range(3)):
            moved = W[np.ix_(students, teachers)]
            if (
                (students, teachers) != ((0, 1, 2), (0, 1, 2))
                and np.array_equal(layers.a[list(students)], layers.a)
                and np.array_equal(layers.b[list(teachers)], layers.b)
                and np.abs(moved - W).max() < 1e-7
            ):
                yield students, teachers


def is_listed_kind(H: Real, A: Real) -> bool:
    """Isolated, and at most two distinct eigenvalues are negative."""
    values = np.sort(np.concatenate([np.linalg.eigvalsh(H), np.linalg.eigvalsh(A)]))
    negative = values[values < -1e-7]
    distinct = len(negative) and 1 + np.sum(np.diff(negative) > 1e-6)
    return bool(np.abs(np.linalg.eigvalsh(H)).min() > 1e-6 and distinct <= 2)


@pytest.mark.parametrize(("a", "b"), [([1, 1, -1], [1, 1, -1]), ([1, 1, -1], [2, 2, -1])])
def test_a_dense_search_finds_no_other_symmetric_point(a: list[float], b: list[float]) -> None:
    """A thousand starts of a dense root finder in all nine coordinates."""
    layers = Layers(np.array(a, dtype=float), np.array(b, dtype=float))
    found = solve(
        student_width=3, teacher_width=3, rule="gradient_flow", starts=1, until=10.0,
        student_layer=a, teacher_layer=b, structured=True,
    )  # fmt: skip
    known = [weights_of(end) for end in found.ends if end.curvature is not None]
    known_layers = [
        (end.student_layer, end.teacher_layer) for end in found.ends if end.curvature is not None
    ]
    rng = np.random.default_rng(0)
    points: list[Real] = []
    for _ in range(1000):
        z = rng.standard_normal(9) * rng.choice([0.3, 1.0, 2.0])
        end = root(  # type: ignore[call-overload]  # its stubs know no matrix for jac
            lambda x: layers.gradient(x.reshape(1, 3, 3)).ravel(), z,
            jac=lambda x: layers.hessian(x.reshape(3, 3))[0], tol=1e-13, options={"maxfev": 60},
        )  # fmt: skip
        W = end.x.reshape(3, 3)
        norms = np.linalg.norm(W, axis=1)
        if np.linalg.norm(end.fun) > 1e-11 or norms.min() < 1e-2 or norms.max() > 50.0:
            continue
        unit = W / norms[:, None]
        if (unit @ unit.T - 2.0 * np.eye(3)).max() > 1.0 - 1e-8:
            continue  # students that coincide: a flat set
        if not is_listed_kind(*layers.hessian(W)):
            continue
        if not any(sorting.are_copies(W, other, layers) for other in points):
            points.append(W)
    symmetric = [W for W in points if next(automorphisms(W, layers), None) is not None]
    assert len(symmetric) >= 2
    for W in symmetric:
        here = float(layers.loss(W[None])[0])
        assert any(
            other.shape == W.shape
            and abs(loss_of(other, *with_layers) - here) < 1e-9
            and same_up_to_relabelling(W, layers, other, with_layers)
            for other, with_layers in zip(known, known_layers, strict=True)
        ), (here, W)


def same_up_to_relabelling(
    W: Real, layers: Layers, other: Real, theirs: tuple[list[float], list[float]]
) -> bool:
    """By trying all of them."""
    for students in itertools.permutations(range(3)):
        for teachers in itertools.permutations(range(3)):
            if (
                [theirs[0][i] for i in students] == layers.a.tolist()
                and [theirs[1][m] for m in teachers] == layers.b.tolist()
                and np.abs(other[np.ix_(students, teachers)] - W).max() < 1e-6
            ):
                return True
    return False


@pytest.mark.parametrize("rule", ["gradient_flow", "normalised", "orthonormalised", "two_layer"])
def test_order_and_size_of_tasks_do_not_matter(rule: str) -> None:
    asked: dict[str, Any] = {
        "student_width": 3, "teacher_width": 3, "rule": rule, "starts": 5, "structured": True,
    }  # fmt: skip
    request = DescentsRequest.model_validate({"input_dimension": 50, **asked})
    problem = COMPOSITION.problem(request)
    here = run_here(problem, NUMPY)

    def shuffled(tasks: Sequence[Task[Any, Any]]) -> Iterator[Any]:
        mixed = list(tasks)
        random.Random(1).shuffle(mixed)
        return here(mixed)

    found = COMPOSITION.compose(
        problem, run=shuffled, monitor=SilentMonitor(), chunk_starts=2
    ).result
    assert as_bytes(found) == as_bytes(solve(**asked))  # type: ignore[arg-type]


def test_two_layers_have_the_points_of_one() -> None:
    fields: dict[str, Any] = {"student_width": 3, "teacher_width": 3, "starts": 3,
                              "structured": True}  # fmt: skip
    one, two = (solve(rule=rule, **fields) for rule in ("gradient_descent", "two_layer"))
    assert [end.loss for end in one.ends] == pytest.approx([end.loss for end in two.ends])
    assert [end.kind for end in one.ends] == [end.kind for end in two.ends]


def test_orthonormal_students_that_outnumber_teachers_leave_the_span() -> None:
    found = solve(student_width=5, teacher_width=3, rule="orthonormalised", starts=20,
                  structured=True)  # fmt: skip
    assert all(end.outside_span >= 2 for end in found.ends)
    assert any(end.found_by == ["starts", "structures"] for end in found.ends)
    for end in found.ends:
        assert np.array(end.overlaps.Q) == pytest.approx(np.eye(5), abs=1e-13)


def test_without_it_nothing_is_new() -> None:
    plain: dict[str, Any] = {"student_width": 3, "teacher_width": 3, "rule": "normalised",
                             "starts": 3}  # fmt: skip
    without = DescentsRequest.model_validate(plain)
    said = DescentsRequest.model_validate({**plain, "structured": False})
    with_it = DescentsRequest.model_validate({**plain, "structured": True})
    assert without.content_id("cpu") == said.content_id("cpu") != with_it.content_id("cpu")
    assert "structured" not in without.canonical()
    found = solve(**plain)
    text = as_bytes(found)
    assert b"found_by" not in text
    assert b"searched" not in text
    both = solve(**plain, structured=True)
    assert both.reached == found.reached
    assert both.searched is not None
    for each in both.searched.patterns:
        assert each.starts >= each.points + sum(each.set_aside.values()) - each.set_aside["failed"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"teacher_gram": [[1.0, 0.5], [0.5, 1.0]]}, "orthonormal teachers"),
        ({"student_width": 21, "teacher_width": 20}, "above 400"),
    ],
)
def test_what_it_cannot_do_is_refused(changes: dict[str, Any], sentence: str) -> None:
    fields = {"student_width": 2, "teacher_width": 2, "rule": "normalised", "structured": True}
    with pytest.raises(ValidationError, match=sentence):
        DescentsRequest.model_validate({**fields, **changes})
