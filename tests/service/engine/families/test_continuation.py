"""Branches along real width: folds, branch points, and the identity of a branch."""

from __future__ import annotations

import math
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from relu_landscape.engine.families.continuation import continuation
from relu_landscape.engine.families.family import family
from relu_landscape.engine.families.follow import follow, walk
from relu_landscape.engine.families.layout import layout
from relu_landscape.engine.families.naming import anchor_point
from relu_landscape.engine.families.points import Point, embed, values
from relu_landscape.engine.families.search import search
from relu_landscape.engine.families.structures import parse
from relu_landscape.engine.families.wellknown import named
from relu_landscape.errors import InputError
from relu_landscape.wire.families import Continuation

from . import two_blocks

#: Pattern, the width to which it is asked for, and the fold: from the oracle below.
FOLDS = {
    "2+*": (3.2, 3.4340542100),
    "3+*": (4.2, 4.5639621325),
    "4+*": (5.2, 5.6378727651),
    "5+*": (6.2, 6.6870477032),
    "6+*": (7.2, 7.7227094425),
    "8+*": (9.2, 9.7718132312),
}
#: Of the first pattern, from coarse steps to fine ones; of the others some of both.
POINTS = (6, 10, 20, 30, 40, 50, 80, 160)
ASKED = {pattern: POINTS if pattern == "2+*" else (6, 11, 51) for pattern in FOLDS}


@cache
def _answer(pattern: str, points: int) -> Continuation:
    return continuation(pattern, 30, FOLDS[pattern][0], points)


@pytest.mark.parametrize(
    ("pattern", "points"), [(pattern, points) for pattern in FOLDS for points in ASKED[pattern]]
)
def test_a_fold_is_where_it_is_whatever_is_asked(pattern: str, points: int) -> None:
    """Between them, coarse steps in width passed each of these folds onto another branch."""
    found = _answer(pattern, points)
    assert found.ends is not None
    assert "folds back" in found.ends.reason
    assert found.ends.width == pytest.approx(FOLDS[pattern][1], abs=1.1e-10)
    assert found.ends.width == pytest.approx(_answer(pattern, POINTS[0]).ends.width, abs=1e-10)  # type: ignore[union-attr]
    last = found.events[-1]
    assert (last.kind, last.width, last.component) == ("fold", found.ends.width, "trivial")
    expected = [w for w in np.geomspace(30, FOLDS[pattern][0], points) if w > found.ends.width]
    assert [point.width for point in found.points] == pytest.approx(expected)


@pytest.mark.parametrize("pattern", FOLDS)
def test_a_point_of_a_branch_is_the_same_whatever_else_is_asked(pattern: str) -> None:
    answers = [{p.width: p for p in _answer(pattern, points).points} for points in ASKED[pattern]]
    common = 0
    for one, other in combinations(answers, 2):
        for width in one.keys() & other.keys():
            common += 1
            assert one[width].loss == pytest.approx(other[width].loss, abs=1e-15)
            for name, smallest in one[width].smallest.items():
                assert smallest == pytest.approx(other[width].smallest[name], abs=1e-11)
    assert common > len(answers)


@pytest.mark.parametrize("pattern", FOLDS)
def test_events_and_changes_do_not_depend_on_points(pattern: str) -> None:
    first = _answer(pattern, POINTS[0])
    for points in ASKED[pattern][1:]:
        found = _answer(pattern, points)
        assert [e.component for e in found.events] == [e.component for e in first.events]
        assert [e.width for e in found.events] == pytest.approx(
            [e.width for e in first.events], abs=1e-10
        )
        assert found.changes == first.changes


@pytest.mark.parametrize("pattern", FOLDS)
def test_a_fold_is_that_of_plain_equations(pattern: str) -> None:
    """Moore and Spence's equations in other unknowns, from a point 0.003% away from the fold."""
    width = FOLDS[pattern][1] * 1.00003
    point = _point(pattern, width)
    sizes = (float(point.structure.sizes[0]), float(point.structure.sizes[1]))
    entries = _entries(point)
    assert np.max(np.abs(two_blocks.gradient(entries, sizes))) < 1e-11
    found, fold = two_blocks.fold(entries, sizes)
    here = _answer(pattern, POINTS[0]).events[-1]
    assert here.width == pytest.approx(fold, abs=1e-10)
    value = two_blocks.loss(found, (sizes[0], fold - sizes[0]))
    assert here.loss == pytest.approx(value.real, abs=1e-13)


def test_losses_along_a_branch_are_those_of_plain_sums() -> None:
    for width in (3.5, 4.5, 7.25, 29.0):
        point = _point("2+*", width)
        sizes = (float(point.structure.sizes[0]), float(point.structure.sizes[1]))
        found = continuation("2+*", 30, width, 2).points[-1]
        expected = two_blocks.loss(_entries(point), sizes).real
        assert found.loss == pytest.approx(expected, abs=1e-12)


