"""Published landscapes, found without a single random start of the whole problem."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.linalg import cho_factor, cho_solve

from relu_landscape.engine.families.coarse import coarsest
from relu_landscape.engine.families.points import embed
from relu_landscape.engine.families.search import CriticalPoint, search
from relu_landscape.engine.families.structures import default_structures, parse
from relu_landscape.engine.points.pathways import Surface, pathway
from tests.service.engine.usual import here

from . import oracle
from .published import eigenvalue_tolerance, equal_widths, wider_students

pytestmark = pytest.mark.acceptance

#: At least so many minima exist (independent search over the same structures, 1,500 starts each).
KNOWN_COUNTS = {6: 3, 8: 6, 10: 9, 12: 12, 20: 25, 40: 57}
#: Points of index 0, 1 and 2 found from 60,000 starts per structure; those of index 2 in one, two
#: and any three blocks.
KNOWN_BY_INDEX = {8: (6, 7, 9), 10: (9, 9, 15)}


@cache
def landscape(students: int, teachers: int) -> tuple[CriticalPoint, ...]:
    """All points of index 0, 1, 2 of the default structures, each once."""
    found: dict[tuple[object, ...], CriticalPoint] = {}
    for structure in default_structures(students, teachers):
        result = search(structure, kernel=here())
        assert result.complete, structure.name
        for point in result.points:
            key = (coarsest(point.point).structure.name, round(point.loss, 10), point.index_span)
            found.setdefault(key, point)
    return tuple(sorted(found.values(), key=lambda point: point.loss))


@pytest.mark.parametrize("width", sorted(equal_widths()))
def test_every_published_minimum_is_found(width: int) -> None:
    minima = [point for point in landscape(width, width) if point.is_minimum]
    for published in equal_widths()[width]:
        eigenvalue = published["min_eigenvalue"]
        near = [
            point
            for point in minima
            if abs(point.loss - published["loss"]) < 1e-9
            and abs(point.summary.min_eigenvalue_span - eigenvalue)
            < eigenvalue_tolerance(eigenvalue)
        ]
        assert near, published
        sizes = list(coarsest(near[0].point).structure.sizes)
        assert sizes == sorted(published["blocks"]), published


def least_eigenvalue(H: np.ndarray, bound: float) -> float:
    """That of the matrix, which must be above ``bound`` and next to it.

    The factors exist because nothing lies below the bound (their rounding is 2e-12 at 1,600 rows);
    with them inverse iteration gives the value from above. A fifth of the time of all eigenvalues.
    """
    factors = cho_factor(H - bound * np.eye(len(H)))
    x = np.random.default_rng(0).standard_normal(len(H))
    for _ in range(4):
        x = cho_solve(factors, x / np.linalg.norm(x))
    return float(x @ H @ x / (x @ x))


@pytest.mark.parametrize(("width", "count"), KNOWN_COUNTS.items())
def test_many_unpublished_minima_are_found_and_are_minima(width: int, count: int) -> None:
    minima = [point for point in landscape(width, width) if point.is_minimum]
    assert len(minima) >= count
    for point in minima:
        W = embed(point.point)
        # sums of width^2 terms of order 1/width each, in loops
        assert oracle.loss(W) == pytest.approx(point.loss, abs=1e-12)
        np.testing.assert_allclose(oracle.gradient(W), 0, atol=1e-12)
        least = point.summary.min_eigenvalue_span
        assert least > 1e-11
        assert least_eigenvalue(oracle.hessian(W), least - 1e-11) == pytest.approx(least, abs=1e-11)


@pytest.mark.parametrize(("width", "counts"), KNOWN_BY_INDEX.items())
def test_points_of_low_index_are_complete(width: int, counts: tuple[int, int, int]) -> None:
    """With all partitions into three blocks, the numbers known from 60,000 starts."""
    found = {(round(p.loss, 10), p.index_span) for p in landscape(width, width)}
    for p in range(2, width // 3 + 1):
        for q in range(p, (width - p) // 2 + 1):
            result = search(parse(f"{p}+{q}+{width - p - q}"), kernel=here())
            found |= {(round(point.loss, 10), point.index_span) for point in result.points}
    assert tuple(sum(index == i for _, index in found) for i in range(3)) == counts


def test_index_one_points_at_width_six() -> None:
    assert sum(point.index_span == 1 for point in landscape(6, 6)) == 5


@pytest.mark.parametrize(("students", "teachers"), sorted(wider_students()))
def test_every_published_point_of_wider_students_is_found(students: int, teachers: int) -> None:
    found = landscape(students, teachers)
    for published in wider_students()[students, teachers]:
        # 0.019157183 is one minimum, not four; a saddle lies 8e-12 above it
        near = [
            point
            for point in found
            if abs(point.loss - published["loss"]) < 1e-9
            and point.index_span == published["negative_eigenvalues"]
        ]
        assert len(near) == 1, published
        point = near[0]
        assert point.summary.min_eigenvalue_span == pytest.approx(
            published["min_eigenvalue"], abs=6e-8
        )
        assert point.summary.min_eigenvalue_perpendicular == pytest.approx(
            published["perpendicular_min_eigenvalue"], abs=6e-8
        )


def test_at_least_twenty_spurious_minima_of_18_students_and_17_teachers() -> None:
    minima = [point for point in landscape(18, 17) if point.is_minimum]
    assert len(minima) >= 20
    shallow = [p for p in minima if abs(p.loss - 0.019157182576) < 1e-9]
    assert len(shallow) == 1
    assert shallow[0].summary.min_eigenvalue_span == pytest.approx(3.81e-5, abs=5e-8)
    dense = np.linalg.eigvalsh(oracle.hessian(embed(shallow[0].point)))
    assert dense[0] == pytest.approx(shallow[0].summary.min_eigenvalue_span, abs=1e-11)


def test_the_published_saddle_joins_zero_loss_with_zero_loss() -> None:
    """Published as a minimum (gradient 2e-10), it is a saddle of index 1."""
    saddles = [p for p in search(parse("2+15 extra 1")).points if abs(p.loss - 0.011698913) < 1e-8]
    assert len(saddles) == 1
    assert saddles[0].index_span == 1
    assert saddles[0].summary.index_perpendicular == 0
    found = pathway(
        embed(coarsest(saddles[0].point)),
        surface=Surface(loss=oracle.loss, hessian=oracle.hessian, polish=lambda W: W),
        descend=lambda batch: np.array([oracle.flow(start, rest=1e-4) for start in batch]),
        # the flow is stopped at a gradient of 1e-4: zero loss is approached like a power of time,
        # and the lowest spurious point of this case lies at 0.0117
        zero_loss=1e-4,
    )
    assert max(found.losses) < 1e-4
