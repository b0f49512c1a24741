"""Structured points as the network's own: every eigenvalue against the dense eigenproblem."""

from __future__ import annotations

import numpy as np
import pytest

from relu_landscape.engine.families import network
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.points import Point, embed, stacked
from relu_landscape.engine.families.reduced import pair_table
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.spectrum import components, whole
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.model import population
from relu_landscape.engine.model.teacher import make_teacher
from relu_landscape.engine.points import classify
from relu_landscape.wire.landscape import Space
from tests.service.engine.oracles import Real

from .shapes import KINDS, random_point

#: Every default structure up to this teacher width, of as many students, one less and one more.
WIDEST = 12
#: Both sides are eigenvalues of symmetric matrices, exact for one that differs by a few eps |H|
#: (LAPACK Users' Guide, section 4.7); n entries of rounding in sums of n terms make it eps n |H|.
#: An angle t is known to eps / sin t, and so are the entries that it gives.
ROUNDING = np.finfo(np.float64).eps

NAMES = sorted(
    {
        structure.name
        for width in range(1, WIDEST + 1)
        for students in (width - 1, width, width + 1)
        if students
        for structure in default_structures(students, width)
    }
    | set(KINDS)
)


def _smallest_sine(point: Point) -> float:
    """Of all angles between students, and between students and teachers, but those that are 0."""
    sines = pair_table(layout(point.structure), *stacked([point])).sine
    return float(sines.min(initial=1.0, where=sines > population.PARALLEL))


def _compare(found: Real, dense: Real, point: Point) -> None:
    scale = float(np.abs(dense).max()) * max(2, len(dense)) * ROUNDING / _smallest_sine(point)
    assert found.shape == dense.shape
    assert np.all(np.diff(found) >= 0.0)
    np.testing.assert_allclose(found, dense, rtol=0, atol=scale)


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_spectrum_is_the_dense_one(name: str) -> None:
    """At a point of the structure that nothing else distinguishes: each block asymmetric."""
    point = random_point(name, 7)
    W = embed(point)
    H, A = population.hessian(W, make_teacher(W.shape[1]))
    found = components(layout(point.structure), *stacked([point]))
    spaces: tuple[tuple[Space, Real], ...] = (("span", H), ("perpendicular", A))
    for space, dense in spaces:
        _compare(whole(found, space), np.linalg.eigvalsh(np.asarray(dense)), point)


@pytest.mark.parametrize(
    "name", ["1+6", "1+2+4", "1+3+4 extra 1", "5+2x0 extra 1", "4+3x0 extra 1"]
)
def test_a_point_at_rest_is_what_newtons_method_and_dense_matrices_make_of_it(name: str) -> None:
    structure = parse(name)
    teacher = make_teacher(int(structure.teacher_width))
    points = search(structure, most_starts=512).points
    assert points
    for each in points:
        found = network.at_rest(each.point, teacher)
        dense = classify.classify(embed(each.point), teacher)
        assert found is not None
        np.testing.assert_allclose(found.W, dense.W, rtol=0, atol=1e-13)
        assert found.loss == dense.loss
        _compare(found.span, dense.span, each.point)
        _compare(found.perpendicular, dense.perpendicular, each.point)
        assert _counts(found) == _counts(dense)


def _counts(point: classify.Point) -> tuple[int, ...]:
    found = point.summary
    return (
        found.index_span,
        found.nullity_span,
        found.index_perpendicular,
        found.nullity_perpendicular,
    )


def test_a_point_that_is_not_at_rest_is_none_of_the_network() -> None:
    """1e-9 beside a critical point: a search would not have called that polished."""
    point = search(parse("1+6"), most_starts=256).points[0].point
    beside = Point(point.structure, point.signs, point.deviations + 1e-9)
    teacher = make_teacher(7)
    assert network.at_rest(point, teacher) is not None
    assert network.at_rest(beside, teacher) is None