class _Widths:
    """The sizes of a pattern; the parameter is the logarithm of the width."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def sizes(self, parameter: float) -> tuple[float, ...]:
        return parse(self.pattern, teacher_width=math.exp(parameter)).sizes


def _point(pattern: str, width: float) -> Point:
    """The minimum with so many anti-aligned students, followed to a width."""
    words = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight"}
    well_known = named(f"{words[int(pattern[0])]}-anti-aligned")
    assert well_known is not None
    anchor, path = anchor_point(well_known), _Widths(pattern)
    found = walk(anchor, path, math.log(well_known.anchor), math.log(width))
    assert found is not None
    return found


def _entries(point: Point) -> np.ndarray:
    """Own, same block, other block: per student block."""
    table = layout(point.structure)
    z, p = values(table, point), table.p
    rows = []
    for s in (0, 1):
        mean, y = z[table.x(s, s)] / np.sqrt(p[s]), z[table.y(s)]
        off = mean - y / p[s]
        rows += [off + y, off, z[table.x(s, 1 - s)] / np.sqrt(p[1 - s])]
    return np.array(rows)


def test_around_a_fold_the_same_widths_come_again() -> None:
    once = continuation("2+*", 30, 3.2, 160)
    found = continuation("2+*", 30, 3.2, 160, around_folds=True)
    first = [point for point in found.points if point.sheet == 1]
    second = [point for point in found.points if point.sheet == 2]
    assert first == once.points
    assert second
    assert {p.sheet for p in found.points} == {1, 2}
    widths = [point.width for point in second]
    assert widths == sorted(widths)
    assert set(widths) <= {point.width for point in first}
    # next to the fold the two sheets part like a square root of the distance, on either side
    fold = next(event for event in found.events if event.kind == "fold")
    losses = {point.width: point.loss for point in first}
    assert losses[widths[0]] != second[0].loss
    assert losses[widths[0]] == pytest.approx(second[0].loss, abs=2e-3)
    assert fold.loss == pytest.approx(second[0].loss, abs=2e-3)
    assert found.ends is not None
    assert "cannot be followed" in found.ends.reason


def test_a_branch_that_meets_its_mirror_image_turns_back_there() -> None:
    """A pitchfork: the two blocks of ``*+*`` trade places, and the arms join on a symmetric one."""
    found = continuation("*+*", 20, 4, points=20, branch=5, around_folds=True)
    turn = next(e for e in found.events if (e.component, e.space) == ("trivial", "span"))
    assert turn.kind == "branch_point"
    assert turn.width == pytest.approx(4.6119012, abs=1e-6)
    sheets = [[p for p in found.points if p.sheet == sheet] for sheet in (1, 2)]
    for here, there in zip(sheets[0], reversed(sheets[1]), strict=True):
        assert here.width == there.width
        assert here.loss == pytest.approx(there.loss, abs=1e-13)
        assert here.smallest["standard(1)"] == pytest.approx(
            there.smallest["standard(2)"], abs=1e-9
        )
    assert found.ends is not None
    assert found.ends.width == 20
    assert "come back" in found.ends.reason
    stopped = continuation("*+*", 20, 4, points=20, branch=5)
    assert stopped.ends is not None
    assert stopped.ends.width == turn.width
    assert "meets another one" in stopped.ends.reason


def test_a_change_of_stability_is_a_branch_point() -> None:
    """Less symmetric points leave the branch where an eigenvalue passes through zero."""
    found = continuation("one-anti-aligned", 9, 4, points=5)
    (change,) = found.changes
    (event,) = found.events
    assert (event.kind, event.width, event.component) == (
        "branch_point",
        change.width,
        "standard(2)",
    )
    assert event.loss == pytest.approx(0.02588434, abs=1e-8)
    assert event.sheet == change.sheet == 1


def test_changes_are_in_one_order() -> None:
    found = continuation("8+*", 30, 9.2, 20)
    order = [(c.sheet, c.width, c.space, c.component) for c in found.changes]
    assert order == sorted(order)


@pytest.mark.parametrize("width", [9.0, 30.0, 1e3, 1e6, 1e9])
def test_upwards_a_family_stays_what_it_is(width: float) -> None:
    found = continuation("one-anti-aligned", 6, width, points=7)
    assert found.ends is None
    alone = family(int(width), int(width), "one-anti-aligned")
    assert found.points[-1].loss == pytest.approx(alone.loss, rel=1e-12)


def test_many_branches_at_once_go_where_each_goes_alone() -> None:
    start = [p.point for p in search(parse("1+3+16")).points]
    target = parse("1+3+496")
    together = follow(start, target)
    alone = [follow([point], target)[0] for point in start]
    assert sum(point is not None for point in together) > len(start) / 2
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_allclose(embed(one), embed(other), atol=1e-11)


def test_followed_points_stay_apart_and_come_back() -> None:
    """A jump would land two branches on one point, or bring one back as another."""
    start = [p.point for p in search(parse("1+3+16")).points]
    there = follow(start, parse("1+3+496"))
    alive = [(a, b) for a, b in zip(start, there, strict=True) if b is not None]
    back = follow([b for _, b in alive], start[0].structure)
    for (a, _), c in zip(alive, back, strict=True):
        assert c is not None
        np.testing.assert_allclose(embed(c), embed(a), atol=1e-9)


@pytest.mark.parametrize("name", ["one-anti-aligned", "two-anti-aligned", "all-anti-aligned"])
@pytest.mark.parametrize("width", [10**4, 10**8, 10**9])
def test_a_wide_spurious_minimum_is_not_global(name: str, width: int) -> None:
    """Losses of one anti-aligned student fall like 0.3 / K: at 10^9 to 3e-10, and not to zero."""
    found = family(width, width, name)
    assert not found.is_global
    assert found.loss > 0.29 / width


def test_a_block_is_not_followed_down_to_one() -> None:
    with pytest.raises(InputError, match="above 1"):
        continuation("1+*", 9, 2)
