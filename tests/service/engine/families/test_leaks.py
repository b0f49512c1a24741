"""Points along the leak: against searches there, a plain Hessian where they vanish, refusals."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from relu_landscape.engine.families.family import branches
from relu_landscape.engine.families.leaks import leaks
from relu_landscape.engine.families.leaning import leak_of, parameter_of
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points.classify import newton
from relu_landscape.errors import InputError
from relu_landscape.wire.leaks import Leaks
from tests.service.engine import leaky
from tests.service.engine.usual import here


@cache
def _found(width: int, structure: str, start: float, end: float) -> Leaks:
    return leaks(width, width, structure, start, end, 5)


@pytest.mark.parametrize(("width", "structure"), [(4, "1+3"), (6, "1+5"), (6, "2+4")])
def test_points_on_the_way_are_those_that_a_search_finds_there(width: int, structure: str) -> None:
    """Loss and stability, in the unit of the loss itself, at leaks that no curve was needed for."""
    found = _found(width, structure, -0.5, 0.5)
    assert [point.leak for point in found.points] == [-0.5, -0.25, 0.0, 0.25, 0.5]
    assert found.ends is None
    for point in found.points:
        there = search(parse(structure, leak=point.leak), highest_index=10**6, kernel=here())
        height = (1.0 - point.leak) ** 2
        nearest = min(there.points, key=lambda each: abs(each.loss * height - point.loss))
        assert point.loss == pytest.approx(nearest.loss * height, abs=1e-13)
        assert point.is_stable == nearest.is_minimum
        lowest = nearest.summary.min_eigenvalue(1)
        assert min(point.smallest.values()) == pytest.approx(lowest * height, abs=1e-12)


def test_where_a_minimum_vanishes_the_whole_hessian_says_so() -> None:
    """The smallest eigenvalue of the plain Hessian of all weights, as a function of the leak."""
    (change,) = _found(4, "1+3", -0.5, 0.5).changes
    minima = search(parse("1+3", leak=-0.5), kernel=here()).minima
    first = max(minima, key=lambda each: each.loss)  # the other one is the teacher
    W, V = embed(first.point), np.eye(4)
    # Beside the place: on it Newton's method on all weights goes over to the branch that crosses.
    around = (-0.4896, -0.4876, -0.4836, -0.4816)
    smallest = []
    for leak in around:
        W, _ = newton(W, make_teacher(4, None, leak))
        smallest.append(float(np.linalg.eigvalsh(leaky.hessian(W, V, leak))[0]))
    assert smallest[1] > 1e-3 > -1e-3 > smallest[2]
    # Differences leave 1e-9 of the eigenvalue, which changes by 0.6 per unit of leak; the cubic
    # through four values at such distances, less.
    root = float(CubicSpline(smallest[::-1], around[::-1], bc_type="not-a-knot")(0.0))
    assert change.leak == pytest.approx(root, abs=1e-7)
    assert (change.stable_below, change.stable_above) == (True, False)
    assert abs(change.eigenvalue) < 1e-12


def test_the_way_back_meets_the_same_changes() -> None:
    there = _found(6, "2+4", -0.5, 0.5)
    listed = branches(parse("2+4", leak=0.5))
    wanted = there.points[-1].loss / 0.25  # in the unit of the search
    (number,) = (n for n, (_, v) in enumerate(listed, 1) if abs(v.loss - wanted) < 1e-9)
    back = leaks(6, 6, "2+4", 0.5, -0.5, 3, branch=number)
    np.testing.assert_allclose(
        [change.leak for change in back.changes],
        [change.leak for change in there.changes],
        rtol=0.0,
        atol=1e-10,
    )
    assert back.points[-1].loss == pytest.approx(there.points[0].loss, abs=1e-13)


def test_the_parameter_and_the_leak_are_one_to_one() -> None:
    for leak in (-0.9, -0.25, 0.0, 0.5, 0.9):
        assert leak_of(parameter_of(leak)) == pytest.approx(leak, abs=1e-16)
    assert parameter_of(0.0) == leak_of(0.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((6, 6, "1+5", 0.5, 0.5), "different leaks"),
        ((6, 6, "1+5", 0.0, 0.95), "from -0.9 to 0.9"),
        ((101, 101, "1+100", 0.0, 0.5), "1 to 100"),
        ((6, 6, "1+4", 0.0, 0.5), "5 teachers"),
        ((3, 3, "3+1", 0.0, 0.5), "4 teachers"),
        ((6, 6, "1+5", 0.0, 0.5, 5, 99), "branches 1 to"),
    ],
)
def test_what_does_not_exist_is_refused(arguments: tuple[int, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        leaks(*arguments)  # type: ignore[arg-type]
